//! Where every consumer stands, in the words of the report: a pure function of what is known.

use std::collections::{BTreeMap, BTreeSet};

use super::act::{Strays, Stuck};
use super::plan::{PlaceView, Plan, Standing, World};
use crate::names::{LayerVersionArn, Place};
use crate::ports::{CodeStorage, Configuration, Consumer, FunctionName};
use crate::report::{ConsumerReport, ConsumerState, PlaceReport, Reason, Why};

/// What is known after a run, or before one.
pub(crate) struct Known<'a> {
    pub(crate) world: &'a World,
    pub(crate) plan: &'a Plan,
    pub(crate) strays: &'a Strays,
    /// The functions that this run moved.
    pub(crate) moved: &'a BTreeSet<(Place, FunctionName)>,
    /// Why a function that has steps left does not have them done.
    pub(crate) left: Why,
}

impl Known<'_> {
    /// Says where every consumer stands.
    pub(crate) fn consumers(&self) -> Vec<ConsumerReport> {
        let views = self.world.places.iter();
        let all = views.flat_map(|view| {
            let consumers = view.consumers.iter().flatten().filter(|one| is_consumer(view, one));
            consumers.map(|consumer| self.consumer(view, consumer))
        });
        all.collect()
    }

    fn consumer(&self, view: &PlaceView, consumer: &Consumer) -> ConsumerReport {
        let key = (view.place.clone(), consumer.function.clone());
        let (state, why) = self.state(&key);
        let named = |why| match &view.version {
            Some(arn) => Reason::of(why, arn.layer_name(), Some(&consumer.function)),
            None => Reason::from(why),
        };
        ConsumerReport {
            place: key.0,
            function: key.1,
            state,
            layer_version: serving(view, consumer).cloned(),
            reason: why.map(named),
        }
    }

    fn state(&self, key: &(Place, FunctionName)) -> (ConsumerState, Option<Why>) {
        let there =
            if self.moved.contains(key) { ConsumerState::Moved } else { ConsumerState::Current };
        match (self.strays.get(key), self.plan.standings.get(key)) {
            (Some(Stuck::ForNow(why @ Why::NotRetired { .. })), _) => (there, Some(why.clone())),
            (Some(Stuck::Refused(why) | Stuck::ForNow(why)), _) => {
                (ConsumerState::Failed, Some(why.clone()))
            }
            (None, Some(Standing::Held(why))) => (ConsumerState::Held, Some(why.clone())),
            (None, Some(Standing::Ordered(why))) => (ConsumerState::Ordered, Some(why.clone())),
            (None, Some(Standing::Partly(percent))) => {
                (ConsumerState::Behind, Some(Why::Partly { percent: *percent }))
            }
            (None, Some(Standing::Later)) => (ConsumerState::Behind, Some(Why::LaterWave)),
            (None, Some(Standing::Waiting(why))) => (ConsumerState::Behind, Some(why.clone())),
            (None, Some(Standing::Moving) | None) => {
                (ConsumerState::Behind, Some(self.left.clone()))
            }
            (None, Some(Standing::Current)) => (there, None),
        }
    }
}

/// Says how far each place is.
pub(crate) fn places(
    world: &World,
    version: impl Fn(&Place) -> Option<LayerVersionArn>,
    failure: impl Fn(&Place) -> Option<Reason>,
    storage: &BTreeMap<Place, CodeStorage>,
) -> Vec<PlaceReport> {
    let mut reports: Vec<PlaceReport> = world
        .places
        .iter()
        .map(|view| PlaceReport {
            layer_version: version(&view.place),
            storage: storage.get(&view.place).copied(),
            failure: failure(&view.place).or_else(|| view.consumers.as_ref().err().cloned()),
            place: view.place.clone(),
        })
        .collect();
    reports.sort_by(|a, b| a.place.cmp(&b.place));
    reports
}

/// A published version without an alias may name the layer still: that alone makes no consumer.
fn is_consumer(view: &PlaceView, function: &Consumer) -> bool {
    let Some(layer) = view.version.as_ref() else { return true };
    let uses = |configuration: &Configuration| {
        configuration.layers.iter().any(|arn| arn.layer() == layer.layer())
    };
    let aliases = function.aliases().iter().filter_map(|alias| function.version(alias.version));
    let tag = format!("freshlayer:{}", layer.layer_name());
    function.look.is_none()
        || function.tags.contains_key(&tag)
        || uses(&function.latest)
        || aliases.into_iter().any(|version| uses(&version.configuration))
}

/// The layer version that callers get: behind the first alias, or in `$LATEST`.
pub(crate) fn serving<'c>(view: &PlaceView, consumer: &'c Consumer) -> Option<&'c LayerVersionArn> {
    let layer = view.version.as_ref()?.layer();
    let alias = consumer.aliases().first();
    let version = alias.and_then(|alias| consumer.version(alias.version));
    let configuration = version.map_or(&consumer.latest, |version| &version.configuration);
    configuration.layers.iter().find(|arn| arn.layer() == layer)
}
