//! Data that every reader opens and that is wrong all the same: found by what differs from the live release.

use std::fs;

use freshlayer::report::{Exit, Report};
use freshlayer::{Code, Level};
use freshlayer_tests::places::{Place, build, nameless, with_ipv6};
use freshlayer_tests::sandbox::Sandbox;
use serde_json::json;

const PLACES: &str = "
[[dataset]]
name = 'city'
format = 'mmdb'
source.https = 'UPSTREAM/files/city.mmdb'
expect.drift_percent_max = 1000
";

/// Releases a sound build, then brings another one.
fn after_a_sound_build(place: impl Fn(u32) -> Option<Place>) -> Report {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    sandbox.upstream.publish("city.mmdb", &build(0, |number| Some(Place::sound(number))));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    sandbox.upstream.publish("city.mmdb", &build(7, place));
    sandbox.refresh("geo")
}

fn refused_for(report: &Report, code: Code) {
    assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
    assert_eq!(report.release.as_ref().map(|release| release.seq), Some(1), "{report:#?}");
    let is_it =
        |problem: &&freshlayer::Problem| problem.code == code && problem.level == Level::Fail;
    assert!(report.problems.iter().any(|problem| is_it(&problem)), "{report:#?}");
}

/// Changes the records of some networks of a thousand.
fn changed(count: u32, change: impl Fn(&mut Place)) -> impl Fn(u32) -> Option<Place> {
    move |number| {
        let mut place = Place::sound(number);
        if number % 1_000 < count {
            change(&mut place);
        }
        Some(place)
    }
}

#[test]
fn malformed_postal_codes_are_refused() {
    let report = after_a_sound_build(changed(150, |place| {
        place.postal = place.postal.take().map(|code| format!("[\"{code}\"]"));
    }));
    refused_for(&report, Code::ShapeNew);
    let problem = report.problems.iter().find(|problem| problem.code == Code::ShapeNew);
    let text = problem.map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        text,
        "city: shape-new at field postal.code: expected at most 10 % of the live IPv4 addresses with a text whose pattern \
         of letters and digits is new to the field, found 15.00 %; most like \"[\\\"99999\\\"]\""
    );
}

#[test]
fn a_field_that_is_gone_is_refused() {
    let report = after_a_sound_build(changed(1_000, |place| place.postal = None));
    refused_for(&report, Code::ValuesLost);
}

#[test]
fn countries_that_are_gone_are_refused() {
    let report = after_a_sound_build(changed(30, |place| place.country = None));
    refused_for(&report, Code::ValuesLost);
}

#[test]
fn wrong_countries_are_refused_and_the_movement_is_told() {
    let report = after_a_sound_build(changed(30, |place| place.country = Some("FR".to_owned())));
    refused_for(&report, Code::CountryChanged);
    let text: String = report.problems.iter().map(ToString::to_string).collect();
    assert!(text.contains("found 3.00 %; most: DE to FR 1.00 %, GB to FR 1.00 %"), "{text}");
}

#[test]
fn a_country_that_gains_too_much_is_refused_and_named() {
    let report = after_a_sound_build(changed(15, |place| place.country = Some("FR".to_owned())));
    refused_for(&report, Code::CountryShares);
    let text: String = report.problems.iter().map(ToString::to_string).collect();
    assert!(
        text.contains(
            "expected no country to gain or lose over 1 % of the live IPv4 addresses, found FR gained 1.50 %"
        ),
        "{text}"
    );
}

/// Two steps that are small are a large one for functions that have the data of before. What another dataset brought meanwhile
/// stays.
#[test]
fn new_data_is_compared_with_the_last_stable_release_and_carried_data_is_the_newest() {
    const NOTES: &str = "
[[dataset]]
name = 'notes'
format = 'file'
source.https = 'UPSTREAM/files/notes.txt'
";
    let sandbox = Sandbox::new();
    sandbox.layer("geo", &format!("{PLACES}{NOTES}"));
    let in_france = |day: u64, count: u32| {
        let place = changed(count, |place| place.country = Some("FR".to_owned()));
        sandbox.upstream.publish("city.mmdb", &build(day, place));
    };
    in_france(0, 0);
    sandbox.upstream.publish("notes.txt", b"first");
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    let add = ["functions", "add", "held", "--layer", "geo", "--tag", "freshlayer:geo=hold"];
    assert_eq!(sandbox.cli(&add).code, 0);
    in_france(7, 8);
    sandbox.upstream.publish("notes.txt", b"second");
    let second = sandbox.refresh("geo");
    assert_eq!(second.release.as_ref().map(|release| release.seq), Some(2), "{second:#?}");
    assert_eq!(sandbox.head("geo")["stable"], 1, "no function has shown that it is good");
    in_france(14, 15);
    let refused = sandbox.refresh("geo");
    assert_eq!(refused.exit(), Exit::Rejected, "{refused:#?}");
    let mut problems = refused.problems.iter();
    assert!(problems.any(|problem| problem.code == Code::CountryShares), "{refused:#?}");
    in_france(21, 9);
    let third = sandbox.refresh("geo");
    assert_eq!(third.release.as_ref().map(|release| release.seq), Some(3), "{third:#?}");
    let notes = |release: u64| {
        let path = format!("host/state/layers/geo/releases/{release}.json");
        let bytes = std::fs::read(sandbox.path(&path)).expect("it is recorded");
        let record: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        let mut snapshots = record["snapshots"].as_array().expect("a list").iter();
        snapshots.find(|one| one["dataset"] == "notes").expect("it is there")["digest"].clone()
    };
    assert_ne!(notes(2), notes(1));
    assert_eq!(notes(3), notes(2), "carried from the newest release");
    assert_eq!(sandbox.cli(&["functions", "add", "free", "--layer", "geo"]).code, 0);
    for (day, count, release) in [(28, 8, 4), (35, 16, 5)] {
        in_france(day, count);
        let report = sandbox.refresh("geo");
        assert_eq!(report.release.as_ref().map(|one| one.seq), Some(release), "{report:#?}");
        assert_eq!(sandbox.head("geo")["stable"], release, "a function has it");
    }
}

/// Nine ordinary weeks, then one with eight times their change, which no fixed bound minds.
#[test]
fn a_change_that_no_release_ever_brought_is_released_with_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    let moved_for_week = |week: u32| match week {
        0..=9 => 1 + week % 2,
        _ => 15,
    };
    for week in 0..=10 {
        let place = changed(moved_for_week(week), |place| place.postal = Some("75001".to_owned()));
        let content = build(7 * u64::from(week), place);
        sandbox.upstream.publish("city.mmdb", &content);
        let report = sandbox.refresh("geo");
        assert_eq!(report.exit(), Exit::Done, "week {week}: {report:#?}");
        let mut problems = report.problems.iter();
        if week < 10 {
            assert_eq!(problems.next(), None, "week {week}");
            continue;
        }
        let is_it = |problem: &freshlayer::Problem| {
            let at = problem.location.as_deref();
            (problem.code, problem.level, at)
                == (Code::Unusual, Level::Warn, Some("values-changed"))
        };
        assert!(problems.any(is_it), "{report:#?}");
        assert!(report.problems.iter().all(|p| p.code == Code::Unusual), "{report:#?}");
    }
}

#[test]
fn locations_that_are_gone_are_refused() {
    let report = after_a_sound_build(changed(10, |place| place.location = None));
    refused_for(&report, Code::ValuesLost);
}

#[test]
fn networks_that_are_gone_are_refused() {
    let report = after_a_sound_build(|number| (number % 3 != 0).then(|| Place::sound(number)));
    refused_for(&report, Code::CoverageLost);
}

#[test]
fn other_places_everywhere_are_refused() {
    let report = after_a_sound_build(changed(600, |place| place.location = Some((1.5, 2.5))));
    refused_for(&report, Code::ValuesChanged);
}

#[test]
fn a_change_between_the_bounds_is_released_with_a_warning() {
    let report = after_a_sound_build(changed(10, |place| place.country = Some("FR".to_owned())));
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    let said: Vec<_> =
        report.problems.iter().map(|problem| (problem.code, problem.level)).collect();
    assert_eq!(said, [(Code::CountryChanged, Level::Warn), (Code::CountryShares, Level::Warn)]);
}

#[test]
fn new_values_and_an_ordinary_week_are_released_in_silence() {
    let report = after_a_sound_build(changed(3, |place| {
        place.country = Some("FR".to_owned());
        place.postal = Some("75001".to_owned());
    }));
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    assert!(report.problems.is_empty(), "{report:#?}");
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    let bare = changed(1_000, |place| place.postal = None);
    sandbox.upstream.publish("city.mmdb", &build(0, bare));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    sandbox.upstream.publish("city.mmdb", &build(7, |number| Some(Place::sound(number))));
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    assert!(report.problems.is_empty(), "{report:#?}");
}

/// What serves may be unreadable: that is told, and holds back no new data for ever.
#[test]
fn live_data_that_cannot_be_read_is_told_of() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    sandbox.upstream.publish("city.mmdb", &build(0, |number| Some(Place::sound(number))));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    for folder in ["host/state/blobs", "host/layers/geo"] {
        std::fs::remove_dir_all(sandbox.path(folder)).expect("it is there");
    }
    sandbox.upstream.publish("city.mmdb", &build(7, |number| Some(Place::sound(number + 1))));
    let report = sandbox.refresh("geo");
    let told = report.problems.iter().find(|problem| problem.code == Code::LiveUnread);
    assert_eq!(told.map(|problem| problem.level), Some(Level::Warn), "{report:#?}");
}

/// One build is right though it differs: a person lets it pass, also where something else is a warning, and the next
/// one is judged again.
#[test]
fn a_person_accepts_one_build_and_no_other() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    let sound = |days| build(days, |number| Some(Place::sound(number)));
    let blank = |days| nameless(days, changed(300, |place| place.postal = None));
    sandbox.upstream.publish("city.mmdb", &sound(0));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    sandbox.upstream.publish("city.mmdb", &blank(7));
    assert_eq!(sandbox.cli(&["refresh"]).code, 3);

    let told = sandbox.cli(&["status"]).stdout;
    let command = told.split_once("freshlayer accept geo ").expect("it is told how").1;
    let digest = &command[..12];
    for (written, says) in [
        ("00000000", "refused no build whose digest begins with 00000000"),
        ("", "expected at least 8 digits of the build's digest"),
        (&digest[..7], "expected at least 8 digits of the build's digest"),
    ] {
        let nothing = sandbox.cli(&["accept", "geo", written, "--reason", "x"]);
        assert_eq!(nothing.code, 2, "{nothing:?}");
        assert!(nothing.stderr.contains(says), "{nothing:?}");
    }
    let file = sandbox.path("blank.mmdb");
    fs::write(&file, blank(7)).expect("writable");
    let file = file.to_str().expect("UTF-8");
    assert_eq!(sandbox.cli(&["can-roll", "geo", file]).code, 3);
    let accepted = sandbox.cli(&["accept", "geo", digest, "--reason", "announced by the upstream"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(accepted.stdout.contains("this build of city is accepted"), "{accepted:?}");
    let again = sandbox.cli(&["accept", "geo", digest]);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stderr.contains("accepted this build at "), "{again:?}");
    assert_eq!(sandbox.cli(&["can-roll", "geo", file]).code, 0, "the next refresh takes it");
    assert_eq!(sandbox.cli(&["inspect", file, "--layer", "geo"]).code, 0);

    let released = sandbox.refresh("geo");
    assert_eq!(released.exit(), Exit::Done, "{released:#?}");
    assert_eq!(released.release.as_ref().map(|release| release.seq), Some(2));
    assert!(released.problems.iter().all(|problem| problem.level == Level::Warn), "{released:#?}");
    let history = sandbox.cli(&["history", "geo"]).stdout;
    assert!(history.contains(&format!("build {digest} of city was accepted")), "{history}");
    assert!(history.contains("announced by the upstream"), "{history}");

    sandbox.upstream.publish("city.mmdb", &sound(14));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    sandbox.upstream.publish("city.mmdb", &blank(21));
    let again = sandbox.refresh("geo");
    assert_eq!(again.exit(), Exit::Rejected, "{again:#?}");
    assert!(again.problems.iter().any(|problem| problem.code == Code::ValuesLost), "{again:#?}");
}

/// A release with data that a person let pass is no stable one yet: more data like it needs no second word.
#[test]
fn new_data_is_compared_with_the_newest_release_where_a_person_accepted_that() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    let blank = |days| build(days, changed(300, |place| place.postal = None));
    sandbox.upstream.publish("city.mmdb", &build(0, |number| Some(Place::sound(number))));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    let add = ["functions", "add", "held", "--layer", "geo", "--tag", "freshlayer:geo=hold"];
    assert_eq!(sandbox.cli(&add).code, 0);
    sandbox.upstream.publish("city.mmdb", &blank(7));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Rejected);
    let digest = sandbox.head("geo")["rejected"][0]["digest"].as_str().expect("kept").to_owned();
    assert_eq!(sandbox.cli(&["accept", "geo", &digest, "--reason", "announced"]).code, 0);
    for (day, release) in [(7, 2), (14, 3)] {
        sandbox.upstream.publish("city.mmdb", &blank(day));
        let report = sandbox.refresh("geo");
        assert_eq!(report.release.as_ref().map(|one| one.seq), Some(release), "{report:#?}");
        assert_eq!(sandbox.head("geo")["stable"], 1, "no function has shown that it is good");
    }
}

/// What is broken stays out, whatever a person says.
#[test]
fn a_broken_build_cannot_be_accepted() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    sandbox.upstream.publish("city.mmdb", &build(0, |number| Some(Place::sound(number))));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    let mut broken = build(7, |number| Some(Place::sound(number)));
    broken[2_000..4_000].fill(0);
    sandbox.upstream.publish("city.mmdb", &broken);
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Rejected);
    assert!(!sandbox.cli(&["status"]).stdout.contains("freshlayer accept"));
    let digest =
        sandbox.head("geo")["rejected"][0]["digest"].as_str().expect("it is kept").to_owned();
    let refused = sandbox.cli(&["accept", "geo", &digest]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("has a problem that no person can accept"), "{refused:?}");
}

/// Every so many of a thousand networks go to France.
fn to_france(count: u32) -> Vec<u8> {
    build(u64::from(count), changed(count, |place| place.country = Some("FR".to_owned())))
}

#[test]
fn the_dossier_tells_which_addresses_changed_country_since_the_data_that_served() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    let countries = || {
        let dossier = sandbox.cli(&["report", "--json", "--out", "page.html"]).json();
        dossier["dossier"]["layers"][0]["change"]["datasets"][0]["countries"].clone()
    };
    let releases = [(0, json!(null)), (4, json!(1)), (8, json!(1))];
    for (count, since) in releases {
        sandbox.upstream.publish("city.mmdb", &to_france(count));
        assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
        assert_eq!(countries()["since"], since, "{}", countries());
        if count == 4 {
            let expected = json!({
                "since": 1,
                "field": "country.iso_code",
                "all_ppm": 4_000,
                "largest": [
                    { "from": "DE", "to": "FR", "ppm": 2_000 },
                    { "from": "GB", "to": "FR", "ppm": 1_000 },
                    { "from": "US", "to": "FR", "ppm": 1_000 },
                ],
            });
            assert_eq!(countries(), expected);
            let ran = sandbox.cli(&["rollback", "geo", "--to", "1"]);
            assert_eq!(ran.code, 0, "{ran:?}");
        }
    }
}

/// Releases a sound build, and refreshes with networks of both kinds that these give.
fn after_sound_ipv6(
    place: impl Fn(u32) -> Option<Place>,
    ipv6: impl Fn(u32) -> Option<Place>,
) -> Report {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    let sound = |number| Some(Place::sound(number));
    sandbox.upstream.publish("city.mmdb", &with_ipv6(0, sound, sound));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    sandbox.upstream.publish("city.mmdb", &with_ipv6(7, place, ipv6));
    sandbox.refresh("geo")
}

#[test]
fn damage_to_the_addresses_of_one_kind_alone_is_refused() {
    let sound = |number| Some(Place::sound(number));
    let to_france = |place: &mut Place| place.country = Some("FR".to_owned());
    let report = after_sound_ipv6(sound, changed(30, to_france));
    refused_for(&report, Code::CountryChanged);
    assert!(report.problems.iter().any(|p| p.to_string().contains("of the live IPv6 addresses")));
    let some = |number| (number % 10 != 0).then(|| Place::sound(number));
    refused_for(&after_sound_ipv6(sound, some), Code::CoverageLost);
    refused_for(&after_sound_ipv6(|_| None, sound), Code::CoverageLost);
    refused_for(&after_sound_ipv6(sound, |_| None), Code::CoverageLost);
    let report = after_sound_ipv6(sound, changed(3, to_france));
    assert_eq!(report.exit(), Exit::Done, "{report:?}");
    let status = serde_json::to_string(&report).expect("it is printed");
    assert!(report.problems.iter().all(|p| !p.to_string().contains("IPv4")), "{status}");
}

#[test]
fn texts_that_are_empty_are_lost() {
    let empty = |place: &mut Place| place.postal = Some(String::new());
    let report = after_a_sound_build(changed(150, empty));
    refused_for(&report, Code::ValuesLost);
}

#[test]
fn a_refusal_is_forgotten_once_the_same_data_is_released() {
    let sandbox = Sandbox::new();
    let nodes_min = |nodes: u32| format!("{PLACES}expect.nodes_min = {nodes}\n");
    sandbox.layer("geo", &nodes_min(1_000_000));
    sandbox.upstream.publish("city.mmdb", &build(0, |number| Some(Place::sound(number))));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Rejected);
    assert!(sandbox.cli(&["status"]).stdout.contains("is rejected"));
    sandbox.layer("geo", &nodes_min(10));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    let status = sandbox.cli(&["status"]).stdout;
    assert!(!status.contains("rejected"), "{status}");
}
