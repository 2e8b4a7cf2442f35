use jiff::SignedDuration;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::super::raw::{RawDay, RawRollout, RawWindow, RawWindows};
use super::super::rollout::{
    AskedCourse, Binding, EvidenceBy, FunctionProbe, Gates, MetricsGate, OnInconclusive, Preset,
    RolloutSpec,
};
use super::super::{ChangeWindow, ChangeWindows, FieldPath};
use super::Parser;
use crate::names::RegionName;

/// A week: an upstream's next build comes before.
const MINUTES_MAX: u32 = 10_080;
/// Lambda's longest timeout.
const SLOW_AFTER_MS_MAX: u32 = 900_000;

impl Parser<'_> {
    pub(super) fn rollout(&mut self, raw: Option<RawRollout>) -> RolloutSpec {
        let raw = raw.unwrap_or_default();
        for (key, minutes) in [
            ("one_box_bake_minutes", raw.one_box_bake_minutes),
            ("bake_minutes", raw.bake_minutes),
            ("final_bake_minutes", raw.final_bake_minutes),
            ("region_gap_minutes", raw.region_gap_minutes),
            ("later_region_gap_minutes", raw.later_region_gap_minutes),
        ] {
            if let Some(minutes) = minutes.filter(|minutes| *minutes > MINUTES_MAX) {
                let message = format!("expected at most {MINUTES_MAX}, a week, found {minutes}");
                self.problem(&["rollout", key], message);
            }
        }
        if raw.waves.as_deref().is_some_and(|waves| !is_rising_to_100(waves)) {
            self.problem(&["rollout", "waves"], "expected rising percentages, the last one 100");
        }
        if let Some(percent) =
            raw.alias_weight_percent.filter(|percent| !(1..=100).contains(percent))
        {
            let message = format!("expected 1 to 100, found {percent}");
            self.problem(&["rollout", "alias_weight_percent"], message);
        }
        let minutes = |minutes: u32| SignedDuration::from_mins(i64::from(minutes));
        let names = raw.regions_order.iter();
        let regions_order: Vec<RegionName> = names
            .filter_map(|name| self.noted(&["rollout", "regions_order"], RegionName::parse(name)))
            .collect();
        let asked = AskedCourse {
            preset: raw.preset,
            one_box_bake: raw.one_box_bake_minutes.map(minutes),
            alias_percent: raw.alias_weight_percent,
            waves: raw.waves.clone(),
            bake: raw.bake_minutes.map(minutes),
            final_bake: raw.final_bake_minutes.map(minutes),
            region_gap: raw.region_gap_minutes.map(minutes),
            window: raw.window.as_ref().map(|windows| self.windows(windows)),
            later_region_gap: raw.later_region_gap_minutes.map(minutes),
            regions_order,
        };
        let course = asked.course(Preset::AllAtOnce);
        // Where the definition names no preset, what is missing may be in that of the host.
        let is_known = raw.preset.is_some();
        let box_is_known = is_known || raw.one_box_bake_minutes.is_some();
        if box_is_known && raw.alias_weight_percent.is_some() && course.one_box_bake.is_none() {
            let message = "no wave is a one box: set `one_box_bake_minutes`, or another `preset`";
            self.problem(&["rollout", "alias_weight_percent"], message);
        }
        let gap_is_known = is_known || raw.region_gap_minutes.is_some();
        if gap_is_known && !course.regions_order.is_empty() && !course.parts_regions() {
            let message = "all Regions move together: set `region_gap_minutes` or `later_region_gap_minutes`, or remove `regions_order`";
            self.problem(&["rollout", "regions_order"], message);
        }
        if raw.evidence == EvidenceBy::Probe && raw.probe.is_none() {
            let message = "no function is asked: add `[rollout.probe]`, or remove `evidence`";
            self.problem(&["rollout", "evidence"], message);
        }
        let gates = self.gates(&raw);
        if is_known && !gates.is_empty() && course.is_never_watched() {
            let keys = [("metrics", raw.metrics.is_some()), ("hook", raw.hook.is_some())];
            let key = keys.into_iter().find(|(_, given)| *given).map_or("alarms", |(key, _)| key);
            let message = "nothing is watched, because no wave bakes: set `final_bake_minutes`, or another `preset`";
            self.problem(&["rollout", key], message);
        }
        let probe = raw.probe.map(|probe| FunctionProbe {
            payload: probe.payload,
            path: FieldPath::parse(&probe.path),
            equals: probe.equals,
        });
        RolloutSpec { course, asked, probe, gates, roll: raw.roll, roll_major: raw.roll_major }
    }

    /// Every Region in the order is one that the layer is in.
    pub(super) fn regions_in_order(&mut self, order: &[RegionName], regions: &[RegionName]) {
        let path = ["rollout", "regions_order"];
        for (at, region) in order.iter().enumerate() {
            if order[..at].contains(region) {
                self.problem(&path, format!("{region} stands there twice"));
            } else if !regions.is_empty() && !regions.contains(region) {
                let known: Vec<&str> = regions.iter().map(RegionName::as_str).collect();
                let known = known.join(", ");
                self.problem(
                    &path,
                    format!("expected Regions of `regions` ({known}), found {region}"),
                );
            }
        }
    }

    fn windows(&mut self, raw: &RawWindows) -> ChangeWindows {
        let path = &["rollout", "window"][..];
        let windows = match raw {
            RawWindows::One(window) => self.window(path, window).into_iter().collect(),
            RawWindows::Several(windows) => {
                if windows.is_empty() {
                    self.problem(path, "expected at least one entry");
                }
                let all = windows.iter().enumerate().filter_map(|(at, window)| {
                    let at = at.to_string();
                    self.window(&[path, &[at.as_str()][..]].concat(), window)
                });
                all.collect()
            }
        };
        ChangeWindows(windows)
    }

    fn window(&mut self, path: &[&str], raw: &RawWindow) -> Option<ChangeWindow> {
        let at = |key| [path, &[key]].concat();
        let mut time = |key, text: &str| {
            let parsed = text.parse::<Time>();
            let parsed = parsed.map_err(|_| format!("expected a time such as 09:00, found {text}"));
            self.noted(&at(key), parsed)
        };
        let (from, until) = (time("from", &raw.from)?, time("until", &raw.until)?);
        if from == until {
            self.problem(&at("until"), "expected another time than `from`");
        }
        if raw.days.is_empty() {
            self.problem(&at("days"), "expected at least one day; without `days` it is every day");
        }
        let zone = TimeZone::get(&raw.time_zone);
        let zone = zone.map_err(|_| {
            format!("expected a time zone such as Europe/Berlin, found {}", raw.time_zone)
        });
        let time_zone = self.noted(&at("time_zone"), zone)?;
        let days = raw.days.iter().map(|day| match day {
            RawDay::Mon => Weekday::Monday,
            RawDay::Tue => Weekday::Tuesday,
            RawDay::Wed => Weekday::Wednesday,
            RawDay::Thu => Weekday::Thursday,
            RawDay::Fri => Weekday::Friday,
            RawDay::Sat => Weekday::Saturday,
            RawDay::Sun => Weekday::Sunday,
        });
        Some(ChangeWindow { days: days.collect(), from, until, time_zone })
    }

    fn gates(&mut self, raw: &RawRollout) -> Gates {
        let alarms = raw.alarms.as_ref().map(|alarms| self.alarms(alarms));
        if let Some(minutes) = raw.wait_minutes.filter(|minutes| *minutes > MINUTES_MAX) {
            let message = format!("expected at most {MINUTES_MAX}, a week, found {minutes}");
            self.problem(&["rollout", "wait_minutes"], message);
        }
        let metrics = raw.metrics.as_ref().map(|metrics| MetricsGate {
            calls_min: metrics.calls_min,
            slow_after: metrics.slow_after_ms.map(|ms| SignedDuration::from_millis(i64::from(ms))),
            binding: if metrics.observe { Binding::Observes } else { Binding::Decides },
        });
        let slow = raw.metrics.as_ref().and_then(|metrics| metrics.slow_after_ms);
        if let Some(ms) = slow.filter(|ms| !(1..=SLOW_AFTER_MS_MAX).contains(ms)) {
            let message =
                format!("expected 1 to {SLOW_AFTER_MS_MAX}, Lambda's longest timeout, found {ms}");
            self.problem(&["rollout", "metrics", "slow_after_ms"], message);
        }
        let minutes = |minutes| SignedDuration::from_mins(i64::from(minutes));
        let by_preset = raw.preset.unwrap_or(Preset::Standard).wait();
        let wait = raw.wait_minutes.map_or(by_preset, minutes);
        let on_inconclusive = raw.on_inconclusive.unwrap_or(match raw.preset {
            Some(Preset::Careful) => OnInconclusive::Hold,
            _ => OnInconclusive::default(),
        });
        let hook = raw.hook.as_ref().and_then(|hook| self.hook(hook));
        Gates { alarms, metrics, hook, on_inconclusive, wait, evidence: raw.evidence }
    }
}

fn is_rising_to_100(waves: &[u8]) -> bool {
    waves.is_sorted_by(|one, next| one < next) && waves.last() == Some(&100) && waves[0] > 0
}
