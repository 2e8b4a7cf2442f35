//! What sources take from an account of the emulator: secrets.

use freshlayer_tests::emulator::{Account, emulator};
use freshlayer_tests::sandbox::{Ran, Sandbox, block_on};

/// A sandbox whose binary works on the local host, and reads an account.
struct Reading {
    sandbox: Sandbox,
    account: Account,
}

impl Reading {
    async fn new(source: &str) -> Self {
        let (sandbox, account) = (Sandbox::new(), emulator().account().await);
        sandbox.layer("data", &format!("[[dataset]]\nname = 'a'\nformat = 'file'\n{source}\n"));
        sandbox.upstream.publish("data", b"some bytes");
        Self { sandbox, account }
    }

    fn refresh(&self) -> Ran {
        let mut command = self.sandbox.command(&["refresh", "-v"]);
        command.envs(self.account.environment()).env_remove("FRESHLAYER_BUCKET");
        Ran::of(&command.output().expect("the binary starts"))
    }
}

#[test]
fn secrets_of_both_services_are_sent() {
    block_on(async {
        let reading = Reading::new(
            "source.https = 'UPSTREAM/files/data'\nsource.bearer = 'secretsmanager:geo/key#token'\n\
             source.headers = { 'X-Api-Key' = 'ssm:/geo/key', 'X-Key' = 'secretsmanager:plain' }",
        )
        .await;
        let sdk = reading.account.sdk();
        let secrets = aws_sdk_secretsmanager::Client::new(&sdk);
        for (name, text) in [("geo/key", r#"{"token": "s3cret-one"}"#), ("plain", "s3cret-two\n")] {
            let made = secrets.create_secret().name(name).secret_string(text).send().await;
            made.expect("a new secret");
        }
        let parameters = aws_sdk_ssm::Client::new(&sdk);
        let kind = aws_sdk_ssm::types::ParameterType::SecureString;
        let put = parameters.put_parameter().name("/geo/key").value("s3cret-three").r#type(kind);
        put.send().await.expect("a new parameter");

        let ran = reading.refresh();
        assert_eq!(ran.code, 0, "{ran:?}");
        let seen = reading.sandbox.upstream.seen();
        for (name, value) in [
            ("authorization", "Bearer s3cret-one"),
            ("x-key", "s3cret-two"),
            ("x-api-key", "s3cret-three"),
        ] {
            assert_eq!(seen[0].headers.get(name).map(String::as_str), Some(value));
        }
        assert!(!ran.stdout.contains("s3cret") && !ran.stderr.contains("s3cret"), "{ran:?}");
    });
}

#[test]
fn a_secret_that_the_account_lacks_is_one_clear_line() {
    block_on(async {
        for reference in ["secretsmanager:geo/none", "ssm:/geo/none"] {
            let source =
                format!("source.https = 'UPSTREAM/files/data'\nsource.bearer = '{reference}'");
            let reading = Reading::new(&source).await;
            let ran = reading.refresh();
            assert_eq!(ran.code, 1, "{ran:?}");
            let says = format!("the secret {reference} cannot be read: ");
            assert!(ran.stdout.contains(&says), "{ran:?}");
            assert!(ran.stdout.contains("create it, or correct the reference"), "{ran:?}");
        }
    });
}
