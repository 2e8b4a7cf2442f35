//! The whole job in an account of the emulator, through the real binary.

use std::net::TcpListener;
use std::process::Command;

use freshlayer::LayerVersionArn;
use freshlayer::definition::Terms;
use freshlayer::ports::{Publication, Registry as _};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::emulator::{Account, FaultProxy, REGION, a_zip, emulator};
use freshlayer_tests::sandbox::{Ran, Sandbox, block_on, layer_name};

use serde_json::json;

use crate::lambda::{Running, invoke};
use crate::refresh::GEO;

/// Functions move as soon as there is a release: for tests that are about something else than waves.
pub(crate) const AT_ONCE: &str = "rollout.preset = 'all-at-once'\n";

/// A sandbox whose binary works in an account.
pub(crate) struct Cloud {
    pub(crate) sandbox: Sandbox,
    pub(crate) account: Account,
}

impl Cloud {
    pub(crate) async fn new() -> Self {
        let (sandbox, account) = (Sandbox::new(), emulator().account().await);
        sandbox.layer("geo", &format!("{AT_ONCE}{GEO}"));
        sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
        Self { sandbox, account }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().expect("the binary starts"))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        command.envs(self.account.environment()).env("FRESHLAYER_TARGET", "aws");
        command
    }

    pub(crate) fn version(&self, layer: &str, number: u64) -> LayerVersionArn {
        let arn = format!("arn:aws:lambda:{REGION}:{}:layer:{layer}:{number}", self.account.id);
        LayerVersionArn::parse(&arn).expect("an ARN")
    }

    /// Publishes somebody else's layer.
    async fn foreign(&self) -> LayerVersionArn {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), a_zip("foreign")).expect("writable");
        let publication = Publication {
            layer: &layer_name("foreign"),
            description: "somebody else's",
            zip: file.path(),
            sha256: &freshlayer::sha256_of(file.path()).expect("readable"),
            terms: &Terms::default(),
        };
        let published = self.account.aws().registry().publish(publication).await;
        published.expect("publishable").arn
    }
}

#[test]
fn a_layer_is_published_and_every_function_follows_in_its_own_way() {
    block_on(async {
        let cloud = Cloud::new().await;
        let first = cloud.run(&["refresh"]);
        assert_eq!(first.code, 0, "{first:?}");
        let (one, two) = (cloud.version("geo", 1), cloud.version("geo", 2));
        let foreign = cloud.foreign().await;
        let on_one = [one.clone()];
        let account = &cloud.account;
        account.function("plain", &[foreign.clone(), one.clone()], &[], &[]).await;
        account.function("aliased", &on_one, &["live", "beta"], &[]).await;
        account.function("held", &on_one, &[], &[("freshlayer:geo", "hold")]).await;
        account.function("wishes", &[], &[], &[("freshlayer:geo", "1")]).await;
        account.function("other", std::slice::from_ref(&foreign), &[], &[]).await;
        account.function("unreleased", &on_one, &["live"], &[]).await;
        account.deploy("unreleased").await;

        cloud.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        let second = cloud.run(&["refresh"]);
        assert_eq!(second.code, 4, "one function waits for a person: {second:?}");
        assert!(second.stdout.contains("$LATEST differs from version 1"), "{second:?}");

        let (one, two) = (one.to_string(), two.to_string());
        let foreign = foreign.to_string();
        assert_eq!(account.layers("plain", "$LATEST").await, [foreign.as_str(), two.as_str()]);
        assert_eq!(account.layers("aliased", "live").await, [two.as_str()]);
        assert_eq!(account.layers("aliased", "beta").await, [two.as_str()]);
        assert_eq!(account.layers("aliased", "1").await, [one.as_str()], "a version never changes");
        assert_eq!(account.layers("held", "$LATEST").await, [one.as_str()]);
        assert_eq!(account.layers("wishes", "$LATEST").await, [two.as_str()]);
        assert_eq!(account.layers("other", "$LATEST").await, [foreign.as_str()]);
        assert_eq!(account.layers("unreleased", "live").await, [one.as_str()]);

        let back = cloud.run(&["rollback", "geo"]);
        assert_eq!(back.code, 0, "{back:?}");
        assert_eq!(account.layers("plain", "$LATEST").await[1], one);
        assert_eq!(account.layers("aliased", "live").await, [one.as_str()]);
        let history = cloud.run(&["history", "geo"]).stdout;
        let by = format!("by arn:aws:iam::{}:", cloud.account.id);
        assert!(history.contains(&by), "the caller's ARN signs: {history}");
        assert_eq!(cloud.run(&["verify", "geo"]).code, 0);
    });
}

#[test]
fn a_function_with_two_of_our_layers_follows_both_in_their_places() {
    block_on(async {
        let cloud = Cloud::new().await;
        let upstream = &cloud.sandbox.upstream;
        let more = GEO.replace("country.mmdb", "more.mmdb");
        cloud.sandbox.layer("more", &format!("{AT_ONCE}{more}"));
        upstream.publish("more.mmdb", &Mmdb::default().bytes());
        assert_eq!(cloud.run(&["refresh"]).code, 0);
        let foreign = cloud.foreign().await;
        let layers =
            |number| [cloud.version("more", number), foreign.clone(), cloud.version("geo", number)];
        cloud.account.function("both", &layers(1), &["live"], &[]).await;
        for file in ["country.mmdb", "more.mmdb"] {
            upstream.publish(file, &Mmdb::later(3).bytes());
        }
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let expected = layers(2).map(|arn| arn.to_string());
        assert_eq!(cloud.account.layers("both", "$LATEST").await, expected);
        assert_eq!(cloud.account.layers("both", "live").await, expected);
    });
}

#[test]
fn a_scheduled_run_that_finds_nothing_new_makes_three_calls() {
    block_on(async {
        let cloud = Cloud::new().await;
        assert_eq!(cloud.run(&["refresh"]).code, 0);
        let one = cloud.version("geo", 1);
        cloud.account.function("plain", std::slice::from_ref(&one), &["live"], &[]).await;
        let proxy = FaultProxy::start(emulator());
        let api = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let layers = cloud.sandbox.path("layers").display().to_string();
        let mut environment = cloud.account.environment().to_vec();
        environment.push(("FRESHLAYER_LAYERS", layers));
        environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
        environment.push(("AWS_ENDPOINT_URL", proxy.endpoint()));
        let _running = Running::start("publisher", &api, &environment);
        cloud.sandbox.upstream.seen();
        let (kind, answer) = invoke(&api, &json!({}));
        assert_eq!(
            (kind.as_str(), &answer["layers"][0]["outcome"]["kind"]),
            ("response", &json!("unchanged"))
        );
        let before = proxy.requests();
        cloud.sandbox.upstream.seen();
        let (_, answer) = invoke(&api, &json!({}));
        assert_eq!(proxy.requests() - before, 3, "the head, the tags, and one page of functions");
        assert_eq!(cloud.sandbox.upstream.seen().len(), 1);
        assert_eq!(answer["layers"][0]["last_look"]["behind"], 0, "{answer:#}");
        let (kind, answer) = invoke(&api, &json!({"command": "refresh", "layers": ["other"]}));
        assert_eq!((kind.as_str(), &answer["errorType"]), ("error", &json!("Usage")));
    });
}

#[test]
fn a_layer_of_the_account_is_at_opt_on_this_machine() {
    block_on(async {
        let cloud = Cloud::new().await;
        assert_eq!(cloud.run(&["refresh"]).code, 0);
        cloud.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        assert_eq!(cloud.run(&["refresh"]).code, 0);
        let manifest = "cat ${FRESHLAYER_ROOT:-/opt}/freshlayer/geo.json";
        let shown = |layer: &str| cloud.run(&["exec", layer, "--", "sh", "-c", manifest]).json();
        assert_eq!((&shown("geo")["release"], &shown("geo:1")["release"]), (&json!(2), &json!(1)));
        let to = cloud.sandbox.path("here").display().to_string();
        let pulled = cloud.run(&["pull", "geo", "--to", &to]);
        assert_eq!(pulled.code, 0, "{pulled:?}");
        assert!(cloud.sandbox.path("here/geo/country.mmdb").exists());
        assert_eq!(cloud.run(&["pull", "geo", "--to", &to]).code, 2, "the folder is there");
        assert_eq!(cloud.run(&["pull", "geo:9"]).code, 2, "there is no such version");
        let (foreign, old) = (cloud.foreign().await, cloud.version("geo", 1));
        let by_arn = cloud.run(&["pull", foreign.as_str(), old.as_str()]);
        assert_eq!(by_arn.code, 0, "{by_arn:?}");
        let nowhere = cloud.run(&["pull", cloud.version("geo", 9).as_str()]);
        assert_eq!(nowhere.code, 2, "{nowhere:?}");
        assert!(nowhere.stderr.contains("does not exist"), "{nowhere:?}");

        let layers = [foreign, old];
        cloud.account.function("both", &layers, &["live"], &[]).await;
        let files =
            "cat ${FRESHLAYER_ROOT:-/opt}/freshlayer/geo.json && ls ${FRESHLAYER_ROOT:-/opt} >&2";
        for function in ["both", "both:live"] {
            let ran = cloud.run(&["exec", "--function", function, "--", "sh", "-c", files]);
            assert_eq!(ran.json()["release"], 1, "{ran:?}");
            assert!(ran.stderr.contains("bootstrap"), "the other layer, too: {ran:?}");
        }
        let nobody = cloud.run(&["exec", "--function", "nobody", "--", "true"]);
        assert_eq!(nobody.code, 1, "{nobody:?}");
    });
}

#[test]
fn sixty_functions_follow_over_pages() {
    block_on(async {
        let cloud = Cloud::new().await;
        assert_eq!(cloud.run(&["refresh"]).code, 0);
        let one = [cloud.version("geo", 1)];
        for number in 0..60 {
            cloud.account.function(&format!("function-{number}"), &one, &[], &[]).await;
        }
        cloud.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        let ran = cloud.run(&["refresh", "--json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let document = ran.json();
        let consumers = document["layers"][0]["consumers"].as_array().expect("a list");
        let moved = consumers.iter().filter(|consumer| consumer["state"] == "moved").count();
        assert_eq!((consumers.len(), moved), (60, 60));
        let two = cloud.version("geo", 2).to_string();
        assert_eq!(cloud.account.layers("function-59", "$LATEST").await, [two.as_str()]);
    });
}

#[test]
fn bad_data_moves_nothing() {
    block_on(async {
        let cloud = Cloud::new().await;
        assert_eq!(cloud.run(&["refresh"]).code, 0);
        let one = cloud.version("geo", 1);
        cloud.account.function("plain", std::slice::from_ref(&one), &[], &[]).await;
        cloud.sandbox.upstream.publish("country.mmdb", b"this is no database");
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert_eq!(cloud.account.layers("plain", "$LATEST").await, [one.to_string()]);
        let status = cloud.run(&["status"]);
        assert!(status.stdout.contains("release 1"), "{status:?}");
    });
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = sandbox.command(arguments);
        command.env_remove("AWS_PROFILE").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("HOME", sandbox.path("nobody")).envs(environment.iter().copied());
        Ran::of(&command.output().expect("the binary starts"))
    };
    let aws = ["refresh", "--target", "aws"];
    let no_bucket = run(&aws, &[]);
    assert_eq!(no_bucket.code, 2, "{no_bucket:?}");
    assert!(no_bucket.stderr.contains("--bucket or FRESHLAYER_BUCKET"), "{no_bucket:?}");

    let no_region = run(&aws, &[("FRESHLAYER_BUCKET", "b")]);
    assert_eq!(no_region.code, 1, "{no_region:?}");
    assert!(no_region.stderr.contains("no Region is named"), "{no_region:?}");

    let no_credentials = run(&aws, &[("FRESHLAYER_BUCKET", "b"), ("AWS_REGION", REGION)]);
    assert_eq!(no_credentials.code, 1, "{no_credentials:?}");
    let said = format!("{}{}", no_credentials.stdout, no_credentials.stderr);
    assert!(said.contains("no usable AWS credentials"), "{no_credentials:?}");

    let local = run(&["functions", "list", "--target", "aws"], &[]);
    assert_eq!(local.code, 2, "{local:?}");
}
