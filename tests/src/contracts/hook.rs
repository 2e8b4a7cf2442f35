//! What everything that is asked about waves keeps to.

use freshlayer::definition::RolloutHook;
use freshlayer::ports::Hook;

/// Hooks of one kind, each with another answer.
#[derive(Debug)]
pub struct Asked {
    /// Gives its answer, and what it was asked as the `reason`.
    pub answers: RolloutHook,
    /// Answers with 20,000 letters.
    pub chatters: RolloutHook,
    /// Fails.
    pub fails: RolloutHook,
    /// Is not there.
    pub missing: RolloutHook,
    /// Is of another kind.
    pub other: RolloutHook,
}

/// Holds a hook to its contract.
///
/// # Panics
/// Where it breaks it.
pub async fn hook(hook: &dyn Hook, asked: &Asked) {
    for wave in [1, 2] {
        let question = format!(r#"{{"layer":"geo","wave":{wave}}}"#);
        let answer = hook.ask(&asked.answers, &question).await.expect("an answer");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("as it was given");
        assert_eq!(answer["verdict"], "proceed");
        assert_eq!(answer["reason"]["wave"], wave, "it got the question");
    }
    for bad in [&asked.chatters, &asked.fails, &asked.missing, &asked.other] {
        let error = hook.ask(bad, "{}").await.expect_err("no answer");
        assert!(!error.to_string().is_empty());
    }
}
