//! The page as a person and the publisher write it: from a host, into a file, into the state.

use std::os::unix::fs::PermissionsExt as _;

use freshlayer::ports::{Key, Store as _};
use freshlayer::{Dossier, LayerDossier, dossier_after, shelve};
use freshlayer_local::{FolderRegistry, FolderStore};
use freshlayer_page::page;
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, block_on, layer_name};
use freshlayer_tests::upstream::Fault;
use serde_json::{Value, json};

use crate::aws_deployed::{Deployed, geo as aws_geo};
use crate::refresh::{GEO, assert_refreshed, released};
use crate::watch::baking;

const FRESH: &str = "expect.build_age_days_warn = 100000\nexpect.build_age_days_max = 200000\n";

/// A layer with two releases, a function on the way of each kind, and a build that was refused.
fn lively() -> Sandbox {
    let sandbox = released();
    sandbox.layer("geo", &format!("{GEO}{FRESH}"));
    let held = ["functions", "add", "held", "--layer", "geo", "--tag", "freshlayer:geo=hold"];
    assert_eq!(sandbox.cli(&held).code, 0);
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 2);
    sandbox.upstream.publish("country.mmdb", b"<html>not found</html>");
    assert_eq!(sandbox.cli(&["refresh", "geo"]).code, 3);
    sandbox
}

#[test]
fn a_quiet_report_is_a_whole_page() {
    let ran = lively().cli(&["-q", "report"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("<!DOCTYPE html>"), "{ran:?}");
    assert!(ran.stdout.ends_with("</html>"), "{ran:?}");
}

#[test]
fn a_layer_whose_refresh_fails_is_not_called_fresh() {
    let sandbox = released();
    sandbox.layer("geo", &format!("{GEO}{FRESH}"));
    assert_eq!(geo(&sandbox)["word"], "fresh");
    sandbox.upstream.misbehave("country.mmdb", Fault::Status(404, "gone"), 9);
    assert_eq!(sandbox.cli(&["refresh", "geo"]).code, 1);
    let told = geo(&sandbox);
    assert_eq!(told["word"], "held", "{told:#}");
    let reason = told["reasons"][0].as_str().expect("a reason");
    assert!(reason.starts_with("the last refresh failed (for this reason since "), "{reason}");
}

fn geo(sandbox: &Sandbox) -> Value {
    let ran = sandbox.cli(&["report", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()["dossier"]["layers"][0].clone()
}

#[test]
fn the_dossier_says_what_the_other_commands_say() {
    let sandbox = lively();
    let told = geo(&sandbox);
    let status = sandbox.cli(&["status", "--json"]).json()["status"][0].clone();
    let history = sandbox.cli(&["history", "geo", "--json"]).json()["history"].clone();
    let prune = sandbox.cli(&["prune", "--dry-run", "--json"]).json()["pruned"][0].clone();
    assert_eq!(told["consumers"], status["consumers"]);
    assert_eq!(told["served"]["release"], status["release"]["seq"]);
    assert_eq!(told["served"]["stable"], status["stable"]);
    assert_eq!(told["rejected"][0]["problems"], status["rejected"]);
    for (at, line) in history["releases"].as_array().expect("releases").iter().enumerate() {
        for (key, value) in line.as_object().expect("a release") {
            assert_eq!(&told["releases"][at][key], value, "{key}");
        }
    }
    for (at, line) in history["rollouts"].as_array().expect("rollouts").iter().enumerate() {
        for (key, value) in line.as_object().expect("a rollout") {
            assert_eq!(&told["rollouts"][at][key], value, "{key}");
        }
    }
    let kept = |list: &Value, key: &str| -> Vec<Value> {
        list.as_array().into_iter().flatten().map(|kept| kept[key].clone()).collect()
    };
    assert_eq!(kept(&told["room"]["prune"]["kept"], "release"), kept(&prune["kept"], "seq"));
    assert_eq!(kept(&told["room"]["prune"]["kept"], "reason"), kept(&prune["kept"], "reason"));
}

#[test]
fn the_dossier_tells_who_is_where_who_waits_and_what_was_refused() {
    let sandbox = lively();
    let told = geo(&sandbox);
    assert_eq!((&told["word"], &told["functions"]), (&json!("held"), &json!(3)));
    let reason = told["reasons"][0].as_str().expect("a sentence");
    assert!(reason.starts_with("the upstream's newest data is rejected: "), "{reason}");
    let there = &told["groups"][0];
    assert_eq!((&there["release"], &there["names"]), (&json!(2), &json!(["aliased", "plain"])));
    assert_eq!(
        (&told["groups"][1]["release"], &told["groups"][1]["functions"]),
        (&json!(1), &json!(1))
    );
    let waits = &told["waits"][0];
    assert_eq!(waits["reason"], "its tag freshlayer:geo says hold");
    assert_eq!(waits["names"], json!(["held in local"]));
    assert_eq!(
        (&told["datasets"][0]["age"], &told["rejected"][0]["newest"]),
        (&json!("fresh"), &json!(true))
    );
    let counts = told["change"]["datasets"][0]["counts"].as_array().expect("counts");
    assert!(counts.iter().any(|count| count["what"] == "nodes" && count["after"].is_u64()));
    let took = told["releases"][0]["stable_after_secs"].as_i64().expect("it is stable");
    assert!(took > 0 && told["stable_after_secs_median"].as_i64().is_some_and(|all| all >= took));
}

#[test]
fn the_dossier_tells_of_the_open_rollout_and_a_persons_order() {
    let sandbox = baking();
    let told = geo(&sandbox);
    assert_eq!((&told["word"], &told["functions_there"]), (&json!("rolling"), &json!(1)));
    let open = &told["open"];
    assert_eq!((&open["to"], &open["reached"], &open["later"]), (&json!(2), &json!(1), &json!(1)));
    let progress = sandbox.cli(&["rollout", "status", "geo", "--json"]).json();
    let wave = &progress["rollout_status"]["open"]["waves"][0];
    assert_eq!(
        (&open["waves"][0]["opened"], &open["waves"][0]["functions"]),
        (&wave["opened"], &json!(1))
    );
    assert_eq!(open["waves"][0]["watched_until"], wave["until"]);
    assert_eq!(sandbox.cli(&["rollout", "pause", "geo"]).code, 0);
    let told = geo(&sandbox);
    let reason = told["reasons"][0].as_str().expect("a sentence");
    assert!(told["word"] == "held" && reason.contains("paused"), "{reason}");
    let html = sandbox.cli(&["report"]).stdout;
    assert!(html.contains("Rollout 2 to release 2") && html.contains("Waits for a person: "));
}

#[test]
fn a_layer_is_as_old_as_its_definition_says() {
    let sandbox = released();
    for (terms, word) in [
        ("expect.build_age_days_warn = 100000\n", "fresh"),
        ("expect.build_age_days_warn = 1\n", "ageing"),
        ("expect.build_age_days_max = 1\n", "stale"),
        ("expect.build_age_days_warn = 1\nexpect.build_age_days_max = 2\n", "stale"),
    ] {
        sandbox.layer("geo", &format!("{GEO}{terms}"));
        // The functions were added after the release, and are on it.
        assert_eq!(geo(&sandbox)["word"], word, "{terms}");
    }
}

#[test]
fn a_page_is_written_to_a_file_or_to_standard_output() {
    let sandbox = lively();
    let file = sandbox.path("page.html");
    std::fs::write(&file, "an older page").expect("writable");
    let ran = sandbox.cli(&["report", "geo", "--out", "page.html"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "wrote page.html\n"), "{ran:?}");
    let written = std::fs::read_to_string(&file).expect("it was written");
    assert!(written.starts_with("<!DOCTYPE html>") && written.ends_with("</html>"));
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o044, 0o044, "a web server can read it");
    let beside = std::fs::read_dir(sandbox.path("")).expect("readable").flatten();
    let left = beside.filter(|entry| entry.file_name().to_string_lossy().contains(".part"));
    assert_eq!(left.count(), 0);
    let ran = sandbox.cli(&["report"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("<!DOCTYPE html>"), "{ran:?}");
    let ran = sandbox.cli(&["report", "--json", "--out", "page.html"]);
    assert_eq!(ran.json()["dossier"]["layers"][0]["layer"], "geo");
}

#[test]
fn the_page_names_a_command_that_shows_what_moved() {
    let sandbox = lively();
    let html = sandbox.cli(&["report"]).stdout;
    let (_, command) = html.split_once("<code>freshlayer diff ").expect("it names the command");
    let (versions, _) = command.split_once("</code>").expect("the command ends");
    let versions: Vec<&str> = versions.split(' ').collect();
    let ran = sandbox.cli(&["diff", versions[0], versions[1], "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let both = [1, 2].map(|release| FolderRegistry::arn(&layer_name("geo"), release).to_string());
    assert_eq!(versions, both);
}

/// No one can write to `/sys`, not even root.
#[test]
fn where_no_page_can_be_written_one_line_says_so() {
    let sandbox = released();
    std::fs::create_dir(sandbox.path("folder")).expect("it is new");
    for out in ["/sys/page.html", "folder", "missing/page.html", ".."] {
        let ran = sandbox.cli(&["report", "--out", out]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        let said: Vec<&str> = ran.stderr.lines().collect();
        let words = format!("freshlayer: write {out}: ");
        assert!(said.len() == 1 && said[0].starts_with(&words), "{ran:?}");
    }
    let left = std::fs::read_dir(sandbox.path("")).expect("readable").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().contains(".part"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_host_without_a_release_has_a_page() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    let ran = sandbox.cli(&["report"]);
    assert!(ran.code == 0 && ran.stdout.contains("here is no release yet"), "{ran:?}");
    assert!(!sandbox.path("host/state").exists(), "it was only looked at");
}

/// The publisher's way: what a run saw is put into the state, layer by layer, and each keeps what the others say.
#[test]
fn each_run_puts_its_layer_into_the_page_of_all_layers() {
    let sandbox = Sandbox::new();
    for layer in ["geo", "places"] {
        sandbox.layer(layer, GEO);
    }
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    let engine = sandbox.engine();
    let definitions = ["geo", "places"].map(|layer| sandbox.definition(layer));
    let stored = |key: &Key| {
        let read = FolderStore::new(sandbox.path("host/state"));
        let read = block_on(read.read(key)).expect("readable").expect("it is there");
        String::from_utf8(read.bytes).expect("text")
    };
    for definition in &definitions {
        let report = sandbox.refresh_with(&engine, definition.layer.as_str());
        let layer = block_on(dossier_after(&engine, definition, &report)).expect("it is told");
        block_on(shelve(&engine, &definitions, &layer, page)).expect("it is stored");
    }
    let told = definitions.iter().map(|definition| {
        let text = stored(&Key::dossier(&definition.layer));
        serde_json::from_str::<Dossier>(&text).expect("a dossier")
    });
    let layers: Vec<LayerDossier> = told.flat_map(|dossier| dossier.layers).collect();
    let newest = layers.iter().map(|layer| layer.at).max().expect("two layers");
    assert_eq!(stored(&Key::page()), page(&Dossier::of(newest, layers, Vec::new())));
    let report = sandbox.refresh("geo");
    let layer = block_on(dossier_after(&engine, &definitions[0], &report)).expect("it is told");
    block_on(shelve(&engine, &definitions[..1], &layer, page)).expect("it is stored");
    let page = stored(&Key::page());
    assert!(page.contains("layer-geo") && !page.contains("layer-places"), "it has no definition");
}

#[test]
fn the_deployed_publisher_keeps_the_page_and_a_glance_leaves_it_alone() {
    block_on(async {
        let deployed = Deployed::new().await.without_tls().await;
        let read = async |key: &str| {
            let asked = deployed.account.s3().get_object().bucket(&deployed.bucket).key(key);
            let object = asked.send().await.expect("it is there");
            let (kind, etag) = (object.content_type.clone(), object.e_tag.clone());
            let body = object.body.collect().await.expect("readable").to_vec();
            (String::from_utf8(body).expect("text"), kind.unwrap_or_default(), etag)
        };
        let first = deployed.invoke(&deployed.publisher, &aws_geo()).await;
        assert_eq!((&first["exit_code"], &first["warnings"]), (&json!(0), &Value::Null));
        let (text, kind, _) = read("reports/index.html").await;
        let (dossier, _, written) = read("reports/layers/geo.json").await;
        let dossier: Dossier = serde_json::from_str(&dossier).expect("a dossier");
        assert_eq!((text, kind.as_str()), (page(&dossier), "text/html; charset=utf-8"));
        assert_eq!(dossier.layers[0].releases_total, 1);
        let idle = deployed.invoke(&deployed.publisher, &aws_geo()).await;
        assert!(!idle["layers"][0]["last_look"].is_null(), "{idle:#}");
        assert_eq!(read("reports/layers/geo.json").await.2, written, "an idle run writes no page");
        deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        let next = deployed.invoke(&deployed.publisher, &aws_geo()).await;
        assert_eq!(next["exit_code"], 0, "{next:#}");
        assert!(read("reports/index.html").await.0.contains("release 2"));
    });
}
