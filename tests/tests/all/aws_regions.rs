//! Two Regions and two accounts: one download and one package feed all, and each is its own result.

use aws_sdk_lambda::types::LayerVersionsListItem;
use freshlayer_tests::emulator::{Account, REGION, emulator};
use freshlayer_tests::sandbox::workspace;
use serde_json::Value;

use crate::aws::{AT_ONCE, Cloud};
use crate::refresh::GEO;
use freshlayer::LayerVersionArn;
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::block_on;

pub(crate) const FAR: &str = "us-east-1";

/// An account with two Regions, and another account whose functions use the layer.
struct World {
    cloud: Cloud,
    far: Account,
    member: Account,
}

impl World {
    async fn new() -> Self {
        let (cloud, member) = (Cloud::new().await, emulator().account().await);
        let far = cloud.account.in_region(FAR);
        far.make_bucket(&format!("{}-{FAR}", cloud.account.bucket())).await;
        let role = member_role(&cloud.account, &member);
        let definition = format!("{AT_ONCE}{}{GEO}", spread(&member, &role));
        cloud.sandbox.layer("geo", &definition);
        Self { cloud, far, member }
    }

    fn version(&self, region: &str, number: u64) -> LayerVersionArn {
        let id = &self.cloud.account.id;
        let arn = format!("arn:aws:lambda:{region}:{id}:layer:geo:{number}");
        LayerVersionArn::parse(&arn).expect("an ARN")
    }

    /// Makes a function in each place.
    async fn functions(&self) {
        for (account, region) in self.places() {
            let layers = [self.version(region, 1)];
            account.function("here", &layers, &["live"], &[]).await;
        }
    }

    /// The layers behind the alias of the function in each place.
    async fn serving(&self) -> Vec<String> {
        let mut serving = Vec::new();
        for (account, _) in self.places() {
            serving.extend(account.layers("here", "live").await);
        }
        serving
    }

    fn places(&self) -> [(Account, &'static str); 4] {
        [
            (self.cloud.account.in_region(REGION), REGION),
            (self.cloud.account.in_region(FAR), FAR),
            (self.member.in_region(REGION), REGION),
            (self.member.in_region(FAR), FAR),
        ]
    }

    fn build(&self, day: u64) {
        let bytes = Mmdb::later(day).bytes();
        self.cloud.sandbox.upstream.publish("country.mmdb", &bytes);
    }
}

#[test]
fn every_region_and_account_follows_from_one_download() {
    block_on(async {
        let world = World::new().await;
        let first = world.cloud.run(&["refresh"]);
        assert_eq!(first.code, 0, "{first:?}");
        world.functions().await;
        world.build(3);
        world.cloud.sandbox.upstream.seen();
        let second = world.cloud.run(&["refresh", "--json"]);
        assert_eq!(second.code, 0, "{second:?}");
        assert_eq!(world.cloud.sandbox.upstream.seen().len(), 1, "one download");
        let report = second.json()["layers"][0].clone();
        let places = report["places"].as_array().expect("places").len();
        assert_eq!(places, 4, "{report:#}");
        let (near, far) = (world.version(REGION, 2), world.version(FAR, 2));
        let expected = [&near, &far, &near, &far].map(ToString::to_string);
        assert_eq!(world.serving().await, expected);

        let parameter = aws_sdk_ssm::Client::new(&world.far.sdk());
        let parameter = parameter.get_parameter().name("/freshlayer/geo/arn");
        let parameter = parameter.send().await.expect("it is written");
        let value = parameter.parameter().and_then(|found| found.value());
        assert_eq!(value, Some(far.as_str()));

        let status = world.cloud.run(&["status"]);
        assert_eq!(status.code, 0, "{status:?}");
        let line = format!("function here in {FAR} of {}: up to date", world.member.id);
        assert!(status.stdout.contains(&line), "{status:?}");

        let back = world.cloud.run(&["rollback", "geo"]);
        assert_eq!(back.code, 0, "{back:?}");
        let (near, far) = (world.version(REGION, 1), world.version(FAR, 1));
        let expected = [&near, &far, &near, &far].map(ToString::to_string);
        assert_eq!(world.serving().await, expected);
    });
}

#[test]
fn a_region_that_fails_holds_nobody_back_and_catches_up() {
    block_on(async {
        let world = World::new().await;
        assert_eq!(world.cloud.run(&["refresh"]).code, 0);
        world.functions().await;
        let bucket = format!("{}-{FAR}", world.cloud.account.bucket());
        empty(&world.far, &bucket).await;
        world.build(3);
        let broken = world.cloud.run(&["refresh"]);
        assert_eq!(broken.code, 1, "{broken:?}");
        let said = format!("{}{}", broken.stdout, broken.stderr);
        assert!(said.contains(&format!("{FAR}: ")), "{said}");
        assert!(said.contains("2 of 4 places are done"), "{said}");
        let (near, old) = (world.version(REGION, 2), world.version(FAR, 1));
        let expected = [&near, &old, &near, &old].map(ToString::to_string);
        assert_eq!(world.serving().await, expected, "the far Region keeps what it has");

        world.far.make_bucket(&bucket).await;
        world.cloud.sandbox.upstream.seen();
        let healed = world.cloud.run(&["refresh", "--json"]);
        assert_eq!(healed.code, 0, "{healed:?}");
        let asked = world.cloud.sandbox.upstream.seen();
        assert!(asked.iter().all(|request| request.conditional), "{asked:?}");
        let far = world.version(FAR, 2);
        let expected = [&near, &far, &near, &far].map(ToString::to_string);
        assert_eq!(world.serving().await, expected);
        let idle = world.cloud.run(&["refresh", "--json"]);
        let outcome: Value = idle.json()["layers"][0]["outcome"]["kind"].clone();
        assert_eq!(outcome, "unchanged", "{idle:?}");
    });
}

#[test]
fn prune_looks_in_every_region_and_account() {
    block_on(async {
        let world = World::new().await;
        assert_eq!(world.cloud.run(&["refresh"]).code, 0);
        let held = [world.version(FAR, 1)];
        let tags = [("freshlayer:geo", "hold")];
        let member = world.member.in_region(FAR);
        member.function("held", &held, &[], &tags).await;
        let moves = [world.version(REGION, 1)];
        let home = world.cloud.account.in_region(REGION);
        home.function("moves", &moves, &[], &[]).await;
        for day in [3, 6, 9] {
            world.build(day);
            world.cloud.run(&["refresh"]);
        }
        // A Region that lacks the current release keeps nobody from pruning.
        let bucket = format!("{}-{FAR}", world.cloud.account.bucket());
        empty(&world.far, &bucket).await;
        world.build(12);
        assert_eq!(world.cloud.run(&["refresh"]).code, 1);
        let named = world.cloud.run(&["prune", "geo", "--keep", "2"]);
        assert!(named.stdout.contains("  release 2  kept: the parameter of "), "{named:?}");
        let ran = world.cloud.run(&["prune", "geo", "--keep", "2", "--even-if-named"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let place = format!("function held in {FAR} of {} uses it", world.member.id);
        assert!(ran.stdout.contains(&place), "{ran:?}");
        assert!(ran.stdout.contains("  release 2  pruned  "), "{ran:?}");
        for region in [REGION, FAR] {
            let lambda = world.cloud.account.in_region(region).lambda();
            let listed = lambda.list_layer_versions().layer_name("geo").send().await;
            let listed = listed.expect("readable");
            let numbers = listed.layer_versions().iter().map(LayerVersionsListItem::version);
            let numbers: Vec<i64> = numbers.collect();
            assert!(numbers.contains(&1) && !numbers.contains(&2), "{region}: {numbers:?}");
        }
    });
}

/// Deploys the shipped role into an account, and trusts all of the publisher's account; returns the role.
pub(crate) fn member_role(publisher: &Account, member: &Account) -> String {
    let id = &publisher.id;
    let parameters =
        [format!("PublisherRoleArn=arn:aws:iam::{id}:root"), format!("PublisherAccount={id}")];
    let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
    let template = workspace().join("infra/member.yaml");
    let outputs = member.deploy_template(&template, None, &parameters);
    outputs["RoleArn"].as_str().expect("an output").to_owned()
}

/// The lines of a definition that go to both Regions and both accounts.
pub(crate) fn spread(member: &Account, role: &str) -> String {
    let id = &member.id;
    format!("regions = ['{REGION}', '{FAR}']\n[[account]]\nid = '{id}'\nrole_arn = '{role}'\n")
}

/// Removes a bucket with what is in it.
async fn empty(account: &Account, bucket: &str) {
    let s3 = account.s3();
    let listed = s3.list_objects_v2().bucket(bucket).send().await;
    for object in listed.expect("readable").contents() {
        let key = object.key().expect("it has a key");
        let removed = s3.delete_object().bucket(bucket).key(key).send().await;
        removed.expect("removable");
    }
    let removed = s3.delete_bucket().bucket(bucket).send().await;
    removed.expect("it is empty");
}
