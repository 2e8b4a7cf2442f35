//! What lies beside a release is signed with a key of KMS, in an account of the emulator.

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use aws_smithy_types::base64;
use freshlayer_tests::sandbox::block_on;
use serde_json::Value;

use crate::aws::Cloud;

async fn key(client: &aws_sdk_kms::Client) -> String {
    let made = client.create_key().key_spec(KeySpec::EccNistP256);
    let made = made.key_usage(KeyUsageType::SignVerify).send().await.expect("a new key");
    made.key_metadata().expect("it has an id").key_id().to_owned()
}

/// Holds a signature against the standard's words for what it is over.
async fn is_valid(client: &aws_sdk_kms::Client, key: &str, envelope: &Value) -> bool {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let kind = text(&envelope["payloadType"]);
    let payload = base64::decode(text(&envelope["payload"])).expect("base64");
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    let message = [head.as_bytes(), &payload].concat();
    let signature = base64::decode(text(&envelope["signatures"][0]["sig"])).expect("base64");
    let asked = client.verify().key_id(key).message_type(MessageType::Raw);
    let asked = asked.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
    let asked = asked.message(Blob::new(message)).signature(Blob::new(signature));
    asked.send().await.is_ok_and(|verified| verified.signature_valid())
}

#[test]
fn every_document_is_signed_and_a_changed_one_is_found() {
    block_on(async {
        let cloud = Cloud::new().await;
        let client = aws_sdk_kms::Client::new(&cloud.account.sdk());
        let key = key(&client).await;
        let mut command = cloud.command(&["refresh"]);
        let done = command.env("FRESHLAYER_SIGNING_KEY", &key).status().expect("it starts");
        assert!(done.success());
        let ran = cloud.run(&["provenance", "geo", "--signed"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let plain = cloud.run(&["provenance", "geo"]);
        let envelopes: Vec<Value> = lines(&ran.stdout);
        assert_eq!(envelopes.len(), 4, "{ran:?}");
        for (envelope, plain) in envelopes.iter().zip(lines(&plain.stdout)) {
            assert!(is_valid(&client, &key, envelope).await, "{envelope}");
            let payload = envelope["payload"].as_str().expect("a text");
            let payload = base64::decode(payload).expect("base64");
            assert_eq!(serde_json::from_slice::<Value>(&payload).expect("JSON"), plain);
        }
        let mut forged = envelopes[0].clone();
        forged["payload"] = base64::encode("{}").into();
        assert!(!is_valid(&client, &key, &forged).await);
    });
}

#[test]
fn without_a_key_nothing_is_signed_and_a_missing_key_publishes_nothing() {
    block_on(async {
        let cloud = Cloud::new().await;
        let mut command = cloud.command(&["refresh"]);
        let output = command.env("FRESHLAYER_SIGNING_KEY", "alias/nowhere").output();
        let output = output.expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("sign checks.intoto.json of release 1"), "{text}");
        assert!(cloud.run(&["status"]).stdout.contains("geo: no release yet"));
        assert_eq!(cloud.run(&["refresh"]).code, 0);
        let ran = cloud.run(&["provenance", "geo", "--signed"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("no key was set in `FRESHLAYER_SIGNING_KEY`"), "{ran:?}");
    });
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
