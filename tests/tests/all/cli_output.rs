//! What the binary prints, where it prints it, and what happens where nothing can be printed.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use freshlayer_tests::databases::{Mmdb, sqlite};
use freshlayer_tests::sandbox::{Ran, Sandbox, binary};
use freshlayer_tests::upstream::Fault;
use nix::pty::{Winsize, openpty};
use serde_json::{Value, json};

use crate::refresh::{GEO, released};
use crate::schema_fit::misfit;

fn report_schema() -> Value {
    let printed = Sandbox::new().cli(&["schema", "report"]).stdout;
    serde_json::from_str(&printed).expect("the schema is JSON")
}

#[test]
fn the_schema_takes_every_document_of_every_command() {
    let sandbox = released();
    let schema = report_schema();
    sandbox.upstream.publish("country.mmdb", b"<html>an error page</html>");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(sandbox.path(name), bytes).expect("writable");
    };
    write("geo.mmdb", &Mmdb::default().bytes());
    write("later.mmdb", &Mmdb { networks: 400, ..Mmdb::later(1) }.bytes());
    write("zones.db", &sqlite(10));
    write("later.db", &sqlite(12));
    write("traffic", b"16.0.1.7 2\n");
    for arguments in [
        &["check"][..],
        &["refresh"],
        &["status"],
        &["history", "geo"],
        &["history", "geo", "--rollout", "1"],
        &["rollout", "judge", "geo", "--past"],
        &["verify", "geo"],
        &["functions", "list"],
        &["pin", "geo", "--reason", "audit"],
        &["status"],
        &["plan"],
        &["refresh", "--dry-run"],
        &["unpin", "geo"],
        &["plan", "geo"],
        &["status", "-v", "--max-age", "0s"],
        &["freeze", "geo", "--reason", "audit"],
        &["status"],
        &["refresh"],
        &["unfreeze", "geo"],
        &["break-lease", "geo"],
        &["doctor"],
        &["provenance", "geo"],
        &["can-roll", "geo"],
        &["can-roll", "geo", "later.mmdb"],
        &["accept", "geo", "0123"],
        &["rollout", "status", "geo"],
        &["rollout", "pause", "geo"],
        &["functions", "add", "another", "--layer", "geo", "--alias", "live"],
        &["functions", "remove", "another"],
        &["init", "countries"],
        &["init", "zones", "--from", "zones.db"],
        &["init", "zones", "--from", "traffic"],
        &["man", "--out", "man"],
        &["refresh", "--quiet"],
        &["prune", "--keep", "0"],
        &["pull", "geo"],
        &["inspect", "layers/geo.toml"],
        &["inspect", "layers/geo.toml", "--layer", "geo", "--dataset", "country"],
        &["contract", "suggest", "geo.mmdb"],
        &["codegen", "geo"],
        &["codegen", "geo", "--out", "geo.rs"],
        &["diff", "geo", "geo"],
        &["diff", "geo.mmdb", "later.mmdb", "--traffic", "traffic"],
        &["diff", "zones.db", "later.db"],
        &["rollback", "geo"],
        &["completions", "bash"],
        &["schema"],
        &["exec", "nowhere", "--", "true"],
        &["history", "nowhere"],
        &["refresh", "--bogus"],
    ] {
        let ran = sandbox.cli(&[&["--json"], arguments].concat());
        assert_eq!(misfit(&schema, &ran.json()), None, "{arguments:?}: {ran:?}");
    }
    std::fs::write(sandbox.path("layers/bad.toml"), "[[dataset]]\n").expect("writable");
    let ran = sandbox.cli(&["status", "--json"]);
    let document = ran.json();
    assert_eq!(misfit(&schema, &document), None, "{ran:?}");
    assert!(document["problems"][0]["message"].is_string() && document["status"].is_array());
}

#[test]
fn the_schema_takes_nothing_else() {
    let schema = report_schema();
    let good = released().cli(&["status", "--json"]).json();
    assert_eq!(misfit(&schema, &good), None);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document);
        assert!(misfit(&schema, &document).is_some(), "{document:#}");
    };
    changed(&|document| *document = json!({}));
    changed(&|document| drop(document.as_object_mut().expect("an object").remove("status")));
    changed(&|document| document["stattus"] = json!([]));
    changed(&|document| document["pinned"] = json!({"layer": "geo", "release": 1}));
    changed(&|document| document["exit_code"] = json!("0"));
    changed(&|document| document["status"] = json!("stable"));
    changed(&|document| document["status"][0]["layer"] = json!(7));
    changed(&|document| document["status"][0]["stabel"] = json!(1));
    changed(&|document| document["problems"] = json!([{"file": "geo.toml"}]));
}

/// Runs the binary with its standard output at a file.
fn into(sandbox: &Sandbox, arguments: &[&str], output: impl Into<Stdio>) -> Ran {
    let mut command = sandbox.command(arguments);
    let command = command.stdout(output).stderr(Stdio::piped());
    Ran::of(&command.spawn().expect("it starts").wait_with_output().expect("it ends"))
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let sandbox = released();
    let full = || File::options().write(true).open("/dev/full").expect("Linux has it");
    for arguments in [&["status", "--json"][..], &["status"], &["schema"], &["--help"]] {
        let ran = into(&sandbox, arguments, full());
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("No space left on device"), "{arguments:?}: {ran:?}");
    }
    let worse = into(&sandbox, &["refresh", "nowhere", "--json"], full());
    assert_eq!(worse.code, 2, "an exit code that says more stays: {worse:?}");
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let sandbox = released();
    for arguments in [&["status", "--json"][..], &["schema"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = into(&sandbox, arguments, writer);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

/// Runs a command with standard output and error on a terminal, and returns what the terminal got.
pub(crate) fn on_a_terminal(mut command: Command, columns: u16) -> String {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).expect("a terminal");
    let terminal_side = || Stdio::from(terminal.slave.try_clone().expect("a file descriptor"));
    let mut child = command
        .env("TERM", "xterm")
        .stdout(terminal_side())
        .stderr(terminal_side())
        .spawn()
        .expect("it starts");
    drop(command);
    drop(terminal.slave);
    let mut shown = Vec::new();
    // The terminal's end reads as an error once no process holds the other side.
    let _ended = File::from(terminal.master).read_to_end(&mut shown);
    child.wait().expect("it ends");
    String::from_utf8_lossy(&shown).into_owned()
}

/// Splits what a terminal got into the lines that it showed, one after another.
pub(crate) fn lines(shown: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = shown.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => drop(rest.by_ref().skip(1).find(char::is_ascii_alphabetic)),
            '\r' => plain.push('\n'),
            _ => plain.push(c),
        }
    }
    plain.lines().map(str::to_owned).collect()
}

fn assert_fits(lines: &[String], columns: usize) {
    for line in lines {
        assert!(line.chars().count() <= columns, "{} columns: {line:?}", line.chars().count());
    }
}

#[test]
fn help_wraps_between_words() {
    for arguments in [&["--help"][..], &["refresh", "--help"], &["pull", "-h"]] {
        let mut command = Command::new(binary("freshlayer"));
        command.args(arguments);
        let shown = lines(&on_a_terminal(command, 80));
        assert_fits(&shown, 80);
        let piped = Command::new(binary("freshlayer")).args(arguments).output().expect("it starts");
        let piped = String::from_utf8_lossy(&piped.stdout).into_owned();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&shown.join("\n")), words(&piped), "no word is broken: {arguments:?}");
    }
}

#[test]
fn progress_is_one_line_at_every_width_and_shows_that_it_waits() {
    for columns in [80, 20] {
        let sandbox = Sandbox::new();
        let dataset = "a-dataset-whose-name-is-longer-than-the-room-that-a-line-has";
        sandbox.layer("geo", &GEO.replace("'country'", &format!("'{dataset}'")));
        let mmdb = Mmdb { networks: 20_000, ..Mmdb::default() }.bytes();
        sandbox.upstream.publish("country.mmdb", &mmdb);
        sandbox.upstream.misbehave("country.mmdb", Fault::Status(503, "later"), 3);
        sandbox.upstream.misbehave("country.mmdb", Fault::Trickle(mmdb.len() / 25), 1);
        let shown = lines(&on_a_terminal(sandbox.command(&["refresh"]), columns));
        let bars = |word: &str| {
            let bars = shown.iter().filter(|line| line.starts_with(word));
            bars.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
        };
        let (asking, downloading) = (bars("ask "), bars("download "));
        assert!(!asking.is_empty(), "a line while the upstream is tried again: {shown:#?}");
        assert!(asking.iter().any(|line| line.contains(" s http://127")), "{asking:#?}");
        assert!(!downloading.is_empty(), "a line while bytes come: {shown:#?}");
        assert_fits(&asking, columns.into());
        assert_fits(&downloading, columns.into());
        let text = shown.join("\n");
        assert!(!text.contains("iB"), "decimal units everywhere: {text}");
        assert!(downloading.iter().any(|line| line.contains(" % ")), "{downloading:#?}");
        let whole = |line: &&String| line.contains(" kB/") && line.contains(" s a-dataset");
        assert_eq!(downloading.iter().find(whole).is_some(), columns == 80, "{downloading:#?}");
    }
}

#[test]
fn one_and_many_are_written_right() {
    let dataset = "[[dataset]]\nname = 'x'\nformat = 'file'\nsource.file = 'y'\n";
    let sandbox = Sandbox::new();
    sandbox.layer("geo", dataset);
    assert_eq!(sandbox.cli(&["check"]).stdout, "1 layer with 1 dataset: no problem\n");
    let more = dataset.replace("'x'", "'z'");
    sandbox.layer("other", &format!("{dataset}{more}"));
    assert_eq!(sandbox.cli(&["check"]).stdout, "2 layers with 3 datasets: no problem\n");
    sandbox.layer("geo", "[[dataset]]\nname = 'x'\nformat = 'file'\n");
    let ran = sandbox.cli(&["check"]);
    assert!(ran.stderr.ends_with("freshlayer: 1 problem in the definitions\n"), "{ran:?}");
}

#[test]
fn times_are_to_the_minute_and_name_their_zone() {
    let sandbox = released();
    let history = sandbox.cli(&["history", "geo"]).stdout;
    let (header, release) = history.split_once('\n').expect("a header and a release");
    assert!(header.starts_with("release  version  made (UTC) "), "{history}");
    let at = header.find("made").expect("a column");
    let is_minute = |text: &str| {
        text.bytes().zip(b"0000-00-00 00:00").all(|(found, form)| match form {
            b'0' => found.is_ascii_digit(),
            _ => found == *form,
        })
    };
    assert!(is_minute(&release[at..at + 16]), "{history}");
    assert_eq!(sandbox.cli(&["pin", "geo"]).code, 0);
    let status = sandbox.cli(&["status"]).stdout;
    let (_, since) = status.split_once("pinned to release 1 since ").expect("the pin is shown");
    assert!(is_minute(&since[..16]) && since[16..].starts_with(" UTC by "), "{status}");
    assert!(since.contains("; `freshlayer unpin geo` ends the pin\n"), "{status}");
}

/// A person's order moves one function: the rollout that carries it out names the person and the order.
#[test]
fn history_tells_who_moved_a_single_function() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(7).bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let back = ["rollback", "geo", "--function", "plain", "--to", "1", "--reason", "ticket 7"];
    let unpin = ["unpin", "geo", "--function", "plain", "--reason", "mended"];
    for (order, what, reason, outcome) in [
        (&back[..], "pin function plain to release 1", "ticket 7", "pinned to release 1 since "),
        (&unpin[..], "unpin function plain", "mended", "moved ("),
    ] {
        let ran = sandbox.cli(order);
        assert_eq!(ran.code, 0, "{ran:?}");
        let ran = sandbox.cli(&["refresh"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let newest = &sandbox.cli(&["--json", "history", "geo"]).json()["history"]["rollouts"][0];
        let (number, by) = (newest["number"].to_string(), newest["order"]["by"].as_str());
        let told = format!("{what} by {}: {reason}", by.expect("who ordered it"));
        let lines = sandbox.cli(&["history", "geo"]).stdout;
        let row = lines.lines().find(|line| line.ends_with(&told));
        assert!(row.is_some_and(|row| row.trim_start().starts_with(&number)), "{told}: {lines}");
        let journal = sandbox.cli(&["history", "geo", "--rollout", &number]).stdout;
        let row = journal.lines().find(|line| line.ends_with(&format!("({told})")));
        assert!(row.is_some_and(|row| row.contains(outcome)), "{told}: {journal}");
    }
}

/// The rollout was open when both orders came: the later one stands at the function.
#[test]
fn history_names_the_last_order_about_a_function_of_an_open_rollout() {
    let sandbox = released();
    sandbox.layer("geo", &format!("rollout.preset = 'standard'\n{GEO}"));
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(7).bytes());
    let opened = sandbox.cli(&["--json", "refresh"]).json();
    let consumers = opened["layers"][0]["consumers"].as_array().expect("a list");
    let first = consumers.iter().find(|one| one["state"] == "moved").expect("the one box");
    let first = first["function"].as_str().expect("a name");
    for order in [
        &["pin", "geo", "--function", first, "--to", "1", "--reason", "ticket 7"][..],
        &["unpin", "geo", "--function", first, "--reason", "mended"],
    ] {
        let ran = sandbox.cli(order);
        assert_eq!(ran.code, 0, "{ran:?}");
        let ran = sandbox.cli(&["refresh"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let history = sandbox.cli(&["history", "geo"]).stdout;
    let row = history.lines().find(|line| line.contains("new release; "));
    assert!(row.is_some_and(|row| row.ends_with(": mended")), "{history}");
    let journal = sandbox.cli(&["history", "geo", "--rollout", "2"]).stdout;
    let row = journal.lines().rfind(|line| line.contains(first));
    assert!(row.is_some_and(|row| row.ends_with(": mended)")), "{journal}");
}

#[test]
fn history_tells_who_moved_what_and_when() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(7).bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let ran = sandbox.cli(&["rollback", "geo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let history = sandbox.cli(&["--json", "history", "geo"]).json();
    let newest = &history["history"]["rollouts"][0];
    let by = newest["by"].as_str().expect("who ordered it");
    let told = ["cause", "from", "to", "state", "consumers", "reached"].map(|key| &newest[key]);
    assert_eq!(
        told,
        [&json!("rollback"), &json!(2), &json!(1), &json!("ended"), &json!(2), &json!(2)]
    );
    let lines = sandbox.cli(&["history", "geo"]).stdout;
    assert!(!by.is_empty() && lines.contains(&format!("rollback by {by}\n")), "{lines}");
    let number = newest["number"].to_string();
    let lines = sandbox.cli(&["history", "geo", "--rollout", &number]).stdout;
    let row = lines.lines().last().expect("the function's row");
    for cell in ["plain", "geo:2", "moved"] {
        assert!(row.contains(cell), "{lines}");
    }
    let back = &row[..row.find("moved").expect("an outcome")];
    let at = back.trim_end().rsplit_once("  ").expect("a time").1;
    assert!(at.len() == 16 && at.as_bytes()[10] == b' ', "{row}");
    let ran = sandbox.cli(&["history", "geo", "--rollout", "99"]);
    assert!(ran.code == 2 && ran.stderr.contains("has no rollout 99"), "{ran:?}");
}
