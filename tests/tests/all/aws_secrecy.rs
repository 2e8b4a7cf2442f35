//! I10 in an account: what the deployed publisher logs, and what it puts on the bus.

use aws_sdk_lambda::primitives::Blob;
use freshlayer_tests::emulator::emulator;
use freshlayer_tests::sandbox::block_on;

use crate::aws_deployed::{Deployed, geo};
use crate::secrecy::{Echo, Parrot, SECRET};

#[test]
fn no_log_and_no_event_of_the_deployed_publisher_tells_a_secret() {
    block_on(async {
        let (account, parrot) = (emulator().account().await, Parrot::start());
        let secrets = aws_sdk_secretsmanager::Client::new(&account.sdk());
        let made = secrets.create_secret().name("upstream/key").secret_string(SECRET).send().await;
        let arn = made.expect("a new secret").arn.expect("it has an ARN");
        let terms = format!(
            "[[dataset]]\nname = 'a'\nformat = 'mmdb'\nsource.https = 'http://127.0.0.1:{}/bearer'\n\
             source.bearer = 'secretsmanager:upstream/key'\n",
            parrot.port
        );
        let permitted = format!("MaxmindLicenseKeySecretArn={arn}");
        let deployed = Deployed::of(account, &[&permitted], &terms).without_tls().await;
        for echo in [Echo::Refusal, Echo::CutRefusal, Echo::RedirectScheme, Echo::Metadata] {
            parrot.repeat(echo);
            let asked = deployed.account.lambda().invoke().function_name(&deployed.publisher);
            let asked = asked.payload(Blob::new(geo().to_string()));
            let answer = asked.send().await.expect("invocable").payload.expect("an answer");
            let answer = String::from_utf8_lossy(answer.as_ref()).into_owned();
            assert!(answer.contains("geo") && !answer.contains(SECRET), "{echo:?}: {answer}");
        }
        assert!(parrot.heard("/bearer"), "the publisher sends the secret");
        let account = &deployed.account;
        let (logged, told) = (account.logged(&deployed.publisher).await, account.told());
        assert!(logged.contains("403"), "the log tells what the upstream answered: {logged}");
        assert!(told.contains("Data rejected"), "the bus tells of data that is none: {told}");
        for text in [logged, told] {
            assert!(!text.contains(SECRET), "{text}");
        }
    });
}
