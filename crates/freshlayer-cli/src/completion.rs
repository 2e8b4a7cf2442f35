//! What a shell completes: commands and options from the arguments, names of layers and functions from this machine.
//!
//! A name is offered where it is one by the rules for names, so no word of it means anything to a shell.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;
use freshlayer::LayerName;
use freshlayer_local::{FolderFleet, FolderRegistry};

use crate::arguments::Arguments;
use crate::environment::{self, COMPLETE, HOST, LAYERS, Variable};

/// The program as a shell finds it.
const PROGRAM: &str = "freshlayer";

/// Answers a shell that completes a command line; `false` where this run is none for a shell.
pub(crate) fn answer() -> Result<bool, clap::Error> {
    let here = std::env::current_dir().ok();
    let engine = CompleteEnv::with_factory(|| with_names(Arguments::command())).var(COMPLETE.name);
    engine.try_complete(std::env::args_os(), here.as_deref())
}

/// Returns the script that has a shell ask this program.
pub(crate) fn script(shell: &str) -> io::Result<String> {
    let shells = Shells::builtins();
    let known = shells.completer(shell).ok_or(io::ErrorKind::NotFound)?;
    let mut script = Vec::new();
    known.write_registration(COMPLETE.name, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Lets the arguments that name a layer or a function know the names of this machine.
fn with_names(command: clap::Command) -> clap::Command {
    let removes = command.get_name() == "remove";
    let named = command.mut_args(|argument| match argument.get_id().as_str() {
        "layer" | "layers" | "before" | "after" => argument.add(ArgValueCandidates::new(layers)),
        "function" | "functions" => argument.add(ArgValueCandidates::new(functions)),
        "name" if removes => argument.add(ArgValueCandidates::new(functions)),
        _ => argument,
    });
    named.mut_subcommands(with_names)
}

fn layers() -> Vec<CompletionCandidate> {
    let folder = folder("--layers", LAYERS);
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names = files.filter_map(|file| LayerName::parse(file.strip_suffix(".toml")?).ok());
    let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
    names.sort();
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn functions() -> Vec<CompletionCandidate> {
    let host = folder("--host", HOST);
    let registry = FolderRegistry::new(host.join("layers"));
    let found = FolderFleet::new(host.join("functions"), registry).list();
    let names = found.unwrap_or_default().into_iter().map(|function| function.name.to_string());
    names.map(CompletionCandidate::new).collect()
}

/// Finds a folder as the command line that is completed names it, or else by its variable.
fn folder(option: &str, variable: Variable) -> PathBuf {
    let words: Vec<OsString> = std::env::args_os().collect();
    let typed = typed(option, &words).map(PathBuf::from);
    let set = || PathBuf::from(environment::read(variable.name).unwrap_or(variable.default.into()));
    typed.unwrap_or_else(set)
}

/// Returns the value of an option: the word behind it, or what follows `=`. A shell may split `=` off as a word.
fn typed(option: &str, words: &[OsString]) -> Option<OsString> {
    let mut rest = words.iter().map(OsString::as_os_str).filter(|word| *word != "=");
    let assigned = |word: &OsStr| {
        let value = word.to_str()?.strip_prefix(option)?.strip_prefix('=')?;
        (!value.is_empty()).then(|| OsString::from(value))
    };
    while let Some(word) = rest.next() {
        if word == option {
            return rest.next().map(OsStr::to_owned);
        }
        if let Some(value) = assigned(word) {
            return Some(value);
        }
    }
    None
}
