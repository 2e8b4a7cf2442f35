//! The pruner of the shipped template, over AWS's wire protocol: its two days, and the permissions that it takes.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_s3::primitives::ByteStream;
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::emulator::REGION;
use freshlayer_tests::sandbox::block_on;
use serde_json::{Value, json};

use crate::aws_deployed::{Deployed, geo};

const HEAD: &str = "layers/geo/head.json";
const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// Statements whose want is not noticed here, and why.
const NOT_NOTICED: [(&str, &str); 5] = [
    ("DeleteLayerVersions", "it does not ask whether a role may; IAM is asked below"),
    ("ReadLayerVersions", "it takes all reads of layers for ListLayers"),
    ("TellMissingFromForbidden", "a missing object is 404 there, whatever the policy says"),
    ("SendDeadLetters", "Lambda does it, the emulator does it by itself"),
    ("WriteLog", "Lambda does it, the emulator does it by itself"),
];

/// Puts all times of one of the head's maps back by years.
async fn long_ago(deployed: &Deployed, map: &str) {
    let s3 = deployed.account.s3();
    let stored = s3.get_object().bucket(&deployed.bucket).key(HEAD).send().await;
    let bytes = stored.expect("it is there").body.collect().await.expect("readable");
    let mut head: Value = serde_json::from_slice(&bytes.into_bytes()).expect("JSON");
    let times = head[map].as_object_mut().expect("a map of times");
    assert!(!times.is_empty(), "{map} has times");
    times.values_mut().for_each(|time| *time = json!(LONG_AGO));
    let put = s3.put_object().bucket(&deployed.bucket).key(HEAD);
    put.body(ByteStream::from(head.to_string().into_bytes())).send().await.expect("writable");
}

/// Asks the pruner; returns what became of the layer `geo`, or nothing where the invocation failed.
async fn pruned(deployed: &Deployed, event: &Value) -> Value {
    let asked = deployed.account.lambda().invoke().function_name(&deployed.pruner);
    let answer = asked.payload(Blob::new(event.to_string())).send().await.expect("invocable");
    let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
    let answer: Value = serde_json::from_slice(payload).expect("JSON");
    let mut all = answer["pruned"].as_array().into_iter().flatten();
    all.find(|pruned| pruned["layer"] == "geo").cloned().unwrap_or_default()
}

fn seqs(list: &Value) -> Vec<u64> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|release| release["seq"].as_u64()).collect()
}

#[test]
fn the_pruner_deletes_on_its_second_day_and_each_permission_is_needed() {
    block_on(async {
        let deployed = Deployed::with(&["PruneKeep=1"]).await.without_tls().await;
        for day in [0, 3, 6, 9] {
            deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(day).bytes());
            let ran = deployed.invoke(&deployed.publisher, &geo()).await;
            assert_eq!(ran["exit_code"], 0, "{ran:#}");
        }
        // As its schedule asks: of all layers.
        let event = json!({"command": "prune", "keep": 1});
        let prune = async || pruned(&deployed, &event).await;
        let named = prune().await;
        assert_eq!(seqs(&named["condemned"]), [0; 0], "{named:#}");
        assert_eq!(named["kept"][0]["why"]["code"], "named", "{named:#}");
        long_ago(&deployed, "named").await;
        let first = prune().await;
        assert_eq!(seqs(&first["condemned"]), [1, 2], "{first:#}");
        assert_eq!(seqs(&first["releases"]), [0; 0], "{first:#}");
        long_ago(&deployed, "condemned").await;

        let statements = deployed.permit(&deployed.pruner, &[]).await;
        let is_noticed = |name: &&String| NOT_NOTICED.iter().all(|(known, _)| known != name);
        for name in statements.iter().filter(is_noticed) {
            deployed.permit(&deployed.pruner, &[name]).await;
            let lacking = prune().await;
            assert_eq!(seqs(&lacking["releases"]), [0; 0], "{name}: {lacking:#}");
        }
        deployed.permit(&deployed.pruner, &[]).await;
        let second = prune().await;
        assert_eq!(seqs(&second["releases"]), [1, 2], "{second:#}");
        let listed = deployed.account.lambda().list_layer_versions().layer_name("geo");
        assert_eq!(listed.send().await.expect("readable").layer_versions().len(), 2);
        let role = deployed.role(&deployed.pruner).await;
        let arn = format!("arn:aws:lambda:{REGION}:{}", deployed.account.id);
        for (action, kind, decision) in [
            ("lambda:DeleteLayerVersion", "layer:geo:1", "allowed"),
            ("lambda:GetLayerVersionPolicy", "layer:geo:1", "allowed"),
            ("lambda:UpdateFunctionConfiguration", "function:lookup", "implicitDeny"),
            ("lambda:PublishLayerVersion", "layer:geo", "implicitDeny"),
        ] {
            let asked = [role.as_str(), action, &format!("{arn}:{kind}")];
            assert_eq!(deployed.ask_boto("may.py", &asked), [decision], "{action}");
        }
    });
}
