use std::ffi::OsString;
use std::fmt::Write;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use freshlayer::report::Exit;

use crate::commands::{
    accept, break_lease, can_roll, check, codegen, completions, contract, diff, doctor, exec,
    freeze, functions, history, init, inspect, man, pin, plan, provenance, prune, pull, refresh,
    report, rollback, rollout, schema, status, unfreeze, unpin, verify,
};
use crate::environment;

/// Why a build without the feature `aws` refuses `--target aws`.
pub(crate) const NO_AWS: &str = "--target aws: this build has no AWS; \
    build freshlayer with its feature `aws`, which is on by default";

/// Keeps the data inside AWS Lambda layers fresh.
#[derive(Debug, Parser)]
#[command(name = "freshlayer", version, max_term_width = 100, after_help = closing_words())]
pub(crate) struct Arguments {
    /// Folder of layer definitions.
    #[arg(
        long = "layers",
        global = true,
        value_name = "FOLDER",
        env = environment::LAYERS.name,
        default_value = environment::LAYERS.default,
    )]
    pub(crate) definitions: PathBuf,
    /// Folder of the local host: state, layer versions, functions.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = environment::HOST.name,
        default_value = environment::HOST.default,
    )]
    pub(crate) host: PathBuf,
    /// Folder for temporary files; default: `work` in the host's folder.
    #[arg(long, global = true, value_name = "FOLDER", env = environment::WORK.name)]
    pub(crate) work: Option<PathBuf>,
    /// Where layers are published and functions moved.
    #[arg(
        long,
        global = true,
        value_enum,
        env = environment::TARGET.name,
        default_value_t = Target::Local,
    )]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) cloud: Cloud,
    /// Print one JSON document instead of lines (`freshlayer schema report` describes it).
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell more: stages with --json, too, and in `status` every check that data went through.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Tell problems only, and say the rest by the exit code; --json prints its document all the same.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The subcommand as it was typed.
    #[arg(skip)]
    pub(crate) command_name: String,
}

impl Arguments {
    /// Reads this process's command line. Its help fits a terminal; in a pipe no line is wrapped.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let command = if std::io::stdout().is_terminal() {
            Self::command()
        } else {
            Self::command().term_width(0)
        };
        Self::parsed(command, std::env::args_os())
    }

    /// Parses a command line. An option that only an AWS account can follow is a mistake on the
    /// local host, where it would be taken for an order that was carried out.
    pub(crate) fn parsed(
        mut command: clap::Command,
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let matches = command.try_get_matches_from_mut(words)?;
        let command_name = matches.subcommand_name().unwrap_or_default().to_owned();
        let arguments = Self { command_name, ..Self::from_arg_matches(&matches)? };
        let typed = |name: &&&str| {
            let known = matches.try_contains_id(name).unwrap_or_default();
            known && matches.value_source(name) == Some(ValueSource::CommandLine)
        };
        let for_aws = ["bucket", "region", "profile"];
        match (arguments.target, for_aws.iter().find(typed)) {
            (Target::Local, Some(name)) => {
                let words = format!(
                    "--{name} needs --target aws; without it the command works on the local host\n"
                );
                Err(command.error(ErrorKind::MissingRequiredArgument, words))
            }
            (Target::Aws, _) if !cfg!(feature = "aws") => {
                Err(command.error(ErrorKind::InvalidValue, format!("{NO_AWS}\n")))
            }
            _ => Ok(arguments),
        }
    }
}

/// Where layers are published and functions moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// The local host, a folder.
    Local,
    /// An AWS account.
    Aws,
}

/// Which account, and where its state is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Cloud {
    /// With --target aws: the bucket of state and zips.
    #[arg(long, global = true, env = environment::BUCKET.name)]
    pub(crate) bucket: Option<String>,
    /// With --target aws: the Region.
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// With --target aws: a profile of the AWS configuration files.
    #[arg(long, global = true)]
    pub(crate) profile: Option<String>,
}

/// The subcommands; each one's file holds its help and its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Check(check::Args),
    Schema(schema::Args),
    Plan(plan::Args),
    Refresh(refresh::Args),
    Status(status::Args),
    Report(report::Args),
    History(history::Args),
    Rollback(rollback::Args),
    Rollout(rollout::Args),
    Inspect(inspect::Args),
    Contract(contract::Args),
    Codegen(codegen::Args),
    Diff(diff::Args),
    CanRoll(can_roll::Args),
    Accept(accept::Args),
    Pin(pin::Args),
    Unpin(unpin::Args),
    Freeze(freeze::Args),
    Unfreeze(unfreeze::Args),
    BreakLease(break_lease::Args),
    Prune(prune::Args),
    Verify(verify::Args),
    Provenance(provenance::Args),
    Doctor(doctor::Args),
    Functions(functions::Args),
    Pull(pull::Args),
    Exec(exec::Args),
    Completions(completions::Args),
    Man(man::Args),
}

fn closing_words() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in Exit::ALL {
        let _ = writeln!(text, "  {}  {meaning}", exit.code());
    }
    text.push_str("\nEnvironment:\n");
    for variable in environment::ALL {
        let environment::Variable { name, default, meaning } = variable;
        let _ = writeln!(text, "  {name}  {meaning} [{default}]");
    }
    text
}

#[cfg(all(test, not(feature = "aws")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_aws_says_so() {
        let words = ["freshlayer", "status", "--target", "aws", "--bucket", "state"];
        let refused = Arguments::parsed(Arguments::command(), words.map(OsString::from));
        let refused = refused.expect_err("there is no AWS").to_string();
        assert!(refused.contains("this build has no AWS"), "{refused}");
    }
}
