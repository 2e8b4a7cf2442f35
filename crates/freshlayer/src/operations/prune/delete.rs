use super::evidence::{Evidence, unseen_reader};
use crate::engine::Engine;
use crate::error::Error;
use crate::ports::{Key, Region, Registry};
use crate::release::publish::{description, fault, find};
use crate::state::{Release, Session, Versions};

impl Evidence<'_> {
    /// Deletes a release's layer versions, then its zip, then the last trace of both in the head.
    pub(super) async fn delete(
        &self,
        engine: &Engine,
        session: &mut Session<'_>,
        regions: &[Region],
        release: &Release,
        versions: &Versions,
    ) -> Result<(), Error> {
        for region in regions {
            let registry = region.registry.as_ref();
            if let Some(arn) = versions.get(registry.region()) {
                let deleted = registry.delete(arn).await;
                deleted.map_err(fault(release, "delete a version of"))?;
            }
            self.delete_unknown(registry, release).await?;
        }
        let key = Key::blob(&release.zip_sha256);
        let deleted = engine.ports.store.delete(&key).await;
        deleted.map_err(|source| Error::Store { key: key.to_string(), source })?;
        session.change(|head| head.deleted(release.seq)).await
    }

    /// Deletes a version of the release that a lost reply left behind, and that may refer to its zip.
    async fn delete_unknown(
        &self,
        registry: &dyn Registry,
        release: &Release,
    ) -> Result<(), Error> {
        let found = find(registry, &release.layer, &description(release)).await;
        let found = found.map_err(fault(release, "look for a version of"))?;
        let Some(version) = found.filter(|version| version.sha256 == release.zip_sha256) else {
            return Ok(());
        };
        let arn = &version.arn;
        let stays = match self.in_use.get(arn) {
            Some(user) => Some(format!("{user} uses it")),
            None if self.looked.contains(arn.layer()) => {
                unseen_reader(registry, self.definition, arn).await
            }
            None => Some("freshlayer did not look for functions that use it".to_owned()),
        };
        if let Some(reason) = stays {
            let words = format!("its layer version {arn}, which the state does not name, stays");
            return Err(Error::NotPossible(format!("{words}: {reason}")));
        }
        let deleted = registry.delete(&version.arn).await;
        deleted.map_err(fault(release, "delete a version of"))
    }
}
