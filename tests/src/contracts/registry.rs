use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use freshlayer::definition::{Reader, Terms};
use freshlayer::ports::{Announcement, Publication, Registry};
use freshlayer::{Digest, LayerName, LayerVersionArn, sha256_of};

use crate::sandbox::layer_name;

/// Whether there is anybody to let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// Other accounts.
    Accounts,
    /// Nobody else: a folder.
    Nobody,
}

/// Holds a layer registry to its contract. The layers `numbered` and `other` must be new.
///
/// # Panics
/// Where it breaks the contract.
pub async fn registry(registry: &dyn Registry, hosts: Hosts) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zip = folder.path().join("layer.zip");
    let sha256 = write_zip(&zip, b"some data");
    let (layer, terms) = (layer_name("numbered"), Terms::default());
    let publication = |description| Publication {
        layer: &layer,
        description,
        zip: &zip,
        sha256: &sha256,
        terms: &terms,
    };

    assert!(registry.versions(&layer).await.expect("readable").is_empty());
    let first = registry.publish(publication("a")).await.expect("publishable");
    let second = registry.publish(publication("b")).await.expect("publishable");
    assert_eq!((first.arn.version(), second.arn.version()), (1, 2), "numbered from 1");
    assert_eq!(first.arn.layer(), second.arn.layer());
    let again = registry.publish(publication("a")).await.expect("publishable");
    assert_eq!(again.arn.version(), 3, "publishing is not idempotent; finding is the caller's");

    let listed = registry.versions(&layer).await.expect("readable");
    let listed: Vec<(u64, &str)> =
        listed.iter().map(|one| (one.arn.version(), one.description.as_str())).collect();
    assert_eq!(listed, [(3, "a"), (2, "b"), (1, "a")], "newest first");
    assert!(registry.versions(&layer_name("other")).await.expect("readable").is_empty());

    let back = registry.read_back(&first.arn).await.expect("readable").expect("it is there");
    assert_eq!((&back.sha256, back.description.as_str()), (&sha256, "a"));
    tells_again(registry, hosts, &layer, &first.arn).await;
    deletes(registry, &again.arn, publication("e")).await;
    let missing = LayerVersionArn::parse(&format!("{}:99", first.arn.layer())).expect("an ARN");
    assert!(registry.read_back(&missing).await.expect("readable").is_none());

    std::fs::write(&zip, b"this is no zip").expect("writable");
    let noise = sha256_of(&zip).expect("readable");
    let publication = Publication { sha256: &noise, ..publication("d") };
    assert!(registry.publish(publication).await.is_err(), "what is no zip is refused");
    std::fs::remove_file(&zip).expect("the zip is the caller's");
    let back = registry.read_back(&second.arn).await.expect("readable").expect("it is there");
    assert_eq!(back.sha256, sha256, "a version does not change");
}

async fn deletes(registry: &dyn Registry, newest: &LayerVersionArn, next: Publication<'_>) {
    for _ in 0..2 {
        let deleted = registry.delete(newest).await;
        deleted.expect("what is not there is deleted already");
        let back = registry.read_back(newest).await.expect("readable");
        assert!(back.is_none(), "it is gone");
    }
    let next = registry.publish(next).await.expect("publishable");
    let number = newest.version() + 1;
    assert_eq!(next.arn.version(), number, "a number is never used again");
}

async fn tells_again(
    registry: &dyn Registry,
    hosts: Hosts,
    layer: &LayerName,
    arn: &LayerVersionArn,
) {
    let readers = [Reader::parse("210987654321").expect("an account")];
    let announcement = Announcement { layer, arn, version: &semver::Version::new(1, 0, 0) };
    for _ in 0..2 {
        let shared = registry.share(arn, &BTreeSet::from(readers.clone())).await;
        shared.expect("sharing again changes nothing");
        let announced = registry.announce(announcement).await;
        announced.expect("announcing again changes nothing");
    }
    let readers = registry.readers(arn).await.expect("readable");
    let expected = match hosts {
        Hosts::Accounts => BTreeSet::from(["210987654321".to_owned()]),
        Hosts::Nobody => BTreeSet::new(),
    };
    assert_eq!(readers, expected);
}

fn write_zip(path: &Path, content: &[u8]) -> Digest {
    let file = std::fs::File::create(path).expect("writable");
    let mut zip = zip::ZipWriter::new(file);
    zip.start_file("data", zip::write::SimpleFileOptions::default()).expect("writable");
    zip.write_all(content).expect("writable");
    zip.finish().expect("writable");
    sha256_of(path).expect("readable")
}
