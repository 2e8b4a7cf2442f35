//! What was checked: every check that exists for a dataset, and how it went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Code, Level, Problem};
use crate::names::DatasetName;

/// How a check went.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There was nothing to check: no expectation, no live release, or an earlier check ended the inspection.
    NotApplicable,
    /// The data is as it should be.
    Passed,
    /// A person should look; the data is released.
    Warned,
    /// The data is not released.
    Failed,
}

/// One check with its verdict. Its id is the code of the problem that it looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateCheck {
    /// The check.
    pub id: Code,
    /// How it went.
    pub verdict: Verdict,
    /// What was measured, in a few words, where the check measures something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    /// What was measured as a share of what serves, in parts per million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppm: Option<u32>,
    /// The same of an mmdb's IPv6 addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_ppm: Option<u32>,
    /// What it found; empty where it passed or did not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// Every check that exists for a dataset, in the order in which they ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GateReport(Vec<GateCheck>);

impl GateReport {
    /// Notes that a check ran, and what it found.
    pub(crate) fn judge(&mut self, id: Code, found: impl IntoIterator<Item = Problem>) {
        let check = self.check(id);
        check.verdict = check.verdict.max(Verdict::Passed);
        for problem in found {
            check.verdict = check.verdict.max(match problem.level {
                Level::Warn => Verdict::Warned,
                Level::Fail => Verdict::Failed,
            });
            check.problems.push(problem);
        }
    }

    /// Notes what a check measured.
    pub(crate) fn measured(&mut self, id: Code, measured: String) {
        self.check(id).measured = Some(measured);
    }

    /// Notes a share that a check measured, in percent, and of what.
    pub(crate) fn measured_share(&mut self, id: Code, percent: f64, of: &str) {
        let check = self.check(id);
        check.measured = Some(format!("{percent:.2} %{of}"));
        check.ppm = Some(ppm(percent));
    }

    /// Notes a share of the IPv6 addresses that a check measured, in percent, and of what.
    pub(crate) fn measured_share_ipv6(&mut self, id: Code, percent: f64, of: &str) {
        let check = self.check(id);
        let others = check.measured.take().map(|others| format!("{others}; ")).unwrap_or_default();
        check.measured = Some(format!("{others}of IPv6 {percent:.2} %{of}"));
        check.ipv6_ppm = Some(ppm(percent));
    }

    /// Returns every share that was measured, in parts per million, by what it is of.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (String, u32)> {
        self.0.iter().flat_map(|check| {
            let all = check.ppm.map(|ppm| (check.id.to_string(), ppm));
            let ipv6 = check.ipv6_ppm.map(|ppm| (format!("{} of IPv6", check.id), ppm));
            all.into_iter().chain(ipv6)
        })
    }

    /// A person accepted what differs: it gives a warning, and keeps nothing out.
    pub(crate) fn accept_differences(&mut self) {
        for check in self.0.iter_mut().filter(|check| check.id.is_difference()) {
            check.verdict = check.verdict.min(Verdict::Warned);
            for problem in &mut check.problems {
                problem.level = Level::Warn;
            }
        }
    }

    /// Lists the checks that did not run, too.
    pub(crate) fn complete(&mut self, all: impl IntoIterator<Item = Code>) {
        for id in all {
            self.check(id);
        }
    }

    /// Says which dataset the problems are of.
    pub(crate) fn of(mut self, dataset: &DatasetName) -> Self {
        for problem in self.0.iter_mut().flat_map(|check| &mut check.problems) {
            problem.dataset = Some(dataset.clone());
        }
        self
    }

    /// Tells whether nothing was checked: a record of an earlier version of freshlayer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns every check.
    pub fn checks(&self) -> &[GateCheck] {
        &self.0
    }

    /// Returns all problems, in the order of the checks.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> + Clone {
        self.0.iter().flat_map(|check| &check.problems)
    }

    fn check(&mut self, id: Code) -> &mut GateCheck {
        let at = self.0.iter().position(|check| check.id == id).unwrap_or_else(|| {
            self.0.push(GateCheck {
                id,
                verdict: Verdict::NotApplicable,
                measured: None,
                ppm: None,
                ipv6_ppm: None,
                problems: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no share is negative, and beyond the largest number all are alike"
)]
fn ppm(percent: f64) -> u32 {
    (percent * 10_000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_is_the_verdict_and_what_did_not_run_is_listed() {
        let mut report = GateReport::default();
        report.judge(Code::Empty, None);
        report.judge(Code::Probe, [Problem::warn(Code::Probe, "a", "b")]);
        report.judge(Code::Probe, [Problem::fail(Code::Probe, "c", "d")]);
        report.complete([Code::Empty, Code::Drift]);
        let said: Vec<_> = report.checks().iter().map(|check| (check.id, check.verdict)).collect();
        let expected = [
            (Code::Empty, Verdict::Passed),
            (Code::Probe, Verdict::Failed),
            (Code::Drift, Verdict::NotApplicable),
        ];
        assert_eq!(said, expected);
        assert_eq!(report.problems().count(), 2);
    }
}
