//! A rollout in waves by the deployed publisher, over AWS's wire protocol: a probe by qualifier, an alarm that rings by
//! itself, the way back, and the permissions that it takes.

use freshlayer::ports::AlarmState;
use freshlayer_tests::databases::{KNOWN_ADDRESS, Mmdb};
use freshlayer_tests::emulator::{REGION, emulator};
use freshlayer_tests::sandbox::block_on;
use serde_json::{Value, json};

use crate::aws_deployed::{Deployed, geo};
use crate::aws_scan::answering;

const TERMS: &str = "
rollout.alarms = ['geo-errors']
rollout.probe = { payload = { ip = '81.2.69.160' }, path = 'record.country.iso_code', equals = 'BR' }
rollout.hook = { lambda = 'refunds' }
";

fn reason(answer: &Value) -> String {
    answer["layers"][0]["outcome"]["reason"]["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_alarm_brings_functions_back_and_each_permission_is_needed() {
    block_on(async {
        let account = emulator().account().await;
        account.alarm("geo-errors", AlarmState::Quiet).await;
        let terms = TERMS.replace("81.2.69.160", &KNOWN_ADDRESS.to_string());
        let hook = answering(r#"{"verdict": "proceed", "reason": "refunds are as ever"}"#);
        account.function_of(hook, "refunds", &[], &[], &[]).await;
        let parameters = ["ProbeFunctions=yes", "HookFunction=refunds"];
        let deployed = Deployed::of(account, &parameters, &terms).without_tls().await;
        let run = async || deployed.invoke(&deployed.publisher, &geo()).await;
        let question = json!({ "ip": KNOWN_ADDRESS });
        let serving = async || deployed.invoke("lookup", &question).await["release"].clone();
        let first = run().await;
        let arn = first["layers"][0]["release"]["layer_versions"][REGION].clone();
        deployed.consumer("lookup", arn.as_str().expect("an ARN")).await;
        deployed.permit_all_but(&[]).await;

        deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        deployed.permit_all_but(&["ProbeFunctions"]).await;
        let unasked = run().await;
        let consumer = &unasked["layers"][0]["consumers"][0];
        assert_eq!((&consumer["state"], &unasked["exit_code"]), (&json!("failed"), &json!(4)));
        let said = consumer["reason"]["text"].to_string();
        assert!(said.contains("the probe could not call it"), "{said}");

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
        let back = run().await;
        assert_eq!((serving().await, &back["exit_code"]), (json!(1), &json!(3)), "{back:#}");
        let said = reason(&back);
        assert!(
            said.starts_with("release 2 failed in wave 1 (alarm geo-errors rings in eu-west-1: "),
            "{said}"
        );
        let heard = "the function refunds lets the wave pass: refunds are as ever";
        assert!(said.contains(heard), "{said}");
    });
}
