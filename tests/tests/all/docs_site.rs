//! The pages of the book: commands and reasons are those of the code, and what stands in blocks is right.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

use freshlayer_tests::sandbox::{binary, workspace};
use freshlayer_tests::upstream::{ACCOUNT_ID, LICENSE_KEY};
use serde_json::Value;

use crate::docs::hold;

fn freshlayer(words: &[&str]) -> Output {
    Command::new(binary("freshlayer")).args(words).output().expect("it starts")
}

fn printed(words: &[&str]) -> String {
    let output = freshlayer(words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What `--help` says of a command.
struct Help {
    about: String,
    usage: String,
    commands: Vec<String>,
    /// Arguments and options: each as it is typed, with its meaning.
    entries: Vec<(String, String)>,
}

impl Help {
    fn of(command: &[&str]) -> Self {
        let text = printed(&[command, &["--help"]].concat());
        let (about, rest) = text.split_once("Usage: ").expect("a usage");
        let (usage, rest) = rest.split_once('\n').unwrap_or((rest, ""));
        let (rest, _) = rest.split_once("\nExit codes:").unwrap_or((rest, ""));
        let mut help = Self {
            about: about.split_whitespace().collect::<Vec<_>>().join(" "),
            usage: usage.trim().to_owned(),
            commands: Vec::new(),
            entries: Vec::new(),
        };
        let mut section = "";
        for line in rest.lines() {
            match line.trim() {
                "" => {}
                heading @ ("Commands:" | "Arguments:" | "Options:") => section = heading,
                words if section == "Commands:" => {
                    let (name, _) = words.split_once(' ').unwrap_or((words, ""));
                    help.commands.push(name.to_owned());
                }
                words if line.starts_with("          ") => {
                    let (_, meaning) = help.entries.last_mut().expect("an entry is open");
                    let value = words.strip_prefix("- ").and_then(|value| value.split_once(':'));
                    let _ = match (words, value) {
                        ("Possible values:", _) => write!(meaning, ":"),
                        (_, Some((value, says))) => {
                            write!(meaning, " `{value}` ({}),", says.trim())
                        }
                        _ => write!(meaning, " {words}"),
                    };
                }
                words => help.entries.push((words.to_owned(), String::new())),
            }
        }
        help.commands.retain(|name| name != "help");
        help
    }

    fn list(&self, left_out: &[(String, String)]) -> String {
        let own = self.entries.iter().filter(|entry| !left_out.contains(entry));
        let own = own.filter(|(name, _)| !name.starts_with("-h,"));
        let line = |(name, meaning): &(String, String)| {
            let meaning =
                meaning.trim_start_matches(':').trim_end_matches(',').replace(", [", " [");
            let meaning = meaning.replace("[env: ", "[variable: ").replace("=]", "]");
            format!("- `{name}`:{}\n", meaning.replace('<', "\\<"))
        };
        own.map(line).collect()
    }
}

#[test]
fn every_command() {
    let all = Help::of(&[]);
    let mut page = format!("\n## Options of every command\n\n{}", all.list(&[]));
    let mut open: Vec<Vec<String>> =
        all.commands.iter().rev().map(|name| vec![name.clone()]).collect();
    while let Some(command) = open.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let help = Help::of(&words);
        let name = words.join(" ");
        let _ = write!(
            page,
            "\n## {name}\n\n{}.\n\n```text\n{}\n```\n",
            help.about.trim_end_matches('.'),
            help.usage
        );
        let list = help.list(&all.entries);
        if !list.is_empty() {
            let _ = write!(page, "\n{list}");
        }
        let below = help.commands.iter().rev();
        open.extend(below.map(|name| [command.as_slice(), std::slice::from_ref(name)].concat()));
    }
    hold("docs/commands.md", "commands", &format!("{page}\n"));
}

#[test]
fn every_reason_is_on_the_page() {
    let schema: Value = serde_json::from_str(&printed(&["schema", "report"])).expect("JSON");
    let reasons = schema["$defs"]["Why"]["oneOf"].as_array().expect("the reasons");
    let code = |reason: &Value| reason["properties"]["code"]["const"].as_str().map(str::to_owned);
    let codes: BTreeSet<String> = reasons.iter().filter_map(code).collect();
    assert_eq!(codes.len(), reasons.len());

    let page = std::fs::read_to_string(workspace().join("docs/troubleshooting.md"));
    let page = page.expect("readable");
    let (_, page) = page.split_once("<!-- reasons").expect("the marker is there");
    let (page, _) = page.split_once("<!-- end of reasons").expect("the closing marker is there");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed = rows.map(|row| row.split('`').next().unwrap_or_default().to_owned());
    let listed: Vec<String> = listed.collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), codes);
    assert_eq!(listed.len(), codes.len(), "each stands there once");
}

/// A fenced block of a page.
struct Block {
    page: PathBuf,
    line: usize,
    text: String,
}

fn blocks(language: &str) -> Vec<Block> {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(workspace()).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    let mut found = Vec::new();
    for page in
        listed.lines().map(PathBuf::from).filter(|page| !workspace().join(page).is_symlink())
    {
        let text = std::fs::read_to_string(workspace().join(&page)).expect("readable");
        let mut open: Option<(String, Block)> = None;
        for (index, line) in text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let block = Block { page: page.clone(), line: index + 1, text: String::new() };
                    open = Some((language.to_owned(), block));
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (None, Some((_, block))) => {
                    let _ = writeln!(block.text, "{line}");
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", page.display());
    }
    found.retain(|(of, _)| of == language);
    found.into_iter().map(|(_, block)| block).collect()
}

#[test]
fn every_block_of_json_is_json() {
    let blocks = blocks("json");
    assert!(blocks.len() > 10, "{} blocks", blocks.len());
    for Block { page, line, text } in blocks {
        let parsed = serde_json::from_str::<Value>(&text);
        assert!(parsed.is_ok(), "{}:{line}: {parsed:?}", page.display());
    }
}

/// A definition of what a block shows, with what the block leaves out.
fn definition(block: &str) -> String {
    let begins = |words: &[&str]| {
        let mut lines = block.lines().map(str::trim_start);
        lines.any(|line| words.iter().any(|word| line.starts_with(word)))
    };
    let sources = ["https", "maxmind", "s3", "layer", "file"].map(|kind| format!("source.{kind} "));
    let has_source = begins(&sources.each_ref().map(String::as_str));
    let source = if has_source { "" } else { "source.https = \"https://example.org/data\"\n" };
    let format = if begins(&["[dataset.contract]"]) { "mmdb" } else { "file" };
    let dataset = format!("[[dataset]]\nname = \"data\"\nformat = \"{format}\"\n{source}");
    if begins(&["[[dataset]]"]) {
        let rest = if has_source { String::new() } else { format!("format = \"file\"\n{source}") };
        format!("{block}{rest}")
    } else if begins(&["[dataset", "source.", "expect."]) {
        format!("{dataset}{block}")
    } else {
        format!("{block}\n{dataset}")
    }
}

#[test]
fn every_definition_on_a_page_passes_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let blocks = blocks("toml");
    assert!(blocks.len() > 10, "{} blocks", blocks.len());
    let mut check = Command::new(binary("freshlayer"));
    check.args(["check", "--layers"]).arg(folder.path());
    check.env("MAXMIND_ACCOUNT_ID", ACCOUNT_ID).env("MAXMIND_LICENSE_KEY", LICENSE_KEY);
    for Block { page, line, text } in blocks {
        for variable in text.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next()) {
            check.env(variable, "set");
        }
        let name = page.with_extension("").display().to_string().to_lowercase().replace('/', "-");
        let file = folder.path().join(format!("{name}-{line}.toml"));
        std::fs::write(file, definition(&text)).expect("writable");
    }
    let output = check.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
