//! A rollout in waves over AWS's wire protocol that goes on by its own schedules alone: part of the calls of an alias, all of
//! them, the other function; and back again once a metric lets an alarm ring.

use std::time::Duration;

use freshlayer::ports::{AlarmState, Calls, Clock as _, FunctionName};
use freshlayer_local::SystemClock;
use freshlayer_tests::databases::{KNOWN_ADDRESS, Mmdb};
use freshlayer_tests::emulator::{REGION, emulator};
use freshlayer_tests::sandbox::block_on;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::aws_deployed::{Deployed, geo};
use crate::aws_gates::reason;

const TERMS: &str = "
rollout.preset = 'fast'
rollout.one_box_bake_minutes = 1
rollout.final_bake_minutes = 1
rollout.alias_weight_percent = 10
rollout.alarms = ['geo-errors']
rollout.metrics = { calls_min = 10, observe = true }
";
const LOOKS: u32 = 150;
const LOOKS_APART: Duration = Duration::from_secs(2);

/// Two functions on release 1: one whose alias is called often, and one without an alias.
async fn two_functions() -> Deployed {
    let account = emulator().account().await;
    account.alarm("geo-errors", AlarmState::Quiet).await;
    let deployed = Deployed::of(account, &[], TERMS).without_tls().await;
    let first = deployed.invoke(&deployed.publisher, &geo()).await;
    let arn = first["layers"][0]["release"]["layer_versions"][REGION].clone();
    for name in ["lookup", "nightly"] {
        deployed.consumer(name, arn.as_str().expect("an ARN")).await;
    }
    deployed.account.release("lookup", &["live"]).await;
    deployed
}

/// Calls the function with the alias often, as of now.
async fn called(deployed: &Deployed) {
    let now = SystemClock::start().now();
    for ago in 3..90 {
        let minute = now - SignedDuration::from_mins(ago);
        let calls = Calls { calls: 60, ..Calls::default() };
        deployed.account.count_calls(&lookup(), minute, calls).await;
    }
}

fn lookup() -> FunctionName {
    FunctionName::parse("lookup").expect("a name")
}

/// Which release both functions give their callers.
async fn serving(deployed: &Deployed) -> [Value; 2] {
    let question = json!({ "ip": KNOWN_ADDRESS });
    let mut releases = [Value::Null, Value::Null];
    for (name, release) in ["lookup:live", "nightly"].into_iter().zip(&mut releases) {
        *release = deployed.invoke(name, &question).await["release"].clone();
    }
    releases
}

/// Waits, without a call of the publisher, until both functions serve a release and the head says that it is stable.
async fn comes_to(deployed: &Deployed, release: u64) {
    let mut last = (Value::Null, [Value::Null, Value::Null]);
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOKS_APART).await;
        last = (deployed.stored("layers/geo/head.json").await, serving(deployed).await);
        if last.0["rollout"].is_null()
            && last.0["stable"] == release
            && last.1 == [release, release].map(Value::from)
        {
            return;
        }
    }
    panic!("it comes to no end within {LOOKS} looks: {last:#?}");
}

#[test]
fn schedules_carry_a_rollout_from_wave_to_wave_and_back_when_an_alarm_rings_by_itself() {
    block_on(async {
        let deployed = two_functions().await;
        let open = async |day: u64| {
            called(&deployed).await;
            deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(day).bytes());
            let opened = reason(&deployed.invoke(&deployed.publisher, &geo()).await);
            let part = "wave 1 is open for 1 of 2 functions with 10 % of the calls";
            assert!(opened.starts_with(part), "{opened}");
            let alias = deployed.account.lambda().get_alias().function_name("lookup").name("live");
            let routing = alias.send().await.expect("it is there").routing_config;
            let weights = routing.and_then(|routing| routing.additional_version_weights);
            let weights = weights.expect("it is split").into_values().collect::<Vec<_>>();
            assert_eq!(weights, [0.1]);
        };
        open(3).await;
        comes_to(&deployed, 2).await;

        open(6).await;
        let now = SystemClock::start().now();
        let fails = Calls { calls: 9, errors: 9, slow: 0 };
        deployed.account.count_calls(&lookup(), now, fails).await;
        comes_to(&deployed, 2).await;
        let told = deployed.account.told();
        for kind in ["Wave opened", "Wave done", "Release stable", "Rolled back"] {
            assert!(told.contains(kind), "{kind}: {told}");
        }
        assert!(told.contains("alarm geo-errors rings in eu-west-1: Threshold Crossed"), "{told}");
    });
}
