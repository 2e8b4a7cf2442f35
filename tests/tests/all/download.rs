//! The way from the upstream to disk: resumption, redirects, MaxMind's protocol, secrets.

use freshlayer::report::{Exit, Outcome, Report};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::Sandbox;
use freshlayer_tests::upstream::{Fault, LICENSE_KEY};

use crate::refresh::{GEO, assert_refreshed};

const MAXMIND: &str = "
[[dataset]]
name = 'country'
format = 'mmdb'
source.maxmind = 'GeoLite2-Country'
source.host = 'UPSTREAM'
";

fn reason(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Failed { reason } | Outcome::Rejected { reason } => &reason.text,
        other => panic!("expected a failure, found {other:?}"),
    }
}

fn maxmind() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", MAXMIND);
    sandbox.upstream.publish_edition("GeoLite2-Country", "20260915", &Mmdb::default().bytes());
    sandbox
}

#[test]
fn a_cut_transfer_is_taken_up_where_it_broke() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    let mmdb = Mmdb { networks: 20_000, ..Mmdb::default() }.bytes();
    sandbox.upstream.publish("country.mmdb", &mmdb);
    sandbox.upstream.misbehave("country.mmdb", Fault::Cut(100_000), 2);
    assert_refreshed(&sandbox.refresh("geo"), 1);
    let ranges: Vec<Option<String>> =
        sandbox.upstream.seen().into_iter().map(|s| s.range).collect();
    let resumed = ["bytes=100000-", "bytes=200000-"].map(|range| Some(range.to_owned()));
    assert_eq!(ranges, [None, resumed[0].clone(), resumed[1].clone()]);
}

#[test]
fn a_transfer_that_stands_still_is_taken_up_where_it_stopped() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", &format!("{GEO}\n[limits]\nstall_secs_max = 1\n"));
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    sandbox.upstream.misbehave("country.mmdb", Fault::Hang(5_000), 2);
    assert_refreshed(&sandbox.refresh("geo"), 1);
    let ranges: Vec<_> = sandbox.upstream.seen().into_iter().map(|s| s.range).collect();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert_eq!(ranges[1].as_deref(), Some("bytes=5000-"));
}

#[test]
fn what_ends_a_transfer_names_its_limit() {
    for (limits, fault, says) in [
        ("stall_secs_max = 1", Fault::Hang(1_000), "limits.stall_secs_max, 1 s"),
        (
            "download_secs_max = 2\nthroughput_bytes_per_sec_min = 1",
            Fault::Trickle(50),
            "limits.download_secs_max, 2 s",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.layer("geo", &format!("{GEO}\n[limits]\n{limits}\n"));
        sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
        sandbox.upstream.misbehave("country.mmdb", fault, 100);
        let report = sandbox.refresh("geo");
        assert!(reason(&report).contains(says), "{report:#?}");
    }
}

/// Three windows pass while the body comes slowly, but faster than the slowest speed; then one that is slower.
#[test]
fn a_slow_transfer_is_judged_window_by_window() {
    let sandbox = Sandbox::new();
    let limits = "\n[limits]\nstall_secs_max = 1\nthroughput_bytes_per_sec_min = 2_000\n";
    sandbox.layer("geo", &format!("{GEO}{limits}"));
    let mmdb = Mmdb::default().bytes();
    sandbox.upstream.publish("country.mmdb", &mmdb);
    sandbox.upstream.misbehave("country.mmdb", Fault::Trickle(mmdb.len() / 35), 1);
    assert_refreshed(&sandbox.refresh("geo"), 1);
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(1).bytes());
    sandbox.upstream.misbehave("country.mmdb", Fault::Trickle(50), 1);
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Failed);
    assert!(reason(&report).contains("too slow"), "{report:#?}");
}

#[test]
fn another_file_is_never_joined_to_the_first_half() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    sandbox.upstream.misbehave("country.mmdb", Fault::Cut(5_000), 1);
    sandbox.upstream.misbehave("country.mmdb", Fault::ChangedSinceCut, 1);
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Failed);
    assert!(reason(&report).contains("another file by now"), "{report:#?}");
}

/// Found by chaos seed 2: an upstream, or a cache before it, that knows no `If-Range` gives the rest of a newer build.
#[test]
fn the_rest_of_another_build_is_refused_by_its_etag() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    sandbox.upstream.misbehave("country.mmdb", Fault::Cut(5_000), 1);
    sandbox.upstream.misbehave("country.mmdb", Fault::IgnoresIfRange, 1);
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Failed, "{report:#?}");
    assert!(reason(&report).contains("another file by now"), "{report:#?}");
}

#[test]
fn a_part_that_nobody_asked_for_is_no_file() {
    for status in [204, 206] {
        let sandbox = Sandbox::new();
        let toml = "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'UPSTREAM/files/a'\n";
        sandbox.layer("data", toml);
        sandbox.upstream.publish("a", b"the whole");
        sandbox.upstream.misbehave("files/a", Fault::Status(status, "the"), 1);
        let report = sandbox.refresh("data");
        assert_eq!(report.exit(), Exit::Failed, "{report:#?}");
        assert!(reason(&report).contains(&format!("HTTP {status}")), "{report:#?}");
        assert_refreshed(&sandbox.refresh("data"), 1);
    }
}

#[test]
fn passing_failures_are_tried_again() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    sandbox.upstream.misbehave("country.mmdb", Fault::Status(503, "later"), 3);
    assert_refreshed(&sandbox.refresh("geo"), 1);
    assert_eq!(sandbox.upstream.seen().len(), 4);
}

#[test]
fn maxmind_nothing_new_costs_the_free_request_only() {
    let sandbox = maxmind();
    assert_refreshed(&sandbox.refresh("geo"), 1);
    let seen = sandbox.upstream.seen();
    let paths: Vec<&str> = seen.iter().map(|s| s.path.split('?').next().unwrap_or("")).collect();
    let download = "/geoip/databases/GeoLite2-Country/download";
    let presigned = "/presigned/GeoLite2-Country/20260915";
    assert_eq!(paths, ["/geoip/updates/metadata", download, presigned]);
    assert_eq!(seen.iter().map(|s| s.authorized).collect::<Vec<_>>(), [true, true, false]);
    assert!(matches!(sandbox.refresh("geo").outcome, Outcome::Unchanged { .. }));
    let seen = sandbox.upstream.seen();
    assert!(seen.len() == 1 && seen[0].path.starts_with("/geoip/updates/metadata"), "{seen:?}");
}

#[test]
fn maxminds_quota_is_never_hammered() {
    let sandbox = maxmind();
    let quota = Fault::Status(429, "Daily GeoIP database download limit reached");
    sandbox.upstream.misbehave("/download", quota, 10);
    let report = sandbox.refresh("geo");
    assert!(reason(&report).contains("daily download limit"), "{report:#?}");
    let downloads = sandbox.upstream.seen().iter().filter(|s| s.path.contains("/download")).count();
    assert_eq!(downloads, 1, "429 is the last word");
}

/// F8: a build that is never released was downloaded by every run, until the account had nothing left.
#[test]
fn a_layer_has_its_share_of_maxminds_downloads() {
    const SHARE: usize = 10;
    let sandbox = maxmind();
    // A checksum that lags behind is no verdict: the next run may find it right.
    sandbox.upstream.misbehave("/metadata", Fault::WrongMd5, SHARE);
    let runs: Vec<_> = (0..SHARE + 2).map(|_| sandbox.refresh("geo")).collect();
    let downloads = sandbox.upstream.seen().iter().filter(|s| s.path.contains("/download")).count();
    assert_eq!(downloads, SHARE);
    let last = reason(runs.last().expect("there are runs"));
    assert!(last.contains("the layer has had 10 downloads from MaxMind today"), "{last}");
    let head = std::fs::read_to_string(sandbox.path("host/state/layers/geo/head.json"));
    let mut head: serde_json::Value =
        serde_json::from_str(&head.expect("readable")).expect("a head");
    head["downloads"]["day"] = serde_json::json!("2026-01-01");
    std::fs::write(sandbox.path("host/state/layers/geo/head.json"), head.to_string())
        .expect("writable");
    assert_refreshed(&sandbox.refresh("geo"), 1);
}

#[test]
fn maxminds_refusals_say_what_to_do() {
    for (path, fault, says) in [
        (
            "/metadata",
            Fault::Status(401, "Invalid account ID or license key"),
            "Invalid account ID",
        ),
        ("/metadata", Fault::Status(404, "Database edition not found"), "edition not found"),
        ("/download", Fault::Status(403, "You do not have permission"), "do not have permission"),
        ("/presigned", Fault::Expired, "HTTP 403"),
    ] {
        let sandbox = maxmind();
        sandbox.upstream.misbehave(path, fault, 1);
        let report = sandbox.refresh("geo");
        assert!(reason(&report).contains(says), "{report:#?}");
        assert_eq!(report.exit(), Exit::Failed);
    }
}

#[test]
fn maxminds_md5_is_of_the_extracted_file() {
    let sandbox = maxmind();
    sandbox.upstream.misbehave("/metadata", Fault::WrongMd5, 1);
    let report = sandbox.refresh("geo");
    assert_eq!(report.problems[0].code, freshlayer::Code::ChecksumMismatch);
    assert!(report.problems[0].expected.contains("MD5"), "{report:#?}");
    assert_refreshed(&sandbox.refresh("geo"), 1);
}

#[test]
fn a_tar_without_the_edition_is_rejected() {
    let sandbox = maxmind();
    sandbox.upstream.misbehave("/presigned", Fault::TarWithoutMmdb, 1);
    let report = sandbox.refresh("geo");
    assert_eq!(report.problems[0].code, freshlayer::Code::SelectNone);
}

#[test]
fn no_secret_reaches_any_output_or_file() {
    let sandbox = maxmind();
    let secret = "s3cret-in-a-variable";
    let toml = format!(
        "{MAXMIND}\n[[dataset]]\nname = 'more'\nformat = 'file'\n\
        source.https = 'UPSTREAM/files/more?token=${{TOKEN}}'\n"
    );
    sandbox.layer("geo", &toml);
    sandbox.upstream.publish("more", b"some bytes");
    let mut said = String::new();
    for step in 0..4 {
        match step {
            1 => sandbox.upstream.misbehave("/files/more", Fault::Status(404, "gone"), 1),
            2 => sandbox.upstream.misbehave("/metadata", Fault::Status(401, "no"), 1),
            3 => sandbox.upstream.misbehave("/files/more", Fault::RedirectLoop, 100),
            _ => {}
        }
        for arguments in [&["refresh", "-v"][..], &["refresh", "--json", "-v"], &["status"]] {
            let output = sandbox.command(arguments).env("TOKEN", secret).output().expect("it runs");
            said.push_str(&String::from_utf8_lossy(&output.stdout));
            said.push_str(&String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(said.contains("${TOKEN}"), "people see the variable's name: {said}");
    for hidden in [secret, LICENSE_KEY] {
        assert!(!said.contains(hidden), "{said}");
        let found = std::process::Command::new("grep")
            .args(["-r", "-l", hidden])
            .arg(sandbox.path("host"))
            .output()
            .expect("grep starts");
        assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    }
}

#[test]
fn datasets_of_a_layer_are_downloaded_side_by_side() {
    const DATASETS: usize = 6;
    let sandbox = Sandbox::new();
    let dataset = |number| {
        format!(
            "[[dataset]]\nname = 'd{number}'\nformat = 'file'\nsource.https = 'UPSTREAM/files/d{number}'\n"
        )
    };
    let toml: String = (0..DATASETS).map(dataset).collect();
    for number in 0..DATASETS {
        sandbox.upstream.publish(&format!("d{number}"), &[b'x'; 500]);
    }
    sandbox.layer("many", &toml);
    // Five drops, a tenth of a second apart: half a second each.
    sandbox.upstream.misbehave("/files/d", Fault::Trickle(100), DATASETS);
    let started = tokio::time::Instant::now();
    let report = sandbox.refresh("many");
    assert_refreshed(&report, 1);
    let took = started.elapsed().as_millis();
    assert!(took < 2_200, "one after the other they take 3 s, and this took {took} ms");
    let names: Vec<String> = report.datasets.iter().map(|d| d.name.to_string()).collect();
    assert_eq!(names, ["d0", "d1", "d2", "d3", "d4", "d5"], "in the order of the definition");
}

#[test]
fn maxminds_count_is_right_where_editions_are_asked_side_by_side() {
    let sandbox = Sandbox::new();
    let editions = ["GeoLite2-Country", "GeoLite2-City", "GeoLite2-ASN"];
    let datasets = editions.map(|edition| {
        format!(
            "[[dataset]]\nname = '{edition}'\nformat = 'mmdb'\nsource.maxmind = '{edition}'\nsource.host = 'UPSTREAM'\n"
        )
    });
    let toml = format!("[limits]\nmaxmind_downloads_per_day = 2\n{}", datasets.concat());
    for edition in editions {
        sandbox.upstream.publish_edition(edition, "20260915", &Mmdb::default().bytes());
    }
    sandbox.layer("geo", &toml);
    let report = sandbox.refresh("geo");
    assert!(reason(&report).contains("has had 2 downloads"), "{report:#?}");
    let downloads = sandbox.upstream.seen().iter().filter(|s| s.path.contains("/download")).count();
    assert_eq!(downloads, 2);
}
