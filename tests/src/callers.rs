//! Callers of the functions of a simulated AWS, and what is counted of them: a stateful fake of the port `Health`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use freshlayer::Place;
use freshlayer::definition::Destinations;
use freshlayer::ports::{
    Alarm, AlarmPattern, AlarmState, AlarmTag, Behind, Calls, Clock, FunctionName, Health, Hours,
    Minutes, Notifications, PortError, Region, Regions, Window,
};
use jiff::{SignedDuration, Timestamp};

use crate::contracts::SLOW_CALL;
use crate::simulated::{Served, Simulated};

/// As long as CloudWatch keeps minutes.
const MINUTES_KEPT: SignedDuration = SignedDuration::from_hours(15 * 24);

/// One call: the function, the layer versions that it had, and when.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The function.
    pub function: &'a str,
    /// The ARNs of its layers.
    pub layers: &'a [String],
    /// The number of the call, over all functions.
    pub number: u64,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With an answer, at once.
    Well,
    /// With an error, at once.
    Failed,
    /// With an answer, after [`SLOW_CALL`].
    Slowly,
}

impl From<bool> for Ended {
    fn from(fails: bool) -> Self {
        if fails { Self::Failed } else { Self::Well }
    }
}

/// How many calls met which layers.
pub type Exposed = BTreeMap<Vec<String>, u64>;

/// Callers that call every function so many times a minute, for ever.
pub struct Callers {
    aws: Simulated,
    counted: Mutex<BTreeMap<FunctionName, Minutes>>,
    behind: Mutex<BTreeMap<Behind, Minutes>>,
    turns: Mutex<BTreeMap<String, u64>>,
    rates: Mutex<BTreeMap<String, u64>>,
    alarms: Mutex<BTreeMap<String, Alarm>>,
    deaf: Mutex<u32>,
    asked: Mutex<BTreeMap<FunctionName, u64>>,
    exposed: Mutex<BTreeMap<String, Exposed>>,
    late: Mutex<SignedDuration>,
}

impl Callers {
    /// Begins to call. `ends` says of each call how it ends.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn begin<E: Into<Ended>>(
        aws: &Simulated,
        per_minute: u64,
        ends: impl Fn(Called<'_>) -> E + Send + Sync + 'static,
    ) -> Arc<Self> {
        let callers = Arc::new(Self {
            aws: aws.clone(),
            counted: Mutex::default(),
            behind: Mutex::default(),
            turns: Mutex::default(),
            rates: Mutex::default(),
            alarms: Mutex::default(),
            deaf: Mutex::default(),
            asked: Mutex::default(),
            exposed: Mutex::default(),
            late: Mutex::default(),
        });
        let them = Arc::downgrade(&callers);
        tokio::spawn(async move {
            let mut number = 0;
            loop {
                tokio::time::sleep(Duration::from_mins(1)).await;
                let Some(callers) = them.upgrade() else { return };
                callers.call_all(per_minute, &mut number, &|called| ends(called).into());
            }
        });
        callers
    }

    fn call_all(&self, per_minute: u64, number: &mut u64, ends: &impl Fn(Called<'_>) -> Ended) {
        let second = self.aws.clock().now().as_second();
        let minute = Timestamp::from_second(second - second.rem_euclid(60)).expect("a time");
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut exposed = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        for (function, parts) in self.aws.callers_meet() {
            let name = FunctionName::parse(&function).expect("a function's name");
            let calls = counted.entry(name.clone()).or_default().entry(minute).or_default();
            let met = exposed.entry(function.clone()).or_default();
            let rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            for _ in 0..rates.get(&function).copied().unwrap_or(per_minute) {
                *number += 1;
                let part = self.part_of(&function, &parts);
                match met.get_mut(&part.layers) {
                    Some(calls) => *calls += 1,
                    None => drop(met.insert(part.layers.clone(), 1)),
                }
                let called = Called { function: &function, layers: &part.layers, number: *number };
                let ended = ends(called);
                add(calls, ended);
                if let Some((alias, version)) = &part.behind {
                    let (alias, version) = (alias.clone(), *version);
                    let at = Behind { function: name.clone(), alias, version };
                    let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
                    add(behind.entry(at).or_default().entry(minute).or_default(), ended);
                }
            }
        }
    }

    /// Sends a function's next call to one of its parts, as often to each as its share says.
    fn part_of<'p>(&self, function: &str, parts: &'p [Served]) -> &'p Served {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(function.to_owned()).or_default();
        *turn += 37;
        let mut left = *turn % 100;
        let found = parts.iter().find(|part| {
            let is_it = left < u64::from(part.percent);
            left = left.saturating_sub(u64::from(part.percent));
            is_it
        });
        found.unwrap_or_else(|| parts.last().expect("every call is answered"))
    }

    /// From now on one function is called so many times a minute.
    pub fn call(&self, function: &str, per_minute: u64) {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.insert(function.to_owned(), per_minute);
    }

    /// Counts calls of one function in one minute.
    pub fn count(&self, function: &FunctionName, minute: Timestamp, calls: Calls) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.entry(function.clone()).or_default().insert(minute, calls);
    }

    /// Counts calls of one version behind an alias in one minute.
    pub fn count_behind(&self, behind: &Behind, minute: Timestamp, calls: Calls) {
        let mut counted = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        counted.entry(behind.clone()).or_default().insert(minute, calls);
    }

    /// Sets an alarm; one that is not set does not exist.
    pub fn alarm(&self, name: &str, state: AlarmState) {
        let since = Some(self.aws.clock().now());
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarms.entry(name.to_owned()).or_insert_with(|| Alarm {
            name: name.to_owned(),
            state,
            since,
            reason: "a threshold was crossed".to_owned(),
            tags: BTreeSet::new(),
            notifications: Notifications::Sent,
        });
        (alarm.state, alarm.since) = (state, since);
    }

    /// Gives an alarm a tag.
    ///
    /// # Panics
    /// Where no such alarm was set.
    pub fn tag_alarm(&self, name: &str, tag: AlarmTag) {
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        alarms.get_mut(name).expect("the alarm exists").tags.insert(tag);
    }

    /// Mutes an alarm, where there is one.
    pub fn mute_alarm(&self, name: &str) {
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(alarm) = alarms.get_mut(name) {
            alarm.notifications = Notifications::Muted;
        }
    }

    /// Takes an alarm away.
    pub fn no_alarm(&self, name: &str) {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// From now on a minute's calls are told so much later.
    pub fn be_late(&self, by: SignedDuration) {
        *self.late.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    /// The part of a window that is told by now.
    fn told_of(&self, window: Window) -> Range<Timestamp> {
        let late = *self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let until = window.until.min(self.aws.clock().now() - late);
        window.from..until.max(window.from)
    }

    /// Answers so many next questions with an error.
    pub fn be_deaf(&self, times: u32) {
        *self.deaf.lock().unwrap_or_else(PoisonError::into_inner) = times;
    }

    /// Returns how often the minutes of each function were asked for so far.
    pub fn asked(&self) -> BTreeMap<FunctionName, u64> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes how many calls of each function met which layers since this was asked last.
    pub fn exposed(&self) -> BTreeMap<String, Exposed> {
        std::mem::take(&mut *self.exposed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hears(&self) -> Result<(), PortError> {
        let mut deaf = self.deaf.lock().unwrap_or_else(PoisonError::into_inner);
        if *deaf == 0 {
            return Ok(());
        }
        *deaf -= 1;
        Err("the service does not answer".into())
    }
}

#[async_trait]
impl Health for Callers {
    async fn alarms(&self, patterns: &[AlarmPattern]) -> Result<Vec<Alarm>, PortError> {
        self.hears()?;
        let alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = |tag: &AlarmTag| patterns.contains(&AlarmPattern::Tag(tag.clone()));
        let named = |alarm: &&Alarm| patterns.iter().any(|pattern| pattern.names(alarm));
        let told = |alarm: &Alarm| Alarm {
            tags: alarm.tags.iter().filter(|tag| asked(tag)).cloned().collect(),
            ..alarm.clone()
        };
        Ok(alarms.values().filter(named).map(told).collect())
    }

    async fn minutes(
        &self,
        functions: &[FunctionName],
        window: Window,
    ) -> Result<BTreeMap<FunctionName, Minutes>, PortError> {
        self.hears()?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for function in functions {
            *asked.entry(function.clone()).or_default() += 1;
        }
        if self.aws.clock().now().duration_since(window.from) > MINUTES_KEPT {
            return Err("minutes are kept for 15 days".into());
        }
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let found = functions.iter().filter_map(|function| {
            let minutes = counted.get(function)?.range(self.told_of(window));
            Some((
                function.clone(),
                minutes.map(|(at, calls)| (*at, told(*calls, window))).collect(),
            ))
        });
        Ok(found.collect())
    }

    async fn hours(
        &self,
        functions: &[FunctionName],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<FunctionName, Hours>, PortError> {
        self.hears()?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = |at: Timestamp| {
            let second = at.as_second();
            Timestamp::from_second(second - second.rem_euclid(3_600)).expect("a time")
        };
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let window = Window { from: hour(from), until, slow_after: None };
        let mut found = BTreeMap::new();
        for function in functions {
            *asked.entry(function.clone()).or_default() += 1;
            let Some(minutes) = counted.get(function) else { continue };
            let hours: &mut Hours = found.entry(function.clone()).or_default();
            for (at, calls) in minutes.range(self.told_of(window)) {
                *hours.entry(hour(*at)).or_default() += calls.calls;
            }
        }
        Ok(found)
    }

    async fn minutes_behind(
        &self,
        versions: &[Behind],
        window: Window,
    ) -> Result<BTreeMap<Behind, Minutes>, PortError> {
        self.hears()?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for behind in versions {
            *asked.entry(behind.function.clone()).or_default() += 1;
        }
        let counted = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        let found = versions.iter().filter_map(|behind| {
            let minutes = counted.get(behind)?.range(self.told_of(window));
            Some((behind.clone(), minutes.map(|(at, calls)| (*at, told(*calls, window))).collect()))
        });
        Ok(found.collect())
    }

    fn minutes_kept(&self) -> SignedDuration {
        MINUTES_KEPT
    }
}

fn add(calls: &mut Calls, ended: Ended) {
    calls.calls += 1;
    calls.errors += u64::from(ended == Ended::Failed);
    calls.slow += u64::from(ended == Ended::Slowly);
}

/// Tells of slow calls where they are asked for.
fn told(calls: Calls, window: Window) -> Calls {
    let slow = window.slow_after.filter(|after| *after < SLOW_CALL).map_or(0, |_| calls.slow);
    Calls { slow, ..calls }
}

/// Places whose functions have callers.
pub struct Watched {
    /// The Regions.
    pub regions: Arc<dyn Regions>,
    /// The callers of each place.
    pub callers: BTreeMap<Place, Arc<Callers>>,
}

#[async_trait]
impl Regions for Watched {
    async fn of(&self, destinations: &Destinations) -> Vec<Region> {
        let mut regions = self.regions.of(destinations).await;
        for region in &mut regions {
            let places = region.places().filter_map(|(place, _)| {
                let callers: Arc<dyn Health> = self.callers.get(&place)?.clone();
                Some((place.account, callers))
            });
            region.health = places.collect();
        }
        regions
    }
}
