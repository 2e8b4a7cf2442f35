//! How new data reaches functions: all at once, or in waves that are watched.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AlarmsGate, ChangeWindows, FieldPath, HookGate};
use crate::names::RegionName;

/// How new data reaches functions.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutSpec {
    /// In which waves.
    pub course: Course,
    /// What the definition says of them; the host chooses the preset where that names none.
    pub asked: AskedCourse,
    /// What each function is asked with the new data, before its callers get it.
    pub probe: Option<FunctionProbe>,
    /// What is watched while a wave bakes.
    pub gates: Gates,
    /// Whose hands move functions.
    pub roll: Roll,
    /// What happens to functions that did not ask for a new major data version.
    pub roll_major: RollMajor,
}

impl RolloutSpec {
    /// Takes AWS's defaults, where functions have callers whose calls are counted: the waves of `standard`, and the gate
    /// `metrics` with any waves that bake.
    #[must_use]
    pub fn on_aws(mut self) -> Self {
        self.course = self.asked.course(Preset::Standard);
        let counts = !self.course.is_never_watched();
        self.gates.metrics = self.gates.metrics.or(counts.then(MetricsGate::default));
        self
    }

    /// Tells whether functions that take new data are watched before the data counts as good.
    pub fn is_watched(&self) -> bool {
        self.roll == Roll::Functions && (!self.course.is_all_at_once() || self.probe.is_some())
    }
}

/// Whose hands move functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Roll {
    /// freshlayer's.
    #[default]
    Functions,
    /// Those of people's own deployments: freshlayer publishes, and says which version to use.
    Propose,
}

/// What happens to functions that did not ask for a new major data version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RollMajor {
    /// They stay until a person lets them go.
    #[default]
    Hold,
    /// They move as with any release.
    Roll,
}

impl Default for RolloutSpec {
    fn default() -> Self {
        Self {
            course: Preset::AllAtOnce.course(),
            asked: AskedCourse::default(),
            probe: None,
            gates: Gates::default(),
            roll: Roll::default(),
            roll_major: RollMajor::default(),
        }
    }
}

/// What is watched while a wave bakes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gates {
    /// Alarms that must not begin to ring.
    pub alarms: Option<AlarmsGate>,
    /// Whether the share of calls that fail grows.
    pub metrics: Option<MetricsGate>,
    /// Who is asked beside that.
    pub hook: Option<HookGate>,
    /// What happens where the gates cannot tell.
    pub on_inconclusive: OnInconclusive,
    /// How long after its bake a wave waits at most until the gates can tell.
    pub wait: SignedDuration,
    /// What a wave can pass by.
    pub evidence: EvidenceBy,
}

impl Gates {
    /// Tells whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.alarms.is_none() && self.metrics.is_none() && self.hook.is_none()
    }
}

/// Whether the share of calls that fail, or take too long, grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsGate {
    /// How many calls of a wave are needed to let it pass.
    pub calls_min: u64,
    /// A call that takes longer counts as one that failed; absent where none does.
    pub slow_after: Option<SignedDuration>,
    /// Whether its verdict counts.
    pub binding: Binding,
}

impl Default for MetricsGate {
    fn default() -> Self {
        Self { calls_min: 100, slow_after: None, binding: Binding::Decides }
    }
}

/// Whether a gate's verdict counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// It decides.
    Decides,
    /// It is told, and decides nothing.
    Observes,
}

/// What lets a wave with too few calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceBy {
    /// Calls alone.
    #[default]
    Calls,
    /// Also the probe that each of its functions has passed, where calls are too few and none failed.
    Probe,
}

/// What happens where gates cannot tell after their longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnInconclusive {
    /// The rollout goes on if the only doubt is too few calls and none failed, and waits for a person otherwise.
    #[default]
    Proceed,
    /// The rollout waits for a person.
    Hold,
    /// Every function goes back.
    Rollback,
}

/// What a definition says of the waves: a preset, and what takes the place of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedCourse {
    /// The preset; absent for that of the host.
    pub preset: Option<Preset>,
    /// See [`Course::one_box_bake`]; zero for no one box.
    pub one_box_bake: Option<SignedDuration>,
    /// See [`Course::alias_percent`]; 100 for all calls.
    pub alias_percent: Option<u8>,
    /// See [`Course::waves`].
    pub waves: Option<Vec<u8>>,
    /// See [`Course::bake`].
    pub bake: Option<SignedDuration>,
    /// See [`Course::final_bake`].
    pub final_bake: Option<SignedDuration>,
    /// See [`Course::region_gap`].
    pub region_gap: Option<SignedDuration>,
    /// See [`Course::window`].
    pub window: Option<ChangeWindows>,
    /// See [`Course::later_region_gap`].
    pub later_region_gap: Option<SignedDuration>,
    /// See [`Course::regions_order`].
    pub regions_order: Vec<RegionName>,
}

impl AskedCourse {
    /// Returns the course on a host whose own preset is `by_host`.
    pub fn course(&self, by_host: Preset) -> Course {
        let preset = self.preset.unwrap_or(by_host).course();
        let one_box_bake = self.one_box_bake.or(preset.one_box_bake);
        let one_box_bake = one_box_bake.filter(|bake| !bake.is_zero());
        let is_part = |percent: &u8| *percent < 100 && one_box_bake.is_some();
        Course {
            one_box_bake,
            alias_percent: self.alias_percent.or(preset.alias_percent).filter(is_part),
            waves: self.waves.clone().unwrap_or(preset.waves),
            bake: self.bake.unwrap_or(preset.bake),
            final_bake: self.final_bake.unwrap_or(preset.final_bake),
            region_gap: self.region_gap.unwrap_or(preset.region_gap),
            window: self.window.clone(),
            later_region_gap: self.later_region_gap.unwrap_or(match self.region_gap {
                Some(SignedDuration::ZERO) => SignedDuration::ZERO,
                _ => preset.later_region_gap,
            }),
            regions_order: self.regions_order.clone(),
        }
    }
}

/// The waves of a rollout, and how long each is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// How long the one box is watched: a first wave of one function. Absent where there is none.
    pub one_box_bake: Option<SignedDuration>,
    /// How many of the calls of the one box's alias come to the release, in percent, where so many can be judged; absent
    /// for all.
    pub alias_percent: Option<u8>,
    /// The share of all functions that may move after each wave opens, cumulative, in percent. Rising; the last one is 100.
    pub waves: Vec<u8>,
    /// How long each wave but the last is watched.
    pub bake: SignedDuration,
    /// How long the last wave is watched before the release is stable.
    pub final_bake: SignedDuration,
    /// How long a whole first Region is watched before functions of others move; zero where all move together.
    pub region_gap: SignedDuration,
    /// When waves may open; absent where they always may.
    pub window: Option<ChangeWindows>,
    /// How long each whole Region behind the first is watched before functions of the next one move; zero where all behind the
    /// first move together.
    pub later_region_gap: SignedDuration,
    /// Which Regions come before others, in this order.
    pub regions_order: Vec<RegionName>,
}

impl Course {
    /// Tells whether every function moves at once, at any time, and nothing is watched.
    pub fn is_all_at_once(&self) -> bool {
        let one_wave = self.one_box_bake.is_none() && self.waves == [100];
        one_wave && self.final_bake.is_zero() && self.window.is_none()
    }

    /// Tells whether a Region is whole and watched before functions of others move.
    pub fn parts_regions(&self) -> bool {
        !self.region_gap.is_zero() || !self.later_region_gap.is_zero()
    }

    /// Tells whether no wave bakes.
    pub fn is_never_watched(&self) -> bool {
        let between = self.waves.len() > 1 && !self.bake.is_zero();
        self.one_box_bake.is_none() && !between && self.final_bake.is_zero()
    }
}

/// A course with a name. Those of AWS carry their owner's name, because one name means another course elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// One function for 30 minutes, then 10, 50 and 100 %, 15 minutes apart, and 30 minutes at the end. Two hours after
    /// the first Region the others.
    Standard,
    /// One function for an hour, then 5, 20, 50 and 100 %, two hours apart, and 12 hours at the end. Twelve
    /// hours after the first Region the others, two hours apart.
    Careful,
    /// One function for 5 minutes, then all, and 10 minutes at the end.
    Fast,
    /// Every function at once.
    AllAtOnce,
    /// 10 %, and all after 5 minutes.
    #[serde(rename = "codedeploy-canary-10-percent-5-minutes")]
    CodedeployCanary5,
    /// 10 %, and all after 10 minutes.
    #[serde(rename = "codedeploy-canary-10-percent-10-minutes")]
    CodedeployCanary10,
    /// 10 %, and all after 15 minutes.
    #[serde(rename = "codedeploy-canary-10-percent-15-minutes")]
    CodedeployCanary15,
    /// 10 %, and all after 30 minutes.
    #[serde(rename = "codedeploy-canary-10-percent-30-minutes")]
    CodedeployCanary30,
    /// 10 % more every minute.
    #[serde(rename = "codedeploy-linear-10-percent-every-1-minute")]
    CodedeployLinear1,
    /// 10 % more every 2 minutes.
    #[serde(rename = "codedeploy-linear-10-percent-every-2-minutes")]
    CodedeployLinear2,
    /// 10 % more every 3 minutes.
    #[serde(rename = "codedeploy-linear-10-percent-every-3-minutes")]
    CodedeployLinear3,
    /// 10 % more every 10 minutes.
    #[serde(rename = "codedeploy-linear-10-percent-every-10-minutes")]
    CodedeployLinear10,
    /// 20 % more every 6 minutes, and 30 minutes at the end.
    #[serde(rename = "appconfig-linear-20-percent-every-6-minutes")]
    AppconfigLinear,
    /// 10, 20, 40, 80 and 100 % in 20 minutes, and 10 minutes at the end.
    #[serde(rename = "appconfig-canary-10-percent-20-minutes")]
    AppconfigCanary,
}

impl Preset {
    /// Returns how long after its bake a wave waits at most until gates can tell. Calls are counted three minutes late, so a
    /// bake of five minutes alone would show two.
    pub fn wait(self) -> SignedDuration {
        SignedDuration::from_mins(match self {
            Self::Fast => 10,
            Self::Careful => 24 * 60,
            _ => 2 * 60,
        })
    }

    /// Returns its course. Source of AWS's: the deployment configurations of `CodeDeploy` for Lambda, and the predefined
    /// strategies of `AppConfig`.
    pub fn course(self) -> Course {
        let minutes = SignedDuration::from_mins;
        let tenths = || (1..=10).map(|tenth| tenth * 10).collect::<Vec<u8>>();
        let (region_gap, later_region_gap, alias_percent) = match self {
            Self::Standard => (120, 0, Some(10)),
            Self::Careful => (720, 120, Some(10)),
            _ => (0, 0, None),
        };
        let (one_box, waves, bake, final_bake) = match self {
            Self::Standard => (Some(30), vec![10, 50, 100], 15, 30),
            Self::Careful => (Some(60), vec![5, 20, 50, 100], 120, 720),
            Self::Fast => (Some(5), vec![100], 0, 10),
            Self::AllAtOnce => (None, vec![100], 0, 0),
            Self::CodedeployCanary5 => (None, vec![10, 100], 5, 0),
            Self::CodedeployCanary10 => (None, vec![10, 100], 10, 0),
            Self::CodedeployCanary15 => (None, vec![10, 100], 15, 0),
            Self::CodedeployCanary30 => (None, vec![10, 100], 30, 0),
            Self::CodedeployLinear1 => (None, tenths(), 1, 0),
            Self::CodedeployLinear2 => (None, tenths(), 2, 0),
            Self::CodedeployLinear3 => (None, tenths(), 3, 0),
            Self::CodedeployLinear10 => (None, tenths(), 10, 0),
            Self::AppconfigLinear => (None, vec![20, 40, 60, 80, 100], 6, 30),
            Self::AppconfigCanary => (None, vec![10, 20, 40, 80, 100], 5, 10),
        };
        Course {
            one_box_bake: one_box.map(minutes),
            alias_percent,
            waves,
            bake: minutes(bake),
            final_bake: minutes(final_bake),
            region_gap: minutes(region_gap),
            window: None,
            later_region_gap: minutes(later_region_gap),
            regions_order: Vec::new(),
        }
    }
}

/// A question to a function, with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionProbe {
    /// What it is called with.
    pub payload: Value,
    /// The part of the answer that counts; empty for all of it.
    pub path: FieldPath,
    /// What that has to be; absent where anything but an error will do.
    pub equals: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each preset means: the one box, the waves, how long between them, at the end, behind the first Region, and between
    /// the others, in minutes.
    #[test]
    fn presets_are_those_of_their_owners() {
        type Row<'a> = (Preset, i64, &'a [u8], [i64; 4]);
        use Preset::*;
        let tenths = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100].as_slice();
        let expected: [Row<'_>; 14] = [
            (Standard, 30, &[10, 50, 100], [15, 30, 120, 0]),
            (Careful, 60, &[5, 20, 50, 100], [120, 720, 720, 120]),
            (Fast, 5, &[100], [0, 10, 0, 0]),
            (AllAtOnce, 0, &[100], [0, 0, 0, 0]),
            (CodedeployCanary5, 0, &[10, 100], [5, 0, 0, 0]),
            (CodedeployCanary10, 0, &[10, 100], [10, 0, 0, 0]),
            (CodedeployCanary15, 0, &[10, 100], [15, 0, 0, 0]),
            (CodedeployCanary30, 0, &[10, 100], [30, 0, 0, 0]),
            (CodedeployLinear1, 0, tenths, [1, 0, 0, 0]),
            (CodedeployLinear2, 0, tenths, [2, 0, 0, 0]),
            (CodedeployLinear3, 0, tenths, [3, 0, 0, 0]),
            (CodedeployLinear10, 0, tenths, [10, 0, 0, 0]),
            (AppconfigLinear, 0, &[20, 40, 60, 80, 100], [6, 30, 0, 0]),
            (AppconfigCanary, 0, &[10, 20, 40, 80, 100], [5, 10, 0, 0]),
        ];
        for (preset, one_box, waves, expected) in expected {
            let course = preset.course();
            let minutes = |time: SignedDuration| time.as_mins();
            assert_eq!(course.one_box_bake.map_or(0, minutes), one_box, "{preset:?}");
            assert_eq!(course.waves, waves, "{preset:?}");
            let times =
                [course.bake, course.final_bake, course.region_gap, course.later_region_gap];
            assert_eq!(times.map(minutes), expected, "{preset:?}");
        }
        let waits = [Standard, Careful, Fast].map(|preset| preset.wait().as_mins());
        assert_eq!(waits, [120, 1_440, 10]);
    }

    #[test]
    fn each_override_changes_its_part_of_the_hosts_preset_only() {
        let hour = Some(SignedDuration::from_hours(1));
        let asked = |asked: AskedCourse| asked.course(Preset::Standard);
        let standard = || Preset::Standard.course();
        let cases = [
            (AskedCourse { bake: hour, ..AskedCourse::default() }, {
                Course { bake: SignedDuration::from_hours(1), ..standard() }
            }),
            (AskedCourse { final_bake: hour, ..AskedCourse::default() }, {
                Course { final_bake: SignedDuration::from_hours(1), ..standard() }
            }),
            (AskedCourse { region_gap: hour, ..AskedCourse::default() }, {
                Course { region_gap: SignedDuration::from_hours(1), ..standard() }
            }),
            (AskedCourse { one_box_bake: hour, ..AskedCourse::default() }, {
                Course { one_box_bake: hour, ..standard() }
            }),
            (AskedCourse { waves: Some(vec![50, 100]), ..AskedCourse::default() }, {
                Course { waves: vec![50, 100], ..standard() }
            }),
            (AskedCourse { alias_percent: Some(100), ..AskedCourse::default() }, {
                Course { alias_percent: None, ..standard() }
            }),
            (AskedCourse { one_box_bake: Some(SignedDuration::ZERO), ..AskedCourse::default() }, {
                Course { one_box_bake: None, alias_percent: None, ..standard() }
            }),
        ];
        for (one, expected) in cases {
            assert_eq!(asked(one), expected);
        }
    }
}
