use super::super::raw::RawScan;
use super::super::scan::{Scan, ScanHook};
use super::Parser;

/// The longest run of a Lambda function.
const SECS_MAX: u32 = 900;

impl Parser<'_> {
    pub(super) fn scan(&mut self, raw: Option<RawScan>) -> Option<Scan> {
        let RawScan { command, lambda, guardduty, timeout_secs } = raw?;
        if !(1..=SECS_MAX).contains(&timeout_secs) {
            let message = format!("expected 1 to {SECS_MAX}, found {timeout_secs}");
            self.problem(&["scan", "timeout_secs"], message);
        }
        let command = (!command.is_empty()).then_some(ScanHook::Command(command));
        let lambda = lambda.map(ScanHook::Lambda);
        let guardduty = guardduty.then_some(ScanHook::GuardDuty);
        let mut hooks = [command, lambda, guardduty].into_iter().flatten();
        if let (Some(hook), None) = (hooks.next(), hooks.next()) {
            return Some(Scan { hook, timeout_secs });
        }
        let message = "expected exactly one of `command`, `lambda` and `guardduty = true`";
        self.problem(&["scan"], message);
        None
    }
}
