//! The AWS adapters against the ports' suites, over AWS's wire protocol.
//!
//! What the emulator is lax about (five layers at most, an update in progress) the suite of the fleet asks for,
//! too; those parts run against the strict hosts only, and `EmulatorBench` says which.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use freshlayer::ports::{Fleet, Publication, Registry, Store};
use freshlayer::{Digest, LayerVersionArn};
use freshlayer_aws::{LambdaFleet, LambdaRegistry};
use freshlayer_tests::contracts::{self, FleetBench, Strictness};
use freshlayer_tests::emulator::{Account, emulator};
use freshlayer_tests::sandbox::{block_on, layer_name};
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
        contracts::registry(&account.aws().registry()).await;
    });
}

#[test]
fn lambda_fleet() {
    block_on(async {
        let bench = EmulatorBench::new(emulator().account().await);
        contracts::fleet(&bench).await;
    });
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
        let (zip, aws) = (
            NamedTempFile::new().expect("a temporary file"),
            account.aws(),
        );
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

fn a_zip(content: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("a new zip");
    zip.write_all(content.as_bytes()).expect("in memory");
    zip.finish().expect("in memory").into_inner()
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
        let lambda = self.account.lambda();
        let tags: HashMap<String, String> = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let code = FunctionCode::builder().zip_file(Blob::new(a_zip("first")));
        let create = lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role(format!("arn:aws:iam::{}:role/a", self.account.id))
            .code(code.build())
            .set_layers(Some(layers.iter().map(ToString::to_string).collect()))
            .set_tags(Some(tags));
        create.send().await.expect("the function is new");
        if aliases.is_empty() {
            return;
        }
        let published = lambda.publish_version().function_name(name).send().await;
        let published = published.expect("publishable");
        let version = published.version().expect("it has a number");
        for alias in aliases {
            let create = lambda.create_alias().function_name(name).name(*alias);
            create
                .function_version(version)
                .send()
                .await
                .expect("the alias is new");
        }
    }

    async fn deploy(&self, name: &str) {
        let update = self
            .account
            .lambda()
            .update_function_code()
            .function_name(name);
        let code = Blob::new(a_zip("other"));
        update.zip_file(code).send().await.expect("it is there");
    }
}
