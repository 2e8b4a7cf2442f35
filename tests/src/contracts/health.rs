use async_trait::async_trait;
use freshlayer::ports::{
    AlarmPattern, AlarmState, AlarmTag, Behind, Calls, FunctionName, Health, Notifications, Window,
};
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
    /// Gives an alarm a tag.
    async fn tag_alarm(&self, name: &str, tag: AlarmTag);
    /// Mutes an alarm in one of the host's ways, from 0.
    async fn mute_alarm(&self, name: &str, way: usize);
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
    alarms_by_tag(bench).await;
    muted_alarms(bench).await;
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

async fn alarms_by_tag(bench: &dyn HealthBench) {
    let tag = |text: &str| AlarmTag::parse(text).expect("a tag");
    // More than one page of a list.
    let many: Vec<String> = (0..120).map(|number| format!("many-{number:03}")).collect();
    for name in &many {
        bench.alarm(name, AlarmState::Quiet).await;
        bench.tag_alarm(name, tag("size=many")).await;
    }
    for (name, tags) in [
        ("tagged-a", &["team=geo", "stage=live"][..]),
        ("tagged:b", &["team=geo"]),
        ("tagged-c", &["team=geography"]),
    ] {
        bench.alarm(name, AlarmState::Rings).await;
        for text in tags {
            bench.tag_alarm(name, tag(text)).await;
        }
    }
    let found = async |patterns: &[AlarmPattern]| {
        let found = bench.health().alarms(patterns).await.expect("readable");
        let told = found.into_iter().map(|alarm| {
            let tags = alarm.tags.iter().map(ToString::to_string).collect::<Vec<_>>();
            (alarm.name, tags.join(", "))
        });
        let mut told: Vec<(String, String)> = told.collect();
        told.sort();
        told
    };
    let own = |name: &str, tags: &str| (name.to_owned(), tags.to_owned());
    let geo = AlarmPattern::Tag(tag("team=geo"));
    let wanted = [own("tagged-a", "team=geo"), own("tagged:b", "team=geo")];
    assert_eq!(found(std::slice::from_ref(&geo)).await, wanted, "the whole value counts");
    let patterns = [
        geo,
        AlarmPattern::Tag(tag("stage=live")),
        AlarmPattern::Tag(tag("no=such")),
        AlarmPattern::Name("tagged:b".to_owned()),
        AlarmPattern::Prefix("tagged-".to_owned()),
    ];
    let wanted =
        [own("tagged-a", "stage=live, team=geo"), own("tagged-c", ""), own("tagged:b", "team=geo")];
    assert_eq!(found(&patterns).await, wanted, "each once, with the tags that were asked for");
    let all = found(&[AlarmPattern::Tag(tag("size=many"))]).await;
    assert_eq!(all.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), many);
}

async fn muted_alarms(bench: &dyn HealthBench) {
    for (way, name) in ["muted-0", "muted-1"].into_iter().enumerate() {
        bench.alarm(name, AlarmState::Rings).await;
        bench.mute_alarm(name, way).await;
    }
    bench.alarm("muted-not", AlarmState::Rings).await;
    let patterns = [AlarmPattern::Prefix("muted-".to_owned())];
    let mut found = bench.health().alarms(&patterns).await.expect("readable");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let told: Vec<_> = found.iter().map(|alarm| (alarm.state, alarm.notifications)).collect();
    let told_of = |notifications| (AlarmState::Rings, notifications);
    let muted = told_of(Notifications::Muted);
    assert_eq!(told, [muted, muted, told_of(Notifications::Sent)], "its state counts all the same");
}
