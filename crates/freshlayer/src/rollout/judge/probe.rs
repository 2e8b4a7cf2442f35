//! What an answer says about new data. Pure.

use crate::definition::FunctionProbe;
use crate::ports::Answer;

/// How long a function may take to start before its timeout begins to count.
const INIT_SECS: u64 = 10;

/// What a probe says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) enum Verdict {
    /// The function works with the new data.
    Pass,
    /// It does not.
    Fail(String),
    /// It cannot be called, so it gives no evidence.
    Unjudged,
    /// No answer came, though the host ends the call after its timeout.
    Unmeasured(String),
}

/// Judges the answer of a function that its host lets run for so many seconds.
pub(in crate::rollout) fn probe(probe: &FunctionProbe, answer: &Answer, runs_secs: u32) -> Verdict {
    let value = match answer {
        Answer::Returned(value) => value,
        Answer::Failed(words) => return Verdict::Fail(format!("it failed: {words}")),
        Answer::NotCallable => return Verdict::Unjudged,
        Answer::NotYet { secs } => {
            let words = format!("it gave no answer within {secs} s");
            // The host would have ended the call by then, and said so.
            return if u64::from(runs_secs) + INIT_SECS < *secs {
                Verdict::Unmeasured(format!("{words}, and its timeout is {runs_secs} s"))
            } else {
                Verdict::Fail(words)
            };
        }
    };
    let place = if probe.path.is_empty() { String::new() } else { format!(" at {}", probe.path) };
    match (&probe.equals, probe.path.follow(value)) {
        (Some(wanted), Some(found)) if wanted != found => {
            Verdict::Fail(format!("expected {wanted}{place}, found {found}"))
        }
        (Some(wanted), None) => Verdict::Fail(format!("expected {wanted}{place}, found nothing")),
        (None, None) => Verdict::Fail(format!("expected an answer{place}, found nothing")),
        (_, Some(_)) => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::definition::FieldPath;

    fn judged(path: &str, equals: Option<Value>, answer: &Answer) -> Verdict {
        let path = FieldPath::parse(path);
        probe(&FunctionProbe { payload: Value::Null, path, equals }, answer, 900)
    }

    /// Lambda ends a call after the function's own timeout and says so: where it is silent, the function is not to blame.
    #[test]
    fn a_call_without_an_answer_fails_only_a_function_that_may_still_run() {
        let path = FieldPath::parse("");
        let silent = |runs| {
            let gate = FunctionProbe { payload: Value::Null, path: path.clone(), equals: None };
            probe(&gate, &Answer::NotYet { secs: 60 }, runs)
        };
        let words = "it gave no answer within 60 s";
        assert_eq!(silent(60), Verdict::Fail(words.to_owned()));
        assert_eq!(silent(50), Verdict::Fail(words.to_owned()));
        let unmeasured = Verdict::Unmeasured(format!("{words}, and its timeout is 30 s"));
        assert_eq!(silent(30), unmeasured);
    }

    #[test]
    fn an_answer_is_held_against_what_is_wanted() {
        let answer = Answer::Returned(json!({ "country": { "iso_code": "US" } }));
        assert_eq!(judged("country.iso_code", Some(json!("US")), &answer), Verdict::Pass);
        assert_eq!(judged("country.iso_code", None, &answer), Verdict::Pass);
        assert_eq!(judged("", None, &answer), Verdict::Pass);
        let wrong = judged("country.iso_code", Some(json!("DE")), &answer);
        let words = "expected \"DE\" at country.iso_code, found \"US\"";
        assert_eq!(wrong, Verdict::Fail(words.to_owned()));
        let words = "expected an answer at city, found nothing".to_owned();
        assert_eq!(judged("city", None, &answer), Verdict::Fail(words));
        let failed = Answer::Failed("exit code 1".to_owned());
        assert_eq!(judged("", None, &failed), Verdict::Fail("it failed: exit code 1".to_owned()));
        assert_eq!(judged("", None, &Answer::NotCallable), Verdict::Unjudged);
    }
}
