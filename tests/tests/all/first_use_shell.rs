//! The binary in a shell: quiet runs, colours, completion, manual pages, and a standard error that went away.

use std::process::{Command, Stdio};

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Ran, Sandbox, binary};

use crate::cli_output::on_a_terminal;
use crate::refresh::{GEO, released};

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";

#[test]
fn a_quiet_run_tells_problems_only() {
    let sandbox = released();
    for arguments in [&["refresh", "-q"][..], &["-q", "status"], &["check", "--quiet"]] {
        let ran = sandbox.cli(arguments);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    }
    sandbox.layer("other", &GEO.replace("country.mmdb", "gone.mmdb"));
    sandbox.layer("bad", "descripton = 'x'");
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let ran = sandbox.cli(&["refresh", "--quiet"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.starts_with("other: failed: ") && !ran.stdout.contains("geo"), "{ran:?}");
    assert!(ran.stderr.contains("unknown key `descripton`"), "{ran:?}");
    assert!(!ran.stderr.contains("download"), "no stages: {ran:?}");
    let ran = sandbox.cli(&["rollback", "geo", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{ran:?}");
    let json = sandbox.cli(&["status", "geo", "-q", "--json"]).json();
    assert_eq!(json["status"][0]["layer"], "geo");
    assert!(sandbox.cli(&["schema", "-q"]).stdout.starts_with('{'), "what was asked for is told");
    assert_eq!(sandbox.cli(&["status", "-q", "-v"]).code, 2);
}

#[test]
fn outcomes_have_colours_on_a_terminal_alone() {
    let sandbox = released();
    let shown = |command: &str, variables: &[(&str, &str)]| {
        let mut command = sandbox.command(&[command, "geo"]);
        command.env_remove("NO_COLOR").envs(variables.iter().copied());
        on_a_terminal(command, 80)
    };
    assert!(shown("refresh", &[]).contains(&format!("geo: {GREEN}unchanged")));
    assert!(shown("verify", &[]).contains(GREEN));
    for none in [("NO_COLOR", "1"), ("CLICOLOR", "0")] {
        assert!(!shown("refresh", &[none]).contains(GREEN), "{none:?}");
    }
    let mut dumb = Command::new("env");
    let words = sandbox.command(&["refresh"]);
    dumb.arg("-uCI").arg("TERM=dumb").arg(words.get_program()).args(words.get_args());
    dumb.current_dir(sandbox.path("")).env("FRESHLAYER_HOST", "host").env_remove("NO_COLOR");
    assert!(!on_a_terminal(dumb, 80).contains(GREEN), "a dumb terminal shows no colours");
    sandbox.upstream.publish("country.mmdb", b"<html>an error page</html>");
    let refused = shown("refresh", &[]);
    assert!(refused.contains(&format!("{RED}rejected")), "{refused}");
    assert!(refused.contains(&format!("{RED}fail")), "{refused}");
    let piped = sandbox.cli(&["refresh"]).stdout;
    assert!(!piped.contains('\u{1b}'), "{piped}");
    let mut forced = sandbox.command(&["refresh"]);
    let forced = forced.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    let forced = Ran::of(&forced.output().expect("it starts"));
    assert!(forced.stdout.contains(RED), "{forced:?}");
    let mut json = sandbox.command(&["refresh", "--json"]);
    let json = Ran::of(&json.env("CLICOLOR_FORCE", "1").output().expect("it starts"));
    assert!(json.json()["layers"].is_array() && !json.stdout.contains('\u{1b}'), "{json:?}");
}

#[test]
fn a_standard_error_that_went_away_is_no_failure() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    for arguments in [&["refresh"][..], &["rollback", "geo"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = sandbox.command(arguments);
        let command = command.stdout(Stdio::piped()).stderr(writer);
        let ran = Ran::of(&command.output().expect("it starts"));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.starts_with("geo: refreshed: "), "{ran:?}");
    }
}

/// Returns what bash offers for the last of these words.
fn offered(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let script = "source <(freshlayer completions bash); COMP_WORDS=(freshlayer \"$@\"); COMP_CWORD=$#; \
                  COMP_TYPE=9; _clap_complete_freshlayer freshlayer \"${@: -1}\" x; \
                  printf '%s\n' \"${COMPREPLY[@]}\"";
    let binary = binary("freshlayer");
    let folder = binary.parent().expect("a folder").to_str().expect("the path is text");
    let words_alone = sandbox.command(&[]);
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash"]).args(words).current_dir(sandbox.path(""));
    command.envs(words_alone.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", format!("{folder}:/usr/bin:/bin"));
    let ran = Ran::of(&command.output().expect("bash is here"));
    assert_eq!(ran.stderr, "", "{words:?}");
    ran.stdout.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_shell_completes_names_of_layers_and_functions() {
    let sandbox = released();
    sandbox.layer("places", GEO);
    std::fs::write(sandbox.path("layers/not a layer.toml"), "").expect("writable");
    std::fs::create_dir(sandbox.path("elsewhere")).expect("writable");
    std::fs::write(sandbox.path("elsewhere/zones.toml"), "").expect("writable");
    for (words, expected) in [
        (&["pin", ""][..], &["geo", "places"][..]),
        (&["refresh", "g"], &["geo"]),
        (&["refresh", "geo", "pl"], &["places"]),
        (&["verify", "--layers", "elsewhere", ""], &["zones"]),
        (&["rollout", "pause", "p"], &["places"]),
        (&["exec", "--function", ""], &["aliased", "plain"]),
        (&["freeze", "geo", "--function", "al"], &["aliased"]),
        (&["functions", "remove", "p"], &["plain"]),
        (&["functions", "add", "f", "--layer", "g"], &["geo"]),
        (&["rollb"], &["rollback"]),
        (&["--host", "nowhere", "functions", "remove", ""], &[]),
    ] {
        let offered = offered(&sandbox, words);
        let names = offered.iter().filter(|word| !word.starts_with('-'));
        assert_eq!(names.collect::<Vec<_>>(), expected, "{words:?}");
    }
}

#[test]
fn every_shell_has_a_completion_script() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = sandbox.cli(&["completions", shell]);
        assert!(ran.code == 0 && ran.stdout.contains("FRESHLAYER_COMPLETE"), "{shell}: {ran:?}");
    }
    assert_eq!(sandbox.cli(&["completions", "tcsh"]).code, 2);
    let mut asked = sandbox.command(&["status"]);
    let ran = Ran::of(&asked.env("FRESHLAYER_COMPLETE", "tcsh").output().expect("it starts"));
    assert!(ran.code == 2 && ran.stderr.contains("unknown shell `tcsh`"), "{ran:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let sandbox = Sandbox::new();
    let ran = sandbox.cli(&["man", "--out", "man/man1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "wrote the manual pages to man/man1\n"));
    let page = |name: &str| {
        let file = sandbox.path("man/man1").join(name);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let help = sandbox.cli(&["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").expect("the help lists commands");
    let (commands, _) = commands.split_once("\n\n").expect("the list ends");
    let names = commands.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        let page = page(&format!("freshlayer-{name}.1"));
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    assert!(page("freshlayer-functions-add.1").contains("alias"));
    assert!(page("freshlayer.1").contains("Exit codes"));
    std::fs::write(sandbox.path("file"), "").expect("writable");
    assert_eq!(sandbox.cli(&["man", "--out", "file/man1"]).code, 1);
}
