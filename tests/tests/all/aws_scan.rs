//! Scanners in an account of the emulator: a function, and the tag of GuardDuty.

use std::path::Path;

use aws_sdk_s3::types::{Tag, Tagging};
use freshlayer::definition::ScanHook;
use freshlayer_tests::contracts::{self, Hooks};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::emulator::{emulator, zip_of};
use freshlayer_tests::sandbox::block_on;

use crate::aws::Cloud;
use crate::refresh::GEO;

/// A function that answers every question in the same way; `'"$event"'` stands for what it is asked.
pub(crate) fn answering(answer: &str) -> Vec<u8> {
    let bootstrap = r#"#!/bin/sh
base="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  headers=$(mktemp)
  event=$(curl --silent --dump-header "$headers" "$base/next") || exit
  id=$(grep --fixed-strings --ignore-case lambda-runtime-aws-request-id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl --silent "$base/$id/response" --data 'ANSWER' > /dev/null
done
"#;
    zip_of("bootstrap", &bootstrap.replace("ANSWER", answer))
}

#[test]
fn functions_keep_to_the_contract_of_scanners() {
    block_on(async {
        let account = emulator().account().await;
        for (name, answer) in [
            ("clears", r#"{"verdict": "proceed"}"#),
            ("refuses", r#"{"verdict": "abort", "reason": "malware"}"#),
            ("waits", r#"{"verdict": "wait", "reason": "a queue"}"#),
            ("unclear", r#"{"verdict": "perhaps"}"#),
        ] {
            account.function_of(answering(answer), name, &[], &[], &[]).await;
        }
        let function = |name: &str| ScanHook::Lambda(name.to_owned());
        let hooks = Hooks {
            clears: function("clears"),
            refuses: function("refuses"),
            waits: function("waits"),
            unclear: function("unclear"),
            missing: function("missing"),
        };
        contracts::scanner(&account.aws().scanner(), &hooks, Path::new("layer.zip")).await;
    });
}

async fn scanned(hook: &str) -> Cloud {
    let cloud = Cloud::new().await;
    cloud.sandbox.layer("geo", &format!("{hook}\n{GEO}"));
    cloud
}

async fn zips(cloud: &Cloud) -> Vec<String> {
    let asked = cloud.account.s3().list_objects_v2().bucket(cloud.account.bucket());
    let found = asked.prefix("blobs/").send().await.expect("the bucket is there");
    found.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect()
}

async fn tag(cloud: &Cloud, key: &str, status: &str) {
    let tag = Tag::builder().key("GuardDutyMalwareScanStatus").value(status).build();
    let tagging = Tagging::builder().tag_set(tag.expect("a tag")).build().expect("tags");
    let put = cloud.account.s3().put_object_tagging().bucket(cloud.account.bucket());
    put.key(key).tagging(tagging).send().await.expect("the object is there");
}

#[test]
fn a_function_has_the_last_word() {
    block_on(async {
        let cloud = scanned("scan.lambda = 'scanner'").await;
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 1, "there is no such function: {ran:?}");
        assert!(
            ran.stdout.contains("the function scanner gave no verdict on release 1"),
            "{ran:?}"
        );
        let abort = answering(r#"{"verdict": "abort", "reason": "Eicar-Signature"}"#);
        cloud.account.function_of(abort, "scanner", &[], &[], &[]).await;
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stdout.contains("found Eicar-Signature"), "{ran:?}");
        cloud.sandbox.layer("geo", &format!("scan.lambda = 'other'\n{GEO}"));
        let odd = answering(r#"{"ok": true}"#);
        cloud.account.function_of(odd, "other", &[], &[], &[]).await;
        let ran = cloud.run(&["refresh", "--retry-rejected"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains(r#"found {"ok": true}"#), "{ran:?}");
        cloud.sandbox.layer("geo", &format!("scan.lambda = 'good'\n{GEO}"));
        let good = answering(r#"{"verdict": "proceed"}"#);
        cloud.account.function_of(good, "good", &[], &[], &[]).await;
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    });
}

#[test]
fn a_zip_waits_for_the_tag_of_guardduty() {
    block_on(async {
        let cloud = scanned("scan.guardduty = true").await;
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(
            ran.stdout
                .contains("GuardDuty has not tagged the zip with GuardDutyMalwareScanStatus yet"),
            "{ran:?}"
        );
        let [first] = &zips(&cloud).await[..] else { panic!("one zip is stored") };
        tag(&cloud, first, "NO_THREATS_FOUND").await;
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 0, "{ran:?}");

        cloud.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        assert_eq!(cloud.run(&["refresh"]).code, 4);
        let second = zips(&cloud).await.into_iter().find(|key| key != first);
        let second = second.expect("another zip is stored");
        tag(&cloud, &second, "UNSUPPORTED").await;
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains("it could not scan the zip (UNSUPPORTED)"), "{ran:?}");
        tag(&cloud, &second, "THREATS_FOUND").await;
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stdout.contains("release 1 keeps serving"), "{ran:?}");
    });
}
