//! The AWS adapters against the ports' suites, over AWS's wire protocol.
//!
//! What the emulator is lax about (five layers at most, an update in progress) the suite of the fleet asks for,
//! too; those parts run against the strict hosts only, and `EmulatorBench` says which.

use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Terms;
use freshlayer::ports::{
    AlarmState, AlarmTag, Behind, Calls, Clock as _, Fleet, FunctionName, Health, Publication,
    Registry,
};
use freshlayer::{Digest, LayerVersionArn};
use freshlayer_aws::{CloudWatchHealth, LambdaFleet, LambdaRegistry};
use freshlayer_local::SystemClock;
use freshlayer_tests::contracts::{self, FleetBench, HealthBench, Hosts, Strictness};
use freshlayer_tests::emulator::{Account, a_zip, emulator};
use freshlayer_tests::sandbox::{block_on, layer_name};
use jiff::Timestamp;
use tempfile::NamedTempFile;

#[test]
fn s3_store() {
    block_on(async {
        let account = emulator().account().await;
        contracts::store(&|| Arc::new(account.aws().store())).await;
    });
}

#[test]
fn lambda_registry() {
    block_on(async {
        let account = emulator().account().await;
        contracts::registry(&account.aws().registry(), Hosts::Accounts).await;
    });
}

#[test]
fn lambda_fleet() {
    block_on(async {
        let bench = EmulatorBench::new(emulator().account().await);
        contracts::fleet(&bench).await;
    });
}

#[test]
fn cloudwatch_health() {
    block_on(async {
        let account = emulator().account().await;
        let health = account.aws().health();
        contracts::health(&Measured { account, health }).await;
    });
}

/// An account with what its CloudWatch says.
struct Measured {
    account: Account,
    health: CloudWatchHealth,
}

#[async_trait]
impl HealthBench for Measured {
    fn health(&self) -> &dyn Health {
        &self.health
    }

    async fn call(&self, function: &FunctionName, minute: Timestamp, calls: Calls) {
        self.account.count_calls(function, minute, calls).await;
    }

    async fn call_behind(&self, behind: &Behind, minute: Timestamp, calls: Calls) {
        self.account.count_calls_behind(behind, minute, calls).await;
    }

    async fn alarm(&self, name: &str, state: AlarmState) {
        self.account.alarm(name, state).await;
    }

    async fn tag_alarm(&self, name: &str, tag: AlarmTag) {
        self.account.tag_alarm(name, &tag).await;
    }

    async fn mute_alarm(&self, name: &str, way: usize) {
        match way {
            0 => self.account.mute_alarm(name).await,
            _ => self.account.mute_alarm_by_a_rule(name).await,
        }
    }

    fn now(&self) -> Timestamp {
        SystemClock::start().now()
    }
}

/// A fleet in an account of its own.
struct EmulatorBench {
    account: Account,
    registry: LambdaRegistry,
    fleet: LambdaFleet,
    zip: NamedTempFile,
    sha256: Digest,
}

impl EmulatorBench {
    fn new(account: Account) -> Self {
        let (zip, aws) = (NamedTempFile::new().expect("a temporary file"), account.aws());
        zip.as_file().write_all(&a_zip("data")).expect("writable");
        Self {
            registry: aws.registry(),
            fleet: aws.fleet(),
            sha256: freshlayer::sha256_of(zip.path()).expect("readable"),
            zip,
            account,
        }
    }
}

#[async_trait]
impl FleetBench for EmulatorBench {
    fn fleet(&self) -> &dyn Fleet {
        &self.fleet
    }

    fn strictness(&self) -> Strictness {
        Strictness::Lax
    }

    async fn layer_version(&self, layer: &str) -> LayerVersionArn {
        let publication = Publication {
            layer: &layer_name(layer),
            description: "a version",
            zip: self.zip.path(),
            sha256: &self.sha256,
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
        self.account.function(name, layers, aliases, tags).await;
    }

    async fn deploy(&self, name: &str) {
        self.account.deploy(name).await;
    }
}
