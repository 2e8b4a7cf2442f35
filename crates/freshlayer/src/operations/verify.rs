use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::formats::pipe::blocking;
use crate::names::{DatasetName, LayerName, LayerVersionArn};
use crate::ports::Registry;
use crate::problem::GateReport;
use crate::release::package::prove;
use crate::report::Exit;
use crate::state::Release;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verified {
    /// The layer.
    pub layer: LayerName,
    /// The release.
    pub seq: u64,
    /// Each check, in order.
    pub checks: Vec<Check>,
    /// What the data of each dataset went through before it was released.
    pub gates: Vec<DatasetGates>,
}

/// The checks that a dataset's data went through when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DatasetGates {
    /// The dataset.
    pub name: DatasetName,
    /// Every check that exists for its format; empty for data that an earlier version of freshlayer released.
    pub checks: GateReport,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What was checked.
    pub what: String,
    /// What is wrong; absent where it is right.
    pub problem: Option<String>,
}

impl Verified {
    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        if self.checks.iter().any(|check| check.problem.is_some()) {
            Exit::Rejected
        } else {
            Exit::Done
        }
    }
}

/// Proves a release again, from its record to its layer version: the zip's digest, every file in it, the
/// manifest, each dataset through the consumer's reader, and what the registry holds.
///
/// # Errors
/// [`Error::NotPossible`] where there is no such release, and the store's errors.
pub async fn verify(
    engine: &Engine,
    definition: &Definition,
    seq: Option<u64>,
) -> Result<Verified, Error> {
    let layer = &definition.layer;
    let session = engine.session(layer).await?;
    let none = || Error::NotPossible(format!("layer `{layer}` has no release to verify"));
    let seq = seq.or(session.head().desired()).ok_or_else(none)?;
    if seq == 0 || seq > session.head().newest() {
        return Err(Error::NotPossible(format!("layer `{layer}` has no release {seq}")));
    }
    if !session.head().versions().contains_key(&seq) {
        let problem = format!(
            "release {seq} of layer `{layer}` has no layer version: it was pruned, or never published"
        );
        return Err(Error::NotPossible(problem));
    }
    let release = session.release(seq).await?;
    let mut checks = zip_checks(engine, &release).await?;
    for region in engine.ports.regions.of(&definition.destinations).await {
        let region = region.registry.as_ref();
        if let Some(arn) = session.head().version(seq, region.region()) {
            checks.push(version_check(region, arn, &release).await);
        }
    }
    Ok(Verified { layer: layer.clone(), seq, checks, gates: gates_of(&release) })
}

/// Returns what the data of the release that consumers shall be on went through before it was released; nothing
/// where there is no release yet.
///
/// # Errors
/// The store's errors.
pub async fn gates(engine: &Engine, definition: &Definition) -> Result<Vec<DatasetGates>, Error> {
    let session = engine.session(&definition.layer).await?;
    match session.head().desired() {
        Some(seq) => Ok(gates_of(&session.release(seq).await?)),
        None => Ok(Vec::new()),
    }
}

fn gates_of(release: &Release) -> Vec<DatasetGates> {
    let gates = release.snapshots.iter().map(|snapshot| DatasetGates {
        name: snapshot.dataset.clone(),
        checks: snapshot.gates.clone(),
    });
    gates.collect()
}

async fn version_check(registry: &dyn Registry, arn: &LayerVersionArn, release: &Release) -> Check {
    let (number, region) = (arn.version(), registry.region());
    let problem = match registry.read_back(arn).await {
        Ok(Some(version)) if version.sha256 == release.zip_sha256 => None,
        Ok(Some(version)) => {
            Some(format!("expected SHA-256 {}, found {}", release.zip_sha256, version.sha256))
        }
        Ok(None) => Some("there is no such version".to_owned()),
        Err(error) => Some(chain(error.as_ref())),
    };
    Check { what: format!("layer version {number} in {region} holds the zip"), problem }
}

async fn zip_checks(engine: &Engine, release: &Release) -> Result<Vec<Check>, Error> {
    let folder = engine.run_folder()?;
    let zip = folder.path().join("layer.zip");
    let what = "the stored zip is the recorded one".to_owned();
    match release.fetch_zip(engine.ports.store.as_ref(), &zip).await {
        Ok(_) => {}
        Err(error @ (Error::ZipMissing { .. } | Error::Proof { .. })) => {
            return Ok(vec![Check { what, problem: Some(chain(&error)) }]);
        }
        Err(error) => return Err(error),
    }
    let mut checks = vec![Check { what, problem: None }];
    let (layer, opt) = (release.layer.clone(), folder.path().join("opt"));
    let proven = blocking(move || prove(&zip, &layer, &opt, &|_| ())).await;
    let what = "every file has its digest, and the reader opens every dataset".to_owned();
    match proven {
        Ok((manifest, _)) => {
            checks.push(Check { what, problem: None });
            let differs = manifest != release.manifest();
            let problem = differs.then(|| "it differs".to_owned());
            checks.push(Check { what: "the manifest is the recorded one".to_owned(), problem });
        }
        Err(error) => checks.push(Check { what, problem: Some(chain(&error)) }),
    }
    Ok(checks)
}
