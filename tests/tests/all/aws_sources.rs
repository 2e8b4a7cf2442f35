//! What sources take from an account of the emulator: secrets, objects, layers.

use freshlayer_tests::emulator::{Account, REGION, a_zip, emulator};
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

#[test]
fn an_object_is_released_and_asked_for_by_its_etag() {
    block_on(async {
        let bucket = format!("data-of-{}", emulator().account().await.id);
        let reading = Reading::new(&format!("source.s3 = 's3://{bucket}/a/data'")).await;
        reading.account.make_bucket(&bucket).await;
        let put = async |bytes: &'static [u8]| {
            let put = reading.account.s3().put_object().bucket(&bucket).key("a/data");
            put.body(bytes.to_vec().into()).send().await.expect("writable");
        };
        put(b"some bytes").await;
        let first = reading.refresh();
        assert!(first.code == 0 && first.stdout.contains("release 1"), "{first:?}");
        let again = reading.refresh();
        assert!(again.code == 0 && again.stdout.contains("unchanged: nothing new"), "{again:?}");
        assert!(!again.stderr.contains("download"), "nothing is downloaded: {again:?}");
        put(b"other bytes").await;
        let second = reading.refresh();
        assert!(second.code == 0 && second.stdout.contains("release 2"), "{second:?}");
    });
}

#[test]
fn an_object_that_is_not_there_is_one_clear_line() {
    block_on(async {
        let bucket = format!("lacks-data-{}", emulator().account().await.id);
        let reading = Reading::new(&format!("source.s3 = 's3://{bucket}/none'")).await;
        for says in ["there is no such bucket", "there is no such object"] {
            let ran = reading.refresh();
            assert!(ran.code == 1 && ran.stdout.contains(says), "{ran:?}");
            assert!(ran.stdout.contains(&format!("s3://{bucket}/none")), "{ran:?}");
            if says.ends_with("bucket") {
                reading.account.make_bucket(&bucket).await;
            }
        }
    });
}

#[test]
fn a_layer_of_others_is_republished_under_our_own_name() {
    block_on(async {
        let reading = Reading::new("source.file = 'x'").await;
        let arn = format!("arn:aws:lambda:{REGION}:{}:layer:theirs", reading.account.id);
        let from = |version: &str| {
            format!(
                "[[dataset]]\nname = 'a'\nformat = 'archive'\nsource.layer = '{arn}{version}'\nsource.select = ['boot*']\n"
            )
        };
        reading.sandbox.layer("data", &from(""));
        let none = reading.refresh();
        assert!(none.code == 1 && none.stdout.contains(&arn), "{none:?}");
        let publish = async |content: &str| {
            let content = aws_sdk_lambda::types::LayerVersionContentInput::builder()
                .zip_file(aws_sdk_lambda::primitives::Blob::new(a_zip(content)))
                .build();
            let publish = reading.account.lambda().publish_layer_version().layer_name("theirs");
            publish.content(content).send().await.expect("publishable");
        };
        publish("first").await;
        let first = reading.refresh();
        assert!(first.code == 0 && first.stdout.contains("release 1"), "{first:?}");
        assert!(reading.refresh().stdout.contains("nothing new"));
        publish("second").await;
        let second = reading.refresh();
        assert!(second.code == 0 && second.stdout.contains("release 2"), "{second:?}");
        reading.sandbox.layer("data", &from(":9"));
        let missing = reading.refresh();
        assert!(
            missing.code == 1 && missing.stdout.contains("theirs:9 does not exist"),
            "{missing:?}"
        );
    });
}
