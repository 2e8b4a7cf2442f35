use super::super::hook::{HookGate, RolloutHook};
use super::super::raw::{PlainHttp, RawHook};
use super::super::rollout::Binding;
use super::super::source::{Authorization, RequestHeaders};
use super::Parser;

/// A publisher's run asks more than one question.
const SECS_MAX: u32 = 300;

impl Parser<'_> {
    pub(super) fn hook(&mut self, raw: &RawHook) -> Option<HookGate> {
        let path = |key| ["rollout", "hook", key];
        let timeout_secs = raw.timeout_secs;
        if !(1..=SECS_MAX).contains(&timeout_secs) {
            let message = format!("expected 1 to {SECS_MAX}, found {timeout_secs}");
            self.problem(&path("timeout_secs"), message);
        }
        if raw.bearer.is_some() && raw.https.is_none() {
            self.problem(&path("bearer"), "goes with `https` only");
        }
        let given = [!raw.command.is_empty(), raw.lambda.is_some(), raw.https.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let message = "expected exactly one of `command`, `lambda` and `https`";
            self.problem(&["rollout", "hook"], message);
            return None;
        }
        let hook = match (&raw.lambda, &raw.https) {
            (Some(function), _) => RolloutHook::Lambda(function.clone()),
            (None, Some(text)) => {
                let url = self.url(&path("https"), text, PlainHttp::Loopback);
                let bearer = raw.bearer.as_ref().and_then(|token| {
                    let token = self.secret(token);
                    self.noted(&path("bearer"), token)
                });
                let authorization = bearer.map(Authorization::Bearer);
                RolloutHook::Https {
                    url: url?,
                    headers: RequestHeaders { named: Vec::new(), authorization },
                }
            }
            (None, None) => RolloutHook::Command(raw.command.clone()),
        };
        let binding = if raw.observe { Binding::Observes } else { Binding::Decides };
        Some(HookGate { hook, timeout_secs, binding })
    }
}
