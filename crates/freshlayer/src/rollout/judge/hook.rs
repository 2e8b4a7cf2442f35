//! The gate of people's own making: what it answers, and what that says of the wave.

use serde::Deserialize;
use serde_json::Value;

use super::{Said, observed};
use crate::definition::HookGate;
use crate::state::Says;

/// How much of an answer is repeated, in characters.
const WORDS_CHARS_MAX: usize = 300;
/// The longest state that is kept for a hook, in bytes.
const STATE_BYTES_MAX: usize = 4 * 1024;
const FORM: &str = r#"{"verdict": "proceed" | "wait" | "hold" | "rollback", "reason": "…"}"#;

/// What a hook answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::rollout) struct Reply {
    verdict: HookVerdict,
    reason: Option<String>,
    /// What it wants to be told with the next question.
    pub(in crate::rollout) state: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HookVerdict {
    Proceed,
    Wait,
    Hold,
    Rollback,
}

impl Reply {
    /// Reads an answer.
    pub(in crate::rollout) fn parse(text: &str) -> Result<Self, String> {
        let reply: Self = serde_json::from_str(text.trim())
            .map_err(|_| format!("expected {FORM}, found {}", short(text)))?;
        let state = reply.state.as_ref().map_or(0, |state| state.to_string().len());
        if state > STATE_BYTES_MAX {
            return Err(format!(
                "expected a state of at most {STATE_BYTES_MAX} bytes, found {state}"
            ));
        }
        Ok(reply)
    }
}

pub(super) fn judge(gate: &HookGate, heard: &Result<Reply, String>) -> Said {
    observed(gate.binding, judged(gate, heard))
}

fn judged(gate: &HookGate, heard: &Result<Reply, String>) -> Said {
    let hook = &gate.hook;
    let Reply { verdict, reason, .. } = match heard {
        Ok(reply) => reply,
        Err(words) => {
            return Said::of(Says::Unmeasured, format!("{hook} gave no verdict: {}", short(words)));
        }
    };
    let (says, words) = match verdict {
        HookVerdict::Proceed => (Says::Pass, "lets the wave pass"),
        HookVerdict::Wait => (Says::Inconclusive, "asks to wait"),
        HookVerdict::Hold => (Says::Hold, "holds the rollout"),
        HookVerdict::Rollback => (Says::Fail, "rolls the release back"),
    };
    let reason = reason.as_deref().map(short).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Said::of(says, format!("{hook} {words}{reason}"))
}

/// One line of an answer.
fn short(text: &str) -> String {
    let clean = text.replace(|letter: char| letter.is_control(), " ");
    let words: Vec<&str> = clean.split_whitespace().collect();
    words.join(" ").chars().take(WORDS_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Binding, RolloutHook};

    fn said(binding: Binding, answer: &str) -> Said {
        let hook = RolloutHook::Lambda("checkout-gate".to_owned());
        judge(&HookGate { hook, timeout_secs: 30, binding }, &Reply::parse(answer))
    }

    #[test]
    fn each_verdict_says_its_own() {
        for (answer, says, words) in [
            (
                r#"{"verdict": "proceed"}"#,
                Says::Pass,
                "the function checkout-gate lets the wave pass",
            ),
            (
                r#"{"verdict": "wait", "reason": "3 of 5\n minutes"}"#,
                Says::Inconclusive,
                "the function checkout-gate asks to wait: 3 of 5 minutes",
            ),
            (
                r#"{"verdict": "hold", "reason": "", "more": 1}"#,
                Says::Hold,
                "the function checkout-gate holds the rollout",
            ),
            (
                " {\"verdict\": \"rollback\", \"reason\": \"refunds doubled\"}\n",
                Says::Fail,
                "the function checkout-gate rolls the release back: refunds doubled",
            ),
        ] {
            let found = said(Binding::Decides, answer);
            assert_eq!((found.says, found.sentence.as_str()), (says, words));
        }
    }

    #[test]
    fn an_answer_of_another_form_is_no_verdict() {
        let large = format!(r#"{{"verdict": "proceed", "state": "{}"}}"#, "x".repeat(4096));
        for answer in ["", "proceed", "{}", r#"{"verdict": "abort"}"#, r#"{"verdict": 1}"#, &large]
        {
            let found = said(Binding::Decides, answer);
            assert_eq!(found.says, Says::Unmeasured, "{answer}");
            assert!(found.sentence.contains("gave no verdict: expected "), "{}", found.sentence);
        }
    }

    #[test]
    fn one_that_is_only_observed_decides_nothing() {
        let found = said(Binding::Observes, r#"{"verdict": "rollback"}"#);
        assert_eq!(found.says, Says::Pass);
        assert!(found.sentence.ends_with("(only observed: it would fail)"), "{}", found.sentence);
    }
}
