//! The AWS adapters against the strict simulation: the ports' suites.

use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::LayerVersionArn;
use freshlayer::definition::Terms;
use freshlayer::ports::{Fleet, Publication, Registry as _};
use freshlayer_aws::{LambdaFleet, LambdaRegistry};
use freshlayer_tests::contracts::{self, FleetBench, Hosts};
use freshlayer_tests::emulator::a_zip;
use freshlayer_tests::sandbox::layer_name;
use freshlayer_tests::simulated::{NewFunction, Simulated};
use tempfile::NamedTempFile;

use crate::simulated::{block_on, pace};

#[test]
fn s3_store() {
    block_on(async {
        let aws = Simulated::new();
        contracts::store(&|| Arc::new(aws.aws(pace()).store())).await;
    });
}

#[test]
fn lambda_registry() {
    block_on(async {
        contracts::registry(&Simulated::new().aws(pace()).registry(), Hosts::Accounts).await;
    });
}

#[test]
fn lambda_fleet() {
    block_on(async { contracts::fleet(&Bench::new()).await });
}

struct Bench {
    aws: Simulated,
    registry: LambdaRegistry,
    fleet: LambdaFleet,
    zip: NamedTempFile,
}

impl Bench {
    fn new() -> Self {
        let (aws, zip) = (Simulated::new(), NamedTempFile::new().expect("a file"));
        std::fs::write(zip.path(), a_zip("data")).expect("writable");
        let view = aws.aws(pace());
        Self { registry: view.registry(), fleet: view.fleet(), aws, zip }
    }
}

#[async_trait]
impl FleetBench for Bench {
    fn fleet(&self) -> &dyn Fleet {
        &self.fleet
    }

    async fn layer_version(&self, layer: &str) -> LayerVersionArn {
        let publication = Publication {
            layer: &layer_name(layer),
            description: "a version",
            zip: self.zip.path(),
            sha256: &freshlayer::sha256_of(self.zip.path()).expect("readable"),
            terms: &Terms::default(),
        };
        let published = self.registry.publish(publication).await;
        published.expect("publishable").arn
    }

    async fn function(
        &self,
        name: &str,
        layers: &[LayerVersionArn],
        aliases: &[&str],
        tags: &[(&str, &str)],
    ) {
        let new = NewFunction { layers, aliases, tags, ..NewFunction::default() };
        self.aws.function(name, &new);
    }

    async fn deploy(&self, name: &str) {
        self.aws.deploy(name);
    }
}
