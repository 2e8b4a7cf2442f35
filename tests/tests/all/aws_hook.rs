//! Functions in an account of the emulator that are asked about waves.

use freshlayer::definition::RolloutHook;
use freshlayer_tests::contracts::{self, Asked};
use freshlayer_tests::emulator::{emulator, zip_of};
use freshlayer_tests::sandbox::block_on;

use crate::aws_scan::answering;

#[test]
fn functions_keep_to_the_contract_of_hooks() {
    block_on(async {
        let account = emulator().account().await;
        let echo = answering(r#"{"verdict": "proceed", "reason": '"$event"'}"#);
        account.function_of(echo, "answers", &[], &[], &[]).await;
        let chatter = answering(&format!("\"{}\"", "x".repeat(20_000)));
        account.function_of(chatter, "chatters", &[], &[], &[]).await;
        account
            .function_of(zip_of("bootstrap", "#!/bin/sh\nexit 1\n"), "fails", &[], &[], &[])
            .await;
        let function = |name: &str| RolloutHook::Lambda(name.to_owned());
        let asked = Asked {
            answers: function("answers"),
            chatters: function("chatters"),
            fails: function("fails"),
            missing: function("missing"),
            other: RolloutHook::Command(vec!["hook".to_owned()]),
        };
        contracts::hook(&account.aws().hook(), &asked).await;
    });
}
