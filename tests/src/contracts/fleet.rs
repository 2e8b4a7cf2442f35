use std::collections::BTreeMap;

use async_trait::async_trait;
use freshlayer::LayerVersionArn;
use freshlayer::ports::{Consumer, Fleet, FleetError, FunctionName, Routing, Step};

/// What a fleet's implementation brings for its suite: a way to make functions, and to change them behind
/// freshlayer's back.
#[async_trait]
pub trait FleetBench: Send + Sync {
    /// The fleet.
    fn fleet(&self) -> &dyn Fleet;
    /// Tells whether the host refuses all that Lambda refuses.
    fn strictness(&self) -> Strictness {
        Strictness::AsLambda
    }
    /// Publishes a version of a layer.
    async fn layer_version(&self, layer: &str) -> LayerVersionArn;
    /// Makes a function.
    async fn function(
        &self,
        name: &str,
        layers: &[LayerVersionArn],
        aliases: &[&str],
        tags: &[(&str, &str)],
    );
    /// Deploys other code, as a person does.
    async fn deploy(&self, name: &str);
}

/// How close a host is to Lambda in what it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// It refuses what Lambda refuses.
    AsLambda,
    /// An emulator that takes more than five layers.
    Lax,
}

/// Holds a fleet to its contract. The fleet must be empty.
///
/// # Panics
/// Where it breaks the contract.
pub async fn fleet(bench: &dyn FleetBench) {
    let (old, new) = (bench.layer_version("geo").await, bench.layer_version("geo").await);
    let foreign = bench.layer_version("foreign").await;
    finds_by_use_and_by_tag(bench, &old, &foreign).await;
    swaps_in_place(bench, &old, &new, &foreign).await;
    refuses_what_changed(bench, &old, &new).await;
    walks_a_version_to_an_alias(bench, &old, &new).await;
    refuses_what_lambda_refuses(bench, &old).await;
    knows_what_is_in_use(bench).await;
}

async fn knows_what_is_in_use(bench: &dyn FleetBench) {
    let mut versions = Vec::new();
    for _ in 0..4 {
        versions.push(bench.layer_version("held").await);
    }
    let [nobodys, latest, behind, forgotten] = &versions[..] else {
        unreachable!("there are four")
    };
    let fleet = bench.fleet();
    bench.function("on-latest", std::slice::from_ref(latest), &[], &[]).await;
    bench.function("moves-on", std::slice::from_ref(forgotten), &["live"], &[]).await;
    let before = consumer(bench, nobodys, "moves-on").await;
    let set = Step::SetLayers {
        function: name("moves-on"),
        layers: vec![behind.clone()],
        revision_id: before.revision_id,
    };
    let set = fleet.apply(&set).await.expect("applicable");
    let publish = Step::PublishVersion {
        function: name("moves-on"),
        code_sha256: set.latest.code_sha256,
        revision_id: set.revision_id,
        description: "freshlayer held version 3".to_owned(),
    };
    let published = fleet.apply(&publish).await.expect("applicable");
    let shift = Step::MoveAlias {
        function: name("moves-on"),
        alias: "live".to_owned(),
        version: 2,
        percent: 100,
        revision_id: published.aliases()[0].revision_id.clone(),
    };
    fleet.apply(&shift).await.expect("applicable");
    let in_use = fleet.in_use(nobodys).await.expect("readable");
    let found: Vec<&LayerVersionArn> = in_use.keys().collect();
    assert_eq!(found, [latest, behind, forgotten]);
    let user = |arn: &LayerVersionArn| in_use[arn].to_string();
    assert_eq!(user(latest), "function on-latest");
    assert_eq!(user(forgotten), "version 1 of function moves-on");
}

async fn consumer(bench: &dyn FleetBench, target: &LayerVersionArn, name: &str) -> Consumer {
    let consumers = bench.fleet().observe(target).await.expect("observable");
    let mut found = consumers.into_iter().filter(|c| c.function.as_str() == name);
    let found = found.next().unwrap_or_else(|| panic!("{name} is a consumer"));
    let look = Step::Look { function: found.function };
    bench.fleet().apply(&look).await.expect("readable")
}

fn name(name: &str) -> FunctionName {
    FunctionName::parse(name).expect("a function name")
}

async fn finds_by_use_and_by_tag(
    bench: &dyn FleetBench,
    old: &LayerVersionArn,
    foreign: &LayerVersionArn,
) {
    bench.function("uses", std::slice::from_ref(old), &[], &[]).await;
    bench.function("tagged", &[], &[], &[("freshlayer:geo", "1")]).await;
    let wave = [("freshlayer:wave", "canary")];
    bench.function("first", std::slice::from_ref(old), &[], &wave).await;
    let others = [("freshlayer:other", ""), wave[0]];
    bench.function("neither", std::slice::from_ref(foreign), &[], &others).await;
    let consumers = bench.fleet().observe(old).await.expect("observable");
    let mut names: Vec<&str> = consumers.iter().map(|c| c.function.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["first", "tagged", "uses"]);
    let tags = BTreeMap::from([("freshlayer:geo".to_owned(), "1".to_owned())]);
    assert_eq!(consumer(bench, old, "tagged").await.tags, tags);
    let tags = BTreeMap::from([("freshlayer:wave".to_owned(), "canary".to_owned())]);
    assert_eq!(consumer(bench, old, "first").await.tags, tags, "it needs no tag of the layer");
}

async fn swaps_in_place(
    bench: &dyn FleetBench,
    old: &LayerVersionArn,
    new: &LayerVersionArn,
    foreign: &LayerVersionArn,
) {
    bench.function("swapped", &[foreign.clone(), old.clone()], &[], &[]).await;
    let before = consumer(bench, old, "swapped").await;
    let step = Step::SetLayers {
        function: name("swapped"),
        layers: vec![foreign.clone(), new.clone()],
        revision_id: before.revision_id.clone(),
    };
    let after = bench.fleet().apply(&step).await.expect("applicable");
    assert_eq!(after.latest.layers, [foreign.clone(), new.clone()], "in place, in order");
    assert_eq!(after.latest.code_sha256, before.latest.code_sha256);
    assert_eq!(after.latest.settings_sha256, before.latest.settings_sha256);
    assert_ne!(after.revision_id, before.revision_id);
    assert_eq!(after, consumer(bench, old, "swapped").await, "the answer is what is observed");
    let again = bench.fleet().apply(&step).await.expect("done already");
    assert_eq!(again, after, "a step that is done changes nothing");
}

async fn refuses_what_changed(
    bench: &dyn FleetBench,
    old: &LayerVersionArn,
    new: &LayerVersionArn,
) {
    bench.function("changed", std::slice::from_ref(old), &[], &[]).await;
    let before = consumer(bench, old, "changed").await;
    bench.deploy("changed").await;
    let deployed = consumer(bench, old, "changed").await;
    let stale = Step::SetLayers {
        function: name("changed"),
        layers: vec![new.clone()],
        revision_id: before.revision_id,
    };
    let error = bench.fleet().apply(&stale).await.expect_err("the revision is stale");
    assert!(matches!(error, FleetError::Changed { .. }), "{error}");
    assert_eq!(consumer(bench, old, "changed").await, deployed, "nothing was written");
}

async fn walks_a_version_to_an_alias(
    bench: &dyn FleetBench,
    old: &LayerVersionArn,
    new: &LayerVersionArn,
) {
    bench.function("aliased", std::slice::from_ref(old), &["live"], &[]).await;
    let fleet = bench.fleet();
    let before = consumer(bench, old, "aliased").await;
    assert_eq!((before.aliases()[0].name.as_str(), before.aliases()[0].version), ("live", 1));
    let set = Step::SetLayers {
        function: name("aliased"),
        layers: vec![new.clone()],
        revision_id: before.revision_id,
    };
    let set = fleet.apply(&set).await.expect("applicable");
    assert_eq!(
        set.versions[0].configuration.layers,
        std::slice::from_ref(old),
        "a version never changes"
    );
    let publish = Step::PublishVersion {
        function: name("aliased"),
        code_sha256: set.latest.code_sha256.clone(),
        revision_id: set.revision_id,
        description: "freshlayer geo version 2".to_owned(),
    };
    let published = fleet.apply(&publish).await.expect("applicable");
    let newest = published.versions.last().expect("there are two");
    assert_eq!((newest.number, &newest.configuration), (2, &published.latest));
    assert_eq!(newest.description, "freshlayer geo version 2");
    let twice = fleet.apply(&publish).await.expect("done already");
    assert_eq!(
        twice.versions.len(),
        published.versions.len(),
        "an unchanged one publishes nothing"
    );
    let published = splits_calls(bench, &published).await;
    let shift = Step::MoveAlias {
        function: name("aliased"),
        alias: "live".to_owned(),
        version: 2,
        percent: 100,
        revision_id: published.aliases()[0].revision_id.clone(),
    };
    let moved = fleet.apply(&shift).await.expect("applicable");
    assert_eq!(moved.aliases()[0].routing, Routing::Whole);
    assert_eq!(moved.aliases()[0].version, 2);
    assert_ne!(moved.aliases()[0].revision_id, published.aliases()[0].revision_id);
    let Step::MoveAlias { function, alias, revision_id, .. } = shift else { unreachable!() };
    let stale = Step::MoveAlias { function, alias, version: 1, percent: 100, revision_id };
    let error = fleet.apply(&stale).await.expect_err("the alias moved meanwhile");
    assert!(matches!(error, FleetError::Changed { .. }), "{error}");
    retires_what_no_alias_points_to(bench, old).await;
}

/// Sends a tenth of the calls of an alias elsewhere and back again, where the host can.
async fn splits_calls(bench: &dyn FleetBench, known: &Consumer) -> Consumer {
    let fleet = bench.fleet();
    let lead = |known: &Consumer, version, percent| Step::MoveAlias {
        function: name("aliased"),
        alias: "live".to_owned(),
        version,
        percent,
        revision_id: known.aliases()[0].revision_id.clone(),
    };
    let part = lead(known, 2, 10);
    let first = fleet.apply(&part).await.expect("applicable");
    if first.aliases()[0].routing == Routing::Whole {
        assert_eq!(first.aliases()[0].version, 2, "a host that splits no calls points all there");
        return fleet.apply(&lead(&first, 1, 100)).await.expect("applicable");
    }
    for _twice in 0..2 {
        let split = fleet.apply(&part).await.expect("applicable");
        let alias = &split.aliases()[0];
        assert_eq!((alias.version, alias.routing), (1, Routing::Split { version: 2, percent: 10 }));
    }
    let split = consumer(bench, &known.latest.layers[0], "aliased").await;
    let joined = fleet.apply(&lead(&split, 1, 100)).await.expect("applicable");
    assert_eq!((joined.aliases()[0].version, joined.aliases()[0].routing), (1, Routing::Whole));
    fleet.apply(&lead(&joined, 2, 10)).await.expect("applicable")
}

async fn retires_what_no_alias_points_to(bench: &dyn FleetBench, old: &LayerVersionArn) {
    let retire = |version| Step::RetireVersion { function: name("aliased"), version };
    let retired = bench.fleet().apply(&retire(1)).await.expect("nothing points to it");
    let numbers = |consumer: &Consumer| -> Vec<u64> {
        consumer.versions.iter().map(|version| version.number).collect()
    };
    assert_eq!(numbers(&retired), [2]);
    let twice = bench.fleet().apply(&retire(1)).await.expect("done already");
    assert_eq!(numbers(&twice), [2]);
    if bench.strictness() == Strictness::AsLambda {
        bench.fleet().apply(&retire(2)).await.expect_err("an alias points to it");
    }
    let there = consumer(bench, old, "aliased").await;
    assert_eq!((there.aliases()[0].version, numbers(&there)), (2, vec![2]), "the function stays");
}

async fn refuses_what_lambda_refuses(bench: &dyn FleetBench, old: &LayerVersionArn) {
    bench.function("missing", std::slice::from_ref(old), &[], &[]).await;
    let before = consumer(bench, old, "missing").await;
    let nowhere = LayerVersionArn::parse(&format!("{}:99", old.layer())).expect("an ARN");
    let step = Step::SetLayers {
        function: name("missing"),
        layers: vec![nowhere.clone()],
        revision_id: before.revision_id.clone(),
    };
    let error = bench.fleet().apply(&step).await.expect_err("there is no such version");
    assert!(matches!(error, FleetError::Refused { .. }), "{error}");
    assert!(error.to_string().contains(&format!("Layer version {nowhere} does not exist.")));
    assert_eq!(consumer(bench, old, "missing").await, before, "nothing was written");

    if bench.strictness() == Strictness::Lax {
        return;
    }
    let mut layers = Vec::new();
    for number in 1..=5 {
        layers.push(bench.layer_version(&format!("one-of-five-{number}")).await);
    }
    bench.function("full", &layers, &[], &[("freshlayer:geo", "")]).await;
    let full = consumer(bench, old, "full").await;
    layers.push(old.clone());
    let step = Step::SetLayers { function: name("full"), layers, revision_id: full.revision_id };
    let error = bench.fleet().apply(&step).await.expect_err("five are the limit");
    assert!(error.to_string().contains("Cannot reference more than 5 layers."), "{error}");
}
