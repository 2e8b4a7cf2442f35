//! A rollout in waves by the deployed publisher, over AWS's wire protocol: a probe by qualifier before an alias moves, an
//! alarm that the test sets to ring, the way back, and the permissions that it takes.

use aws_sdk_s3::primitives::ByteStream;
use freshlayer::ports::{AlarmState, AlarmTag, Calls, Clock as _, FunctionName};
use freshlayer_local::SystemClock;
use freshlayer_tests::databases::{KNOWN_ADDRESS, Mmdb};
use freshlayer_tests::emulator::{REGION, emulator};
use freshlayer_tests::sandbox::block_on;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::aws_deployed::{Deployed, geo};
use crate::aws_scan::answering;

const TERMS: &str = "
rollout.alarms.tags = ['team=geo']
rollout.probe = { payload = { ip = '81.2.69.160' }, path = 'record.country.iso_code', equals = 'BR' }
rollout.hook = { lambda = 'refunds' }
";

pub(crate) fn reason(answer: &Value) -> String {
    answer["layers"][0]["outcome"]["reason"]["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_alarm_brings_functions_back_and_each_permission_is_needed() {
    block_on(async {
        let account = emulator().account().await;
        account.alarm("geo-errors", AlarmState::Quiet).await;
        let tag = AlarmTag::parse("team=geo").expect("a tag");
        account.tag_alarm("geo-errors", &tag).await;
        let terms = TERMS.replace("81.2.69.160", &KNOWN_ADDRESS.to_string());
        let hook = answering(r#"{"verdict": "proceed", "reason": "refunds are as ever"}"#);
        account.function_of(hook, "refunds", &[], &[], &[]).await;
        let parameters = ["ProbeFunctions=yes", "HookFunction=refunds"];
        let deployed = Deployed::of(account, &parameters, &terms).without_tls().await;
        let run = async || deployed.invoke(&deployed.publisher, &geo()).await;
        let question = json!({ "ip": KNOWN_ADDRESS });
        let serving = async || deployed.invoke("lookup:live", &question).await["release"].clone();
        let first = run().await;
        let arn = first["layers"][0]["release"]["layer_versions"][REGION].clone();
        deployed.consumer("lookup", arn.as_str().expect("an ARN")).await;
        deployed.account.release("lookup", &["live"]).await;
        deployed.permit_all_but(&[]).await;

        deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        deployed.permit_all_but(&["ProbeFunctions"]).await;
        let unasked = run().await;
        let consumer = &unasked["layers"][0]["consumers"][0];
        assert_eq!((&consumer["state"], &unasked["exit_code"]), (&json!("failed"), &json!(4)));
        let said = consumer["reason"]["text"].to_string();
        assert!(said.contains("the probe got no answer from it"), "{said}");
        assert_eq!(serving().await, 1, "what is not probed gets no caller behind an alias");

        deployed.permit_all_but(&["WatchFunctions"]).await;
        let unwatched = run().await;
        assert_eq!((serving().await, &unwatched["exit_code"]), (json!(2), &json!(0)));
        let said = reason(&unwatched);
        assert!(said.contains("wave 1 is open for 1 of 1 functions"), "{said}");
        assert!(
            said.contains("alarms cannot be read: eu-west-1: DescribeAlarms: AccessDenied"),
            "{said}"
        );
        assert!(!deployed.ask_boto("waking.py", &[]).is_empty(), "a look is scheduled");

        // The permission to probe is one to ask any of the functions.
        deployed.permit_all_but(&["ProbeFunctions", "AskTheHook"]).await;
        let watched = run().await;
        let said = reason(&watched);
        assert!(said.contains("(1 alarm is quiet; no call was counted"), "{said}");
        let unheard = "the function refunds gave no verdict: Invoke: AccessDenied";
        assert!(said.contains(unheard), "{said}");
        deployed.permit_all_but(&[]).await;

        deployed.account.alarm("geo-errors", AlarmState::Rings).await;
        deployed.account.mute_alarm_by_a_rule("geo-errors").await;
        let back = run().await;
        assert_eq!((serving().await, &back["exit_code"]), (json!(1), &json!(3)), "{back:#}");
        let said = reason(&back);
        assert!(
            said.starts_with("release 2 failed in wave 1 (alarm geo-errors rings in eu-west-1: "),
            "{said}"
        );
        assert!(said.contains(": a test (its notifications are muted); "), "{said}");
        let heard = "the function refunds lets the wave pass: refunds are as ever";
        assert!(said.contains(heard), "{said}");
    });
}

/// How far one look puts a rollout back in time.
const LATER: SignedDuration = SignedDuration::from_mins(90);

/// Puts all times of the open rollout back, so that the next look finds it as it would much later.
async fn much_later(deployed: &Deployed) {
    let head = changed(deployed, "layers/geo/head.json", |head| back(&mut head["rollout"])).await;
    let rollout = format!("layers/geo/rollouts/{}.json", head["rollout"]["number"]);
    changed(deployed, &rollout, back).await;
}

async fn changed(deployed: &Deployed, key: &str, change: impl Fn(&mut Value)) -> Value {
    let mut state = deployed.stored(key).await;
    change(&mut state);
    let put = deployed.account.s3().put_object().bucket(&deployed.bucket).key(key);
    put.body(ByteStream::from(state.to_string().into_bytes())).send().await.expect("writable");
    state
}

fn back(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                *text = (time - LATER).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(back),
        Value::Object(fields) => fields.values_mut().for_each(back),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Counts as many calls in each minute from three minutes ago on backwards.
async fn called(deployed: &Deployed, minutes: i64, calls: Calls) {
    let function = FunctionName::parse("lookup").expect("a name");
    let now = SystemClock::start().now();
    for ago in 3..=minutes {
        let minute = now - SignedDuration::from_mins(ago);
        deployed.account.count_calls(&function, minute, calls).await;
    }
}

#[test]
fn calls_that_fail_bring_functions_back_and_good_ones_let_them_stay() {
    block_on(async {
        let terms = "rollout.preset = 'standard'\nrollout.metrics = {}\n";
        let deployed = Deployed::of(emulator().account().await, &[], terms).without_tls().await;
        let run = async || deployed.invoke(&deployed.publisher, &geo()).await;
        let question = json!({ "ip": KNOWN_ADDRESS });
        let serving = async || deployed.invoke("lookup", &question).await["release"].clone();
        let first = run().await;
        let arn = first["layers"][0]["release"]["layer_versions"][REGION].clone();
        deployed.consumer("lookup", arn.as_str().expect("an ARN")).await;
        called(&deployed, 200, Calls { calls: 60, errors: 0, slow: 0 }).await;

        for (day, release, fails) in [(3, 2, false), (6, 3, true)] {
            deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(day).bytes());
            let opened = run().await;
            assert!(
                reason(&opened).starts_with("wave 1 is open for 1 of 1 functions"),
                "{opened:#}"
            );
            assert_eq!(serving().await, release);
            much_later(&deployed).await;
            if fails {
                called(&deployed, 85, Calls { calls: 40, errors: 40, slow: 0 }).await;
            }
            let judged = run().await;
            let (exit, said) = if fails {
                (3, "release 3 failed in wave 1 (")
            } else {
                (0, "release 2 is stable: 1 of 1 functions have it")
            };
            assert_eq!(judged["exit_code"], exit, "{judged:#}");
            let reason = reason(&judged);
            assert!(reason.starts_with(said), "{reason}");
            assert_eq!(reason.contains(" calls failed, and 0 of "), fails, "{reason}");
        }
        assert_eq!(serving().await, 2);
    });
}
