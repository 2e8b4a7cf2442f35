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

fn refusal(words: &[String]) -> Option<clap::Error> {
    // A number's place holder.
    let words = words.iter().map(|word| if word == "N" { "1" } else { word }.into());
    let parsed = Arguments::parsed(Arguments::command(), words);
    parsed.err().filter(|error| error.kind() != ErrorKind::DisplayHelp)
}

#[test]
fn every_command_on_a_page_is_taken() {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(workspace()).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    let (mut shown, mut named, mut refused) = (0, 0, Vec::<String>::new());
    for page in listed.lines().filter(|page| !workspace().join(page).is_symlink()) {
        let text = std::fs::read_to_string(workspace().join(page)).expect("readable");
        for (index, part) in text.split("```").enumerate() {
            if index % 2 == 1 {
                let (language, block) = part.split_once('\n').expect("a block has lines");
                let block = block.replace("\\\n", " ");
                let typed = block.lines().filter_map(|line| match language {
                    "sh" => Some(line),
                    _ => line.strip_prefix("$ "),
                });
                for words in typed.flat_map(commands) {
                    shown += 1;
                    if let Some(error) = refusal(&words) {
                        refused.push(format!("{page}: {}\n{error}", words.join(" ")));
                    }
                }
                continue;
            }
            // In a sentence a command may lack its arguments.
            let spans = part.split('`').skip(1).step_by(2);
            for words in spans.filter(|span| !span.contains(['[', '…', '|'])).flat_map(commands) {
                named += 1;
                let error = refusal(&words).filter(|error| {
                    !matches!(
                        error.kind(),
                        ErrorKind::MissingRequiredArgument
                            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    )
                });
                if let Some(error) = error {
                    refused.push(format!("{page}: `{}`\n{error}", words.join(" ")));
                }
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(shown > 30 && named > 90, "{shown} in blocks, {named} in sentences");
}
