//! The commands that the pages show are commands that this version takes.

use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::arguments::Arguments;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/ lies in the workspace")
}

/// Parts a line of a shell into its commands, and these into words, as far as the pages need it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    let mut before = ' ';
    for one in line.chars().chain([' ']) {
        let between = quote.is_none() && before == ' ';
        match one {
            '#' if between => break,
            '"' | '\'' if quote == Some(one) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(one);
                word.get_or_insert_default();
            }
            ' ' if quote.is_none() => {
                commands.last_mut().expect("never empty").extend(word.take());
            }
            '|' | ';' | '&' | '(' | ')' if quote.is_none() => {
                commands.last_mut().expect("never empty").extend(word.take());
                commands.push(Vec::new());
            }
            '>' if between => commands.push(Vec::new()),
            _ => word.get_or_insert_default().push(one),
        }
        before = one;
    }
    let is_setting = |word: &String| word.contains('=') && !word.starts_with('-');
    let named =
        commands.into_iter().map(|words| words.into_iter().skip_while(is_setting).collect());
    named
        .filter(|words: &Vec<String>| words.first().is_some_and(|word| word == "freshlayer"))
        .collect()
}

/// What a page says of the command line: whole commands of its blocks, and commands that its sentences name.
struct Said {
    shown: Vec<Vec<String>>,
    named: Vec<Vec<String>>,
}

impl Said {
    fn of(page: &str) -> Self {
        let (mut shown, mut named) = (Vec::new(), Vec::new());
        for (index, part) in page.split("```").enumerate() {
            if index % 2 == 0 {
                let spans = part.split('`').skip(1).step_by(2);
                named.extend(
                    spans.filter(|span| !span.contains(['[', '…', '|'])).flat_map(commands),
                );
                continue;
            }
            let (language, block) = part.split_once('\n').expect("a block has lines");
            let block = block.replace("\\\n", " ");
            let typed = block.lines().filter_map(|line| match language {
                "sh" => Some(line),
                _ => line.strip_prefix("$ "),
            });
            shown.extend(typed.flat_map(commands));
        }
        Self { shown, named }
    }
}

fn refusal(words: &[String]) -> Option<clap::Error> {
    // A number's place holder.
    let typed = words.iter().map(|word| if word == "N" { "1" } else { word }.into());
    let parsed = Arguments::parsed(Arguments::command(), typed);
    parsed.err().filter(|error| error.kind() != ErrorKind::DisplayHelp)
}

/// In a sentence a command may lack its arguments.
fn is_unfinished(error: &clap::Error) -> bool {
    use ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument};
    matches!(error.kind(), MissingRequiredArgument | DisplayHelpOnMissingArgumentOrSubcommand)
}

#[test]
fn every_command_on_a_page_is_taken() {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(workspace()).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    let (mut shown, mut named, mut refused) = (0, 0, Vec::new());
    for page in listed.lines().filter(|page| !workspace().join(page).is_symlink()) {
        let text = std::fs::read_to_string(workspace().join(page)).expect("readable");
        let said = Said::of(&text);
        let whole = said.shown.iter().filter_map(|words| Some((words, refusal(words)?)));
        let parts = said.named.iter().filter_map(|words| Some((words, refusal(words)?)));
        let parts = parts.filter(|(_, error)| !is_unfinished(error));
        refused.extend(
            whole
                .chain(parts)
                .map(|(words, error)| format!("{page}: {}\n{error}", words.join(" "))),
        );
        shown += said.shown.len();
        named += said.named.len();
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(shown > 30 && named > 90, "{shown} in blocks, {named} in sentences");
}
