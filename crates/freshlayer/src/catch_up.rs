//! Brings every Region to the release that consumers shall be on: publishes it where it is missing, lets the
//! readers in, and says that it is the one to use. Failures of one Region do not hold back the others.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::join_all;

use crate::definition::{Definition, Terms};
use crate::engine::{Engine, Stages};
use crate::error::{Error, chain};
use crate::hashing::sha256_of;
use crate::names::{LayerVersionArn, RegionName};
use crate::package::LayerZip;
use crate::ports::{Key, Promotion, Region};
use crate::publish::{fault, publish_in};
use crate::state::{Head, Lease, Leased, Release, Session, Told};

/// How far the Regions are.
pub(crate) enum Caught {
    /// Each Region has the release, or its failure stands here.
    Up(BTreeMap<RegionName, String>),
    /// Another publisher works on the layer.
    Busy(Lease),
}

pub(crate) async fn catch_up(
    engine: &Engine,
    session: &mut Session<'_>,
    definition: &Definition,
    release: &Release,
    regions: &[Region],
    stages: &Stages,
) -> Result<Caught, Error> {
    let terms = &definition.terms;
    let is_behind = |region: &&Region| !is_told(session.head(), release, region, terms);
    let behind: Vec<&Region> = regions.iter().filter(is_behind).collect();
    if behind.is_empty() {
        return Ok(Caught::Up(BTreeMap::new()));
    }
    if let Leased::Theirs(lease) = session.lease().await? {
        return Ok(Caught::Busy(lease));
    }
    let head = session.head();
    let lacks = |region: &&Region| {
        head.version(release.seq, region.registry.region())
            .is_none()
    };
    let folder = engine.run_folder()?;
    let zip = match behind.iter().any(lacks) {
        true => stored_zip(engine, release, folder.path()).await?.into(),
        false => None,
    };
    let done = behind.iter().map(|region| {
        let known = head.version(release.seq, region.registry.region()).cloned();
        one(engine, region, terms, release, known, zip.as_ref(), stages)
    });
    let done = join_all(done).await;
    let mut failures = BTreeMap::new();
    let mut told = BTreeMap::new();
    for (region, done) in behind.iter().zip(done) {
        let region = region.registry.region().clone();
        match done {
            Ok(version) => drop(told.insert(region, version)),
            Err(error) => drop(failures.insert(region, chain(&error))),
        }
    }
    if !told.is_empty() {
        session
            .change(|head| {
                for (region, version) in &told {
                    let versions = head.versions.entry(release.seq).or_default();
                    versions.insert(region.clone(), version.clone());
                    let (version, readers) = (version.clone(), terms.readers.clone());
                    head.told.insert(region.clone(), Told { version, readers });
                }
            })
            .await?;
    }
    Ok(Caught::Up(failures))
}

fn is_told(head: &Head, release: &Release, region: &Region, terms: &Terms) -> bool {
    let region = region.registry.region();
    let (told, version) = (head.told.get(region), head.version(release.seq, region));
    told.zip(version).is_some_and(|(told, version)| {
        told.version == *version && told.readers.is_superset(&terms.readers)
    })
}

async fn one(
    engine: &Engine,
    region: &Region,
    terms: &Terms,
    release: &Release,
    known: Option<LayerVersionArn>,
    zip: Option<&LayerZip>,
    stages: &Stages,
) -> Result<LayerVersionArn, Error> {
    let arn = match (known, zip) {
        (Some(arn), _) => arn,
        (None, Some(zip)) => {
            publish_in(engine, region, terms, release, zip, stages)
                .await?
                .arn
        }
        (None, None) => unreachable!("the zip is there where a version is missing"),
    };
    let promotion = Promotion {
        layer: &release.layer,
        arn: &arn,
        version: &release.version,
        readers: &terms.readers,
    };
    let promoted = region.registry.promote(promotion).await;
    promoted.map_err(fault(release, "promote"))?;
    Ok(arn)
}

/// Brings the release's zip back to this machine, proved by its digest.
async fn stored_zip(engine: &Engine, release: &Release, folder: &Path) -> Result<LayerZip, Error> {
    let path = folder.join("layer.zip");
    let key = Key::blob(&release.zip_sha256).to_string();
    if !engine.zip_to_file(release, &path).await? {
        let problem = format!("release {} names this zip, and it is missing", release.seq);
        return Err(Error::State { key, problem });
    }
    let found = sha256_of(&path).map_err(Error::io("read", &path))?;
    if found != release.zip_sha256 {
        let what = format!("the stored zip of release {}", release.seq);
        let problem = format!("expected SHA-256 {}, found {found}", release.zip_sha256);
        return Err(Error::Proof { what, problem });
    }
    Ok(LayerZip {
        path,
        sha256: found,
        size_bytes: release.zip_bytes,
    })
}
