use async_trait::async_trait;
use freshlayer::ports::{AlarmPattern, AlarmState, Behind, Calls, FunctionName, Health, Window};
use jiff::{SignedDuration, Timestamp};

/// How long a slow call takes; others take no time.
pub const SLOW_CALL: SignedDuration = SignedDuration::from_secs(2);

/// A host of functions whose calls and alarms a test can make.
#[async_trait]
pub trait HealthBench: Send + Sync {
    /// Returns what is held to the contract.
    fn health(&self) -> &dyn Health;
    /// Has a function called in a minute.
    async fn call(&self, function: &FunctionName, minute: Timestamp, calls: Calls);
    /// Has a version called in a minute, behind its alias.
    async fn call_behind(&self, behind: &Behind, minute: Timestamp, calls: Calls);
    /// Makes an alarm, or changes its state.
    async fn alarm(&self, name: &str, state: AlarmState);
    /// Tells what the host's clock says.
    fn now(&self) -> Timestamp;
}

/// Holds a host's measures to their contract.
///
/// # Panics
/// Where it breaks the contract.
pub async fn health(bench: &dyn HealthBench) {
    minutes(bench).await;
    hours(bench).await;
    minutes_behind(bench).await;
    alarms(bench).await;
}

async fn minutes(bench: &dyn HealthBench) {
    let [busy, quiet, other] =
        ["busy", "quiet", "other"].map(|name| FunctionName::parse(name).expect("a name"));
    let now = bench.now().as_second();
    let begin = Timestamp::from_second(now - now.rem_euclid(60) - 3_600).expect("a time");
    let minute =
        |number: i64| begin.saturating_add(SignedDuration::from_mins(number)).expect("a time");
    for number in 0..10 {
        let errors = u64::from(number == 7);
        bench.call(&busy, minute(number), Calls { calls: 5, errors, slow: 2 }).await;
        bench.call(&other, minute(number), Calls { calls: 100, errors: 100, slow: 0 }).await;
    }
    let window = Window { from: minute(2), until: minute(9), slow_after: None };
    let asked = [busy.clone(), quiet.clone()];
    let found = bench.health().minutes(&asked, window).await.expect("readable");
    assert!(!found.contains_key(&other), "it was not asked for");
    assert!(found.get(&quiet).is_none_or(|minutes| minutes.values().all(|one| one.calls == 0)));
    let busy: Vec<_> = found[&busy].iter().map(|(at, calls)| (*at, *calls)).collect();
    let wanted: Vec<_> = (2..9)
        .map(|number| (minute(number), Calls { calls: 5, errors: u64::from(number == 7), slow: 0 }))
        .collect();
    assert_eq!(busy, wanted, "each minute of the window, with its first and without its end");
    for (after, slow) in [(SLOW_CALL / 2, 2), (SLOW_CALL * 2, 0)] {
        let window = Window { slow_after: Some(after), ..window };
        let found = bench.health().minutes(&asked, window).await.expect("readable");
        let told: Vec<u64> = found[&asked[0]].values().map(|one| one.slow).collect();
        assert_eq!(told, [slow; 7], "calls that took longer than {after:?}");
    }
    let none = bench.health().minutes(&[], window).await.expect("readable");
    assert!(none.is_empty());
}

async fn hours(bench: &dyn HealthBench) {
    let [rare, other] =
        ["rare", "other-rare"].map(|name| FunctionName::parse(name).expect("a name"));
    let now = bench.now().as_second();
    let this_hour = now - now.rem_euclid(3_600);
    let at = |hours: i64, minute: i64| {
        Timestamp::from_second(this_hour - hours * 3_600 + minute * 60).expect("a time")
    };
    for (hours, minute) in [(200, 0), (30, 0), (30, 59), (2, 7)] {
        bench.call(&rare, at(hours, minute), Calls { calls: 3, errors: 1, slow: 0 }).await;
        bench.call(&other, at(hours, minute), Calls { calls: 9, errors: 0, slow: 0 }).await;
    }
    let asked = [rare.clone(), FunctionName::parse("silent").expect("a name")];
    let found = bench.health().hours(&asked, at(100, 20), bench.now()).await.expect("readable");
    assert!(!found.contains_key(&other), "it was not asked for");
    assert!(found.get(&asked[1]).is_none_or(|hours| hours.values().all(|calls| *calls == 0)));
    let told: Vec<_> = found[&rare].iter().filter(|(_, calls)| **calls > 0).collect();
    assert_eq!(told, [(&at(30, 0), &6), (&at(2, 0), &3)], "by the hour, without what is older");
}

async fn minutes_behind(bench: &dyn HealthBench) {
    let function = FunctionName::parse("split").expect("a name");
    let behind = |alias: &str, version| Behind {
        function: function.clone(),
        alias: alias.to_owned(),
        version,
    };
    let now = bench.now().as_second();
    let begin = Timestamp::from_second(now - now.rem_euclid(60) - 3_600).expect("a time");
    let minute =
        |number: i64| begin.saturating_add(SignedDuration::from_mins(number)).expect("a time");
    let calls = |calls, errors| Calls { calls, errors, slow: 0 };
    for number in 0..4 {
        bench.call(&function, minute(number), calls(10, 1)).await;
        bench.call_behind(&behind("live", 1), minute(number), calls(9, 0)).await;
        bench.call_behind(&behind("live", 2), minute(number), calls(1, 1)).await;
        bench.call_behind(&behind("test", 2), minute(number), calls(7, 7)).await;
    }
    let window = Window { from: minute(1), until: minute(3), slow_after: None };
    let asked = [behind("live", 1), behind("live", 2), behind("live", 3)];
    let found = bench.health().minutes_behind(&asked, window).await.expect("readable");
    let both = |one| vec![(minute(1), one), (minute(2), one)];
    let told = |behind: &Behind| -> Vec<_> {
        found.get(behind).into_iter().flatten().map(|(at, calls)| (*at, *calls)).collect()
    };
    assert_eq!(told(&asked[0]), both(calls(9, 0)));
    assert_eq!(told(&asked[1]), both(calls(1, 1)), "without those of another alias");
    assert!(told(&asked[2]).iter().all(|(_, one)| one.calls == 0));
    assert!(!found.contains_key(&behind("test", 2)), "it was not asked for");
}

async fn alarms(bench: &dyn HealthBench) {
    let before = bench.now();
    bench.alarm("geo-errors", AlarmState::Quiet).await;
    bench.alarm("checkout-slow", AlarmState::Unknown).await;
    bench.alarm("checkout-errors", AlarmState::Rings).await;
    bench.alarm("another", AlarmState::Rings).await;
    let patterns = ["geo-errors", "checkout-*", "checkout-slow", "no-such", "no-such-*"];
    let patterns = patterns.map(|text| AlarmPattern::parse(text).expect("a pattern"));
    let mut found = bench.health().alarms(&patterns).await.expect("readable");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let told: Vec<_> = found.iter().map(|alarm| (alarm.name.as_str(), alarm.state)).collect();
    let wanted = [
        ("checkout-errors", AlarmState::Rings),
        ("checkout-slow", AlarmState::Unknown),
        ("geo-errors", AlarmState::Quiet),
    ];
    assert_eq!(told, wanted, "each that is named, once");
    let since = found[0].since.expect("since when it rings");
    assert!(since.duration_since(before).as_secs().abs() < 60, "{since}, not {before}");
    assert!(!found[0].reason.is_empty());
}
