//! What the READMEs say of the code is what the code says. `UPDATE_DOCS=1` writes it there.

use std::fmt::Write;
use std::process::Command;

#[expect(dead_code, reason = "the table of variables is all that is read here")]
#[path = "../../../functions/publisher/src/settings.rs"]
mod publisher_settings;

use freshlayer::report::Exit;
use freshlayer_tests::sandbox::{binary, workspace};
use freshlayer_tests::upstream::{ACCOUNT_ID, LICENSE_KEY};

#[expect(clippy::disallowed_methods, reason = "a person asks the test to write")]
/// Compares the text between two markers with what it should be, or writes it.
pub(crate) fn hold(file: &str, name: &str, expected: &str) {
    let path = workspace().join(file);
    let text = std::fs::read_to_string(&path).expect("the file is there");
    let start = text.find(&format!("<!-- {name}")).expect("the marker is there");
    let start = start + text[start..].find("-->\n").expect("the marker ends") + "-->\n".len();
    let end = start + text[start..].find("<!-- end of").expect("the closing marker is there");
    if std::env::var_os("UPDATE_DOCS").is_some() && &text[start..end] != expected {
        let written = format!("{}{expected}{}", &text[..start], &text[end..]);
        std::fs::write(&path, written).expect("the file can be written");
        return;
    }
    assert_eq!(&text[start..end], expected, "{file} differs: UPDATE_DOCS=1 writes it");
}

#[test]
fn every_field_of_a_definition() {
    let table = format!("\n{}\n", freshlayer::definition::field_table());
    hold("layers/README.md", "fields", &table);
}

#[test]
fn every_check() {
    hold("docs/checks.md", "checks", &format!("\n{}\n", freshlayer::check_table()));
}

#[test]
fn every_promise() {
    let promises = std::fs::read_to_string(workspace().join("PROMISES.md")).expect("readable");
    let rows = promises.lines().filter(|line| line.starts_with("| ")).skip(2);
    for row in rows {
        let tests = row.rsplit('|').nth(1).expect("a column of tests");
        let named: Vec<&str> = tests.split('`').filter(|name| name.contains("::")).collect();
        assert!(!named.is_empty(), "{row}: no test");
        for name in named {
            let (module, test) = name.split_once("::").expect("a module and a test");
            let source = ["rollout", "rollout/judge", "schema", "state"];
            let source = source.map(|room| format!("crates/freshlayer/src/{room}"));
            let rooms = source.iter().map(String::as_str).chain(["tests/tests/all"]);
            let files = rooms.map(|room| workspace().join(format!("{room}/{module}.rs")));
            let code: String =
                files.map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect();
            let is_there = code.contains(&format!("#[test]\nfn {test}("))
                || code.contains(&format!("    #[test]\n    fn {test}("));
            assert!(is_there, "{name} is no test");
        }
    }
}

/// Links between the pages, with the headings that they name.
#[test]
fn every_link_leads_somewhere() {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(workspace()).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    let mut links = 0;
    for page in listed.lines().map(|file| workspace().join(file)) {
        let text = std::fs::read_to_string(&page).expect("readable");
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = page.parent().expect("a folder");
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !heading.is_empty() {
                let target = std::fs::read_to_string(target).expect("readable");
                let mut headings = target.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == heading), "{}: {link}", page.display());
            }
            links += 1;
        }
    }
    assert!(links > 30, "{links} links");
}

/// The name by which a page's heading is linked.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|one| one.is_alphanumeric() || " -_".contains(*one));
    kept.map(|one| if one == ' ' { '-' } else { one }).collect()
}

#[test]
fn every_exit_code() {
    let rows = Exit::ALL.iter().map(|(exit, meaning)| format!("| {} | {meaning} |\n", exit.code()));
    hold("README.md", "exits", &rows.collect::<String>());
}

#[test]
fn every_variable() {
    let help = Command::new(binary("freshlayer")).arg("--help").output().expect("it starts");
    let help = String::from_utf8(help.stdout).expect("the help is text");
    let (_, variables) = help.split_once("Environment:\n").expect("the help lists variables");
    let mut rows = String::new();
    for line in variables.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, rest) = line.split_once("  ").expect("a name and a meaning");
        let (meaning, default) = rest.rsplit_once(" [").expect("a meaning and a default");
        let default = default.trim_end_matches(']');
        let _ = writeln!(rows, "| `{name}` | {default} | {meaning} |");
    }
    hold("README.md", "variables", &rows);
}

#[test]
fn every_variable_of_the_publisher() {
    let rows = publisher_settings::VARIABLES
        .iter()
        .map(|(name, meaning)| format!("| `{name}` | {meaning} |\n"));
    hold("infra/README.md", "publisher-variables", &rows.collect::<String>());
}

#[test]
fn the_shipped_definitions_hold() {
    let examples =
        ["quickstart", "consumers", "ffmpeg"].map(|name| format!("examples/{name}/layers"));
    for folder in examples.iter().map(String::as_str).chain(["layers/samples"]) {
        let output = Command::new(binary("freshlayer"))
            .args(["check", "--layers"])
            .arg(workspace().join(folder))
            .env("UPSTREAM", "http://127.0.0.1:1")
            .env("MAXMIND_ACCOUNT_ID", ACCOUNT_ID)
            .env("MAXMIND_LICENSE_KEY", LICENSE_KEY)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
