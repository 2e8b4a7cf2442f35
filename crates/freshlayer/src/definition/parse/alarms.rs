use super::super::alarms::{AlarmsGate, WithoutData};
use super::super::raw::{RawAlarms, RawAlarmsTable};
use super::super::rollout::Binding;
use super::Parser;
use crate::ports::{AlarmPattern, AlarmTag};

impl Parser<'_> {
    pub(super) fn alarms(&mut self, raw: &RawAlarms) -> AlarmsGate {
        let path = &["rollout", "alarms"];
        match raw {
            RawAlarms::Names(names) => AlarmsGate {
                patterns: self.entries(path, names, AlarmPattern::parse),
                without_data: WithoutData::default(),
                binding: Binding::Decides,
            },
            RawAlarms::Table(RawAlarmsTable { names, tags, without_data, observe }) => {
                if names.is_none() && tags.is_none() {
                    self.problem(path, "expected at least one of `names` and `tags`");
                }
                let named = |text: &str| AlarmPattern::parse(text);
                let tagged = |text: &str| AlarmTag::parse(text).map(AlarmPattern::Tag);
                let mut patterns = Vec::new();
                if let Some(names) = names {
                    patterns.extend(self.entries(&["rollout", "alarms", "names"], names, named));
                }
                if let Some(tags) = tags {
                    patterns.extend(self.entries(&["rollout", "alarms", "tags"], tags, tagged));
                }
                let binding = if *observe { Binding::Observes } else { Binding::Decides };
                AlarmsGate { patterns, without_data: *without_data, binding }
            }
        }
    }

    fn entries(
        &mut self,
        path: &[&str],
        texts: &[String],
        read: impl Fn(&str) -> Result<AlarmPattern, String>,
    ) -> Vec<AlarmPattern> {
        if texts.is_empty() {
            self.problem(path, "expected at least one entry");
        }
        let mut found = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let at = at.to_string();
            found.extend(self.noted(&[path, &[&at]].concat(), read(text)));
        }
        found
    }
}
