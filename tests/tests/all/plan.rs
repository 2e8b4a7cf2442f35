//! The planner: a pure function, so tables and properties.

use std::collections::{BTreeMap, BTreeSet};

use freshlayer::LayerVersionArn;
use freshlayer::ports::{Alias, Configuration, Consumer, FunctionName, PublishedVersion, Step};
use freshlayer::rollout::{Desired, Standing, plan};
use freshlayer_tests::sandbox::layer_name;
use proptest::prelude::*;
use semver::Version;

fn arn(layer: &str, version: u64) -> LayerVersionArn {
    let text = format!("arn:aws:lambda:local:000000000000:layer:{layer}:{version}");
    LayerVersionArn::parse(&text).expect("an ARN")
}

fn desired() -> Desired {
    Desired {
        layer: layer_name("geo"),
        target: arn("geo", 3),
        version: Version::new(1, 4, 0),
        releases: (1..=3).map(|seq| (seq, arn("geo", seq))).collect(),
    }
}

fn configuration(code: &str, layers: &[LayerVersionArn]) -> Configuration {
    Configuration {
        code_sha256: code.to_owned(),
        settings_sha256: "settings".to_owned(),
        layers: layers.to_vec(),
    }
}

fn consumer(latest: Configuration, served: Option<Configuration>, tag: Option<&str>) -> Consumer {
    let versions = served.map(|configuration| PublishedVersion { number: 7, configuration });
    let revision_id = "alias-1".to_owned();
    Consumer {
        function: FunctionName::parse("function").expect("a name"),
        latest,
        revision_id: "latest-1".to_owned(),
        aliases: versions
            .iter()
            .map(|_| Alias {
                name: "live".to_owned(),
                version: 7,
                revision_id: revision_id.clone(),
            })
            .collect(),
        versions: versions.into_iter().collect(),
        tags: tag.map(|tag| ("freshlayer:geo".to_owned(), tag.to_owned())).into_iter().collect(),
    }
}

fn word(consumer: &Consumer) -> String {
    let plan = plan(&desired(), std::slice::from_ref(consumer));
    let step = plan.steps.first().map(|step| match step {
        Step::SetLayer { layer, .. } => format!("set {}", layer.version()),
        Step::PublishVersion { .. } => "publish".to_owned(),
        Step::MoveAlias { version, .. } => format!("alias to {version}"),
    });
    step.unwrap_or_else(|| match &plan.standings[&consumer.function] {
        Standing::Current => "current".to_owned(),
        Standing::Moving => "moving".to_owned(),
        Standing::Ordered(_) => "ordered".to_owned(),
        Standing::Held(_) => "held".to_owned(),
    })
}

#[test]
#[expect(clippy::cloned_ref_to_slice_refs, reason = "rows of a table look alike")]
fn each_situation_has_its_next_step() {
    let (old, new, foreign) = (arn("geo", 2), arn("geo", 3), arn("other", 9));
    let on = |layers: &[LayerVersionArn]| configuration("code", layers);
    let other = |layers: &[LayerVersionArn]| configuration("unreleased", layers);
    for (situation, latest, served, tag, expected) in [
        ("behind", on(&[old.clone()]), None, None, "set 3"),
        ("there", on(&[foreign.clone(), new.clone()]), None, None, "current"),
        ("hold", on(&[old.clone()]), None, Some("hold"), "ordered"),
        ("pinned elsewhere", on(&[old.clone()]), None, Some("pin=1"), "set 1"),
        ("pinned there", on(&[arn("geo", 1)]), None, Some("pin=1"), "ordered"),
        ("pinned nowhere", on(&[old.clone()]), None, Some("pin=8"), "held"),
        ("fits", on(&[old.clone()]), None, Some("^1"), "set 3"),
        ("does not fit", on(&[old.clone()]), None, Some("^2"), "ordered"),
        ("unclear", on(&[old.clone()]), None, Some("please"), "held"),
        ("tagged, not attached", on(&[foreign.clone()]), None, Some(""), "set 3"),
        ("alias behind", on(&[old.clone()]), Some(on(&[old.clone()])), None, "set 3"),
        ("layer set", on(&[new.clone()]), Some(on(&[old.clone()])), None, "publish"),
        ("alias there", on(&[new.clone()]), Some(on(&[new.clone()])), None, "current"),
        ("unreleased", other(&[old.clone()]), Some(on(&[old.clone()])), None, "held"),
        (
            "another layer",
            on(&[old.clone(), foreign.clone()]),
            Some(on(&[old.clone()])),
            None,
            "held",
        ),
        ("our layer taken out, not released", on(&[]), Some(on(&[old.clone()])), None, "held"),
        (
            "layers reordered, not released",
            on(&[old.clone(), foreign.clone()]),
            Some(on(&[foreign.clone(), old.clone()])),
            None,
            "held",
        ),
        (
            "opted in by tag, behind an alias",
            on(&[foreign.clone()]),
            Some(on(&[foreign.clone()])),
            Some("^1"),
            "set 3",
        ),
        (
            "opted in by tag, layer set",
            on(&[foreign.clone(), new.clone()]),
            Some(on(&[foreign.clone()])),
            Some("^1"),
            "publish",
        ),
        ("latest behind", other(&[old.clone()]), Some(on(&[new.clone()])), None, "set 3"),
        ("alias without it", on(&[old.clone()]), Some(on(&[foreign.clone()])), None, "set 3"),
    ] {
        assert_eq!(word(&consumer(latest, served, tag)), expected, "{situation}");
    }
}

#[test]
#[expect(clippy::cloned_ref_to_slice_refs, reason = "as in the table")]
fn a_ready_version_is_used_before_a_new_one_is_made() {
    let (old, new) = (arn("geo", 2), arn("geo", 3));
    let mut consumer =
        consumer(configuration("c", &[new.clone()]), Some(configuration("c", &[old])), None);
    let ready = PublishedVersion { number: 8, configuration: configuration("c", &[new]) };
    consumer.versions.push(ready);
    assert_eq!(word(&consumer), "alias to 8");
}

/// Does a step the way Lambda does.
fn apply(consumer: &mut Consumer, step: &Step) {
    match step {
        Step::SetLayer { layer, .. } => {
            let layers = &mut consumer.latest.layers;
            match layers.iter_mut().find(|arn| arn.layer() == layer.layer()) {
                Some(ours) => *ours = layer.clone(),
                None => layers.push(layer.clone()),
            }
        }
        Step::PublishVersion { .. } => {
            let number = consumer.versions.iter().map(|v| v.number).max().unwrap_or(0) + 1;
            let configuration = consumer.latest.clone();
            consumer.versions.push(PublishedVersion { number, configuration });
        }
        Step::MoveAlias { alias, version, .. } => {
            let mut aliases = consumer.aliases.iter_mut();
            aliases.find(|known| known.name == *alias).expect("an alias").version = *version;
        }
    }
}

fn layers() -> impl Strategy<Value = Vec<LayerVersionArn>> {
    let ours = prop::option::of(1_u64..4);
    (ours, prop::collection::btree_set(0_u64..3, 0..3)).prop_map(|(ours, others)| {
        let mut layers: Vec<_> = others.iter().map(|n| arn(&format!("other{n}"), 1)).collect();
        layers.extend(ours.map(|version| arn("geo", version)));
        layers
    })
}

fn any_consumer() -> impl Strategy<Value = Consumer> {
    let configuration = |code: &'static [&'static str]| {
        (prop::sample::select(code), layers())
            .prop_map(|(code, layers)| configuration(code, &layers))
    };
    let tags = prop::option::of(prop::sample::select(&["hold", "pin=1", "^1", "^2", "", "?"][..]));
    let versions = prop::collection::vec(configuration(&["a", "b"]), 0..4);
    (
        configuration(&["a", "b"]),
        versions,
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        tags,
    )
        .prop_map(|(latest, versions, aliases, tag)| {
            let mut consumer = consumer(latest, None, tag);
            let numbered = versions.into_iter().zip(1..);
            consumer.versions =
                numbered.map(|(c, number)| PublishedVersion { number, configuration: c }).collect();
            let count = consumer.versions.len();
            let pointed = aliases.iter().filter(|_| count > 0).zip(0..);
            consumer.aliases = pointed
                .map(|(index, number)| Alias {
                    name: format!("alias{number}"),
                    version: consumer.versions[index.index(count)].number,
                    revision_id: "alias-1".to_owned(),
                })
                .collect();
            consumer
        })
}

fn others(layers: &[LayerVersionArn]) -> Vec<LayerVersionArn> {
    let mut layers = layers.to_vec();
    layers.retain(|arn| arn.layer_name() != "geo");
    layers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// From any situation the plan comes to an end; on the way other layers stay as they are (I5), callers
    /// never get other code (I7), and who is ordered to stay stays (I8).
    #[test]
    fn every_plan_ends_and_harms_nobody(start in any_consumer()) {
        let mut now = start.clone();
        let served = |c: &Consumer| -> BTreeMap<String, Configuration> {
            let of = |alias: &Alias| {
                let mut versions = c.versions.iter();
                versions.find(|v| v.number == alias.version).map(|v| v.configuration.clone())
            };
            c.aliases.iter().filter_map(|alias| Some((alias.name.clone(), of(alias)?))).collect()
        };
        let before = served(&start);
        let mut steps = 0;
        loop {
            let plan = plan(&desired(), std::slice::from_ref(&now));
            prop_assert!(plan.steps.len() <= 1);
            let standing = &plan.standings[&now.function];
            prop_assert_eq!(plan.steps.is_empty(), *standing != Standing::Moving);
            let Some(step) = plan.steps.first() else { break };
            apply(&mut now, step);
            steps += 1;
            prop_assert!(steps <= 12, "no end: {:?}", now);
        }
        prop_assert_eq!(others(&now.latest.layers), others(&start.latest.layers));
        prop_assert_eq!(&now.latest.code_sha256, &start.latest.code_sha256);
        for (alias, after) in served(&now) {
            let before = &before[&alias];
            prop_assert_eq!(&after.code_sha256, &before.code_sha256);
            prop_assert_eq!(others(&after.layers), others(&before.layers));
            let place = |c: &Configuration| c.layers.iter().position(|a| a.layer_name() == "geo");
            prop_assert!(place(before).is_none() || place(&after) == place(before), "in its place");
        }
        if start.tags.values().any(|tag| ["hold", "^2", "?"].contains(&tag.as_str())) {
            prop_assert_eq!(&now, &start);
        }
        let ours: BTreeSet<u64> = now.latest.layers.iter()
            .filter(|arn| arn.layer_name() == "geo").map(LayerVersionArn::version).collect();
        prop_assert!(ours.len() <= 1);
    }
}
