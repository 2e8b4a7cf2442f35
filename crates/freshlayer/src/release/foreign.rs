//! A layer that has versions which freshlayer did not make is taken over by decision only (I12).

use futures_util::future::join_all;

use super::publish::made_by_freshlayer;
use crate::definition::Definition;
use crate::engine::Run;
use crate::error::Error;
use crate::names::LayerVersionArn;
use crate::ports::Region;
use crate::report::Why;
use crate::state::Head;

/// Finds out whether some Region where nothing is published yet has versions of the layer that freshlayer did not
/// make. `None` where there are none, or where a person decided to adopt them.
pub(crate) async fn foreign(run: &Run<'_>, head: &Head) -> Result<Option<Why>, Error> {
    let regions = run.engine.ports.regions.of(&run.definition.destinations).await;
    for region in &regions {
        if let Some(why) = foreign_to(run.definition, head, region).await? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// As [`foreign`], of one Region.
pub(crate) async fn foreign_to(
    definition: &Definition,
    head: &Head,
    region: &Region,
) -> Result<Option<Why>, Error> {
    if definition.adopt || head.adopted().is_some() {
        return Ok(None);
    }
    let (layer, registry) = (head.layer(), region.registry.as_ref());
    let name = registry.region();
    let published = |versions: &crate::state::Versions| versions.contains_key(name);
    if head.versions().values().chain(head.deleting().values()).any(published) {
        return Ok(None);
    }
    let listed = registry.versions(layer).await;
    let action = "list the versions of";
    let listed =
        listed.map_err(|source| Error::Registry { action, layer: layer.clone(), source })?;
    let mut theirs = listed.iter().filter(|v| !made_by_freshlayer(&v.description, layer));
    let Some(newest) = theirs.next() else { return Ok(None) };
    let versions = 1 + theirs.count();
    let functions = users(region, &newest.arn).await;
    Ok(Some(Why::Foreign { versions, newest: newest.arn.clone(), functions }))
}

/// Counts the functions that use the layer, in every account of the Region.
async fn users(region: &Region, version: &LayerVersionArn) -> Option<usize> {
    let counts = region.places().map(|(_, fleet)| async move {
        let consumers = fleet.observe(version).await.ok()?;
        Some(consumers.len())
    });
    join_all(counts).await.into_iter().sum()
}
