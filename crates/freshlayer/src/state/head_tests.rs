//! A test per transition of the head.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use semver::Version;
use sha2::Digest as _;

use super::{
    Aim, Cause, Head, Looked, Ordered, Pin, RELEASE_FORMAT, Rejection, Release, Shared, Snapshot,
    Versions,
};
use crate::names::{DatasetName, Digest, LayerName, LayerVersionArn, RegionName};
use crate::opt_path::OptPath;
use crate::ports::{FunctionName, UpstreamFacts};
use crate::state::{Profile, Work};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn head() -> Head {
    Head::new(LayerName::parse("geo").expect("valid"))
}

fn region() -> RegionName {
    RegionName::parse("local").expect("valid")
}

fn versions(number: u64) -> Versions {
    let arn = format!("arn:aws:lambda:local:000000000000:layer:geo:{number}");
    [(region(), LayerVersionArn::parse(&arn).expect("valid"))].into()
}

fn digest(text: &str) -> Digest {
    Digest::of(sha2::Sha256::new_with_prefix(text))
}

fn city() -> DatasetName {
    DatasetName::parse("city").expect("valid")
}

fn release(seq: u64) -> Release {
    let snapshot = Snapshot {
        contract: crate::schema::Contract::new(),
        dataset: city(),
        format: freshlayer_reader::Format::Mmdb,
        path: OptPath::parse("geo/city.mmdb").expect("valid"),
        digest: digest(&seq.to_string()),
        files: Vec::new(),
        upstream: UpstreamFacts { url: String::new(), etag: None, last_modified: None },
        built: None,
        fetched: NOW,
        profile: Profile::default(),
        gates: crate::problem::GateReport::default(),
        countries_moved: None,
    };
    Release {
        format: RELEASE_FORMAT,
        layer: LayerName::parse("geo").expect("valid"),
        seq,
        version: Version::new(1, 0, seq),
        version_reasons: Vec::new(),
        content: digest("content"),
        zip_sha256: digest("zip"),
        zip_bytes: 0,
        unzipped_bytes: 0,
        created: NOW,
        snapshots: vec![snapshot],
        warnings: Vec::new(),
    }
}

fn order() -> Ordered {
    Ordered { at: NOW, by: "a person".to_owned(), reason: None }
}

/// A head with so many releases, each of which every function reached.
fn reached(releases: u64) -> Head {
    let mut head = head();
    for seq in 1..=releases {
        head.published(seq, versions(seq));
        head.promote(&release(seq), NOW);
        head.serves(seq);
        head.reached();
        head.close_rollout();
    }
    head
}

#[test]
fn a_promoted_release_is_current_and_rolls() {
    let mut head = reached(1);
    head.not_published(&release(2));
    assert_eq!((head.newest(), head.unpublished().map(|u| u.release)), (2, Some(2)));
    head.published(2, versions(2));
    head.promote(&release(2), NOW);
    assert_eq!((head.current(), head.stable(), head.newest()), (Some(2), Some(1), 2));
    assert_eq!(head.outline().map(|outline| outline.seq), Some(2));
    assert!(head.unpublished().is_none());
    let rollout = head.rollout().expect("it rolls");
    assert_eq!((rollout.from, rollout.to, rollout.number), (Some(1), 2, 2));
    head.reached();
    head.close_rollout();
    assert_eq!((head.stable(), head.rollout()), (Some(2), None));
}

#[test]
fn an_order_about_one_function_is_named_until_a_run_has_carried_it_out() {
    let looked = || Looked { at: NOW, consumers: 1, behind: 0, elsewhere: 0, tags: String::new() };
    let plain = FunctionName::parse("plain").expect("valid");
    let about = |head: &Head| head.order_about(&plain).map(|past| past.what);
    let mut head = reached(2);
    head.freeze(order());
    head.freeze_functions(std::slice::from_ref(&plain), &order());
    head.look(looked());
    assert_eq!(about(&head).as_deref(), Some("freeze function plain"), "the layer is frozen");
    head.unfreeze(&order());
    head.look(looked());
    assert_eq!(about(&head), None, "it is carried out");
    head.unfreeze(&order());
    assert_eq!(about(&head), None, "that is an order about the layer");
    head.unfreeze_functions(std::slice::from_ref(&plain), &order());
    assert_eq!(about(&head).as_deref(), Some("unfreeze function plain"));
    head.promote(&release(3), NOW);
    assert_eq!(about(&head), None, "every function moves because of the new release");
}

#[test]
fn a_rollback_keeps_what_is_left_away_whatever_fingerprint_asks() {
    let mut head = reached(2);
    let (old, new) = (release(1), release(2));
    head.roll_back(&old, &order());
    assert_eq!((head.current(), head.stable()), (Some(1), None));
    for fingerprint in ["a", "b"] {
        assert!(head.refusal(&city(), fingerprint, &digest("2")).is_some());
        assert!(head.refusal(&city(), fingerprint, &digest("3")).is_none(), "another build");
    }
    assert!(head.carries_left_behind(&new) && !head.carries_left_behind(&old));
    head.roll_back(&new, &order());
    assert!(head.refusal(&city(), "a", &digest("2")).is_none(), "going forward lifts it");
    assert!(head.refusal(&city(), "a", &digest("1")).is_some());
    head.forget_rejections();
    assert!(head.refusal(&city(), "a", &digest("1")).is_none());
}

/// Functions are on their way back to a release that was stable when the next one comes: where that one fails, they go there.
#[test]
fn a_release_after_an_unfinished_rollback_has_a_way_back() {
    let mut head = reached(3);
    head.roll_back(&release(2), &order());
    head.published(4, versions(4));
    head.promote(&release(4), NOW);
    assert_eq!((head.stable(), head.before_rollout()), (None, Some(2)));
    head.reached();
    head.close_rollout();
    assert_eq!((head.stable(), head.fallback()), (Some(4), Some(2)));
}

/// A release that never was stable is no way back of a gate; a person may still order it.
#[test]
fn a_gate_leads_back_to_stable_releases_alone() {
    let mut head = head();
    for seq in [1, 2] {
        head.published(seq, versions(seq));
        head.promote(&release(seq), NOW);
    }
    assert_eq!((head.before_rollout(), head.before_abort()), (None, Some(1)));
}

#[test]
fn a_verdict_holds_under_its_fingerprint_and_the_oldest_are_forgotten() {
    let mut head = head();
    let reject = |head: &mut Head, text: &str| {
        let (fingerprint, problems) = ("a".to_owned(), Vec::new());
        head.reject(Rejection {
            dataset: city(),
            digest: digest(text),
            fingerprint,
            at: NOW,
            problems,
        });
    };
    reject(&mut head, "first");
    assert!(head.refusal(&city(), "a", &digest("first")).is_some());
    assert!(head.refusal(&city(), "b", &digest("first")).is_none());
    for number in 0..100 {
        reject(&mut head, &number.to_string());
    }
    assert!(head.refusal(&city(), "a", &digest("first")).is_none());
    assert_eq!(head.rejected().len(), 100);
}

#[test]
fn a_pin_goes_before_the_current_release_until_it_is_taken_back() {
    let mut head = reached(2);
    let by = "a person".to_owned();
    head.pin(Pin { release: 1, at: NOW, by, reason: None, until: None });
    assert_eq!((head.desired(), head.current()), (Some(1), Some(2)));
    assert_eq!(head.rollout().map(|rollout| rollout.cause), Some(Cause::Pin));
    head.unpin(&order());
    assert_eq!(head.desired(), Some(2));
    assert_eq!(head.rollout().map(|rollout| (rollout.to, rollout.cause)), Some((2, Cause::Unpin)));
}

#[test]
fn handed_back_consumers_go_to_what_they_used_before() {
    let mut head = reached(1);
    head.adopt(&order());
    head.takes_over(1);
    assert_eq!(head.adopted().map(|adopted| adopted.rollouts.clone()), Some([1].into()));
    head.hand_back(&order());
    assert_eq!(head.aim(), Some(Aim::Before));
    head.unpin(&order());
    assert_eq!(head.aim(), Some(Aim::Release(1)));
}

#[test]
fn a_freeze_holds_until_it_is_taken_back() {
    let mut head = reached(1);
    head.freeze(order());
    assert!(head.frozen().is_some());
    head.unfreeze(&order());
    assert!(head.frozen().is_none());
}

#[test]
fn the_way_back_is_the_last_stable_release_and_knows_what_it_jumps_over() {
    let mut head = reached(2);
    head.published(3, versions(3));
    head.promote(&release(3), NOW);
    head.serves(3);
    head.published(4, versions(4));
    head.promote(&release(4), NOW);
    assert_eq!(head.fallback(), Some(2));
    assert_eq!(head.served_between(2, 4), [3]);
    head.roll_back(&release(2), &order());
    assert_eq!(head.served_between(1, 4), [2], "what was left served no more");
}

#[test]
fn the_way_back_leaves_out_what_was_brought_back_though_a_late_run_saw_it_serve() {
    let mut head = reached(2);
    head.published(3, versions(3));
    head.promote(&release(3), NOW);
    head.retreat(&release(2), &order());
    head.serves(3);
    head.published(4, versions(4));
    head.promote(&release(4), NOW);
    assert_eq!((head.fallback(), head.served_between(2, 4)), (Some(2), vec![]));
}

#[test]
fn a_release_that_is_deleted_is_referred_to_by_nothing() {
    let mut head = reached(2);
    head.condemn(1, NOW);
    head.start_deleting(1, versions(1));
    assert!(!head.versions().contains_key(&1) && head.deleting().contains_key(&1));
    assert!(head.made(&versions(1)[&region()]), "until it is gone it is ours");
    head.deleted(1);
    assert!(head.deleting().is_empty());
}

#[test]
fn a_condemned_release_that_something_leads_to_again_is_not_deleted() {
    let mut head = reached(4);
    for seq in 1..=3 {
        head.condemn(seq, NOW);
    }
    head.condemn(1, NOW + SignedDuration::from_hours(1));
    assert_eq!(head.condemned(), &BTreeMap::from([(1, NOW), (2, NOW), (3, NOW)]));
    head.roll_back(&release(3), &order());
    head.serves(2);
    assert_eq!(head.condemned(), &BTreeMap::from([(1, NOW)]));
    head.start_deleting(2, versions(2));
    assert!(head.versions().contains_key(&2) && head.deleting().is_empty());
    head.condemn(9, NOW);
    assert!(!head.condemned().contains_key(&9), "it has no version");
}

#[test]
fn a_version_that_a_parameter_named_stays_for_thirty_days() {
    let mut head = reached(2);
    let [one, two] = [1, 2].map(|seq| versions(seq)[&region()].clone());
    let day = |days: i64| NOW + SignedDuration::from_hours(24 * days);
    head.renames(&region(), &one, day(0));
    head.announce(region(), one.clone());
    assert_eq!(head.named_stays_until(&one), None, "it is named");
    head.renames(&region(), &two, day(1));
    head.announce(region(), two.clone());
    assert_eq!(head.named_stays_until(&one), Some(day(31)));
    head.lost(1, &region());
    assert_eq!(head.parameters()[&region()].version, two, "the parameter names another version");
    head.renames(&region(), &two, day(40));
    assert_eq!(head.named_stays_until(&one), None, "it is forgotten");
}

#[test]
fn a_layer_version_that_is_lost_stays_known_as_ours() {
    let mut head = reached(1);
    let arn = versions(1)[&region()].clone();
    head.lost(1, &region());
    assert!(head.version(1, &region()).is_none() && head.made(&arn));
}

#[test]
fn what_a_region_was_told_a_look_found_and_a_lease_allows_is_noted() {
    let mut head = reached(1);
    let version = versions(1)[&region()].clone();
    let shared = Shared { version: version.clone(), readers: [].into(), accounts: [].into() };
    head.share(region(), shared.clone());
    assert_eq!(head.shared(), &BTreeMap::from([(region(), shared)]));
    head.announce(region(), version.clone());
    assert!(head.is_announced(&region(), &version));
    head.roll_again(1, NOW);
    assert!(head.is_announced(&region(), &version), "functions that came late change nothing");
    head.promote(&release(2), NOW);
    assert!(!head.is_announced(&region(), &version), "another write may be on its way");
    assert_eq!(head.parameters()[&region()].version, version, "it is known, and kept");
    let looked = Looked { at: NOW, consumers: 1, behind: 0, elsewhere: 0, tags: String::new() };
    head.look(looked.clone());
    assert_eq!(head.looked(), Some(&looked));
    head.quota_reached(NOW);
    assert_eq!(head.quota_until(), Some(NOW));
    let (day, next) = (date(2026, 9, 17), date(2026, 9, 18));
    head.count_download(day);
    head.count_download(day);
    assert_eq!((head.downloads_on(day), head.downloads_on(next)), (2, 0));
    head.count_download(next);
    assert_eq!((head.downloads_on(day), head.downloads_on(next)), (0, 1));
    head.lease_to("a publisher", NOW, Work::Moving);
    assert_eq!(head.end_lease().map(|lease| lease.owner), Some("a publisher".to_owned()));
    assert!(head.lease().is_none());
}
