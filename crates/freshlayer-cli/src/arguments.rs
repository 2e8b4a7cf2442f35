use std::fmt::Write;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use freshlayer::report::Exit;

use crate::environment;

/// Keeps the data inside AWS Lambda layers fresh.
#[derive(Debug, Parser)]
#[command(name = "freshlayer", version, term_width = 0, after_help = closing_words())]
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
    /// Where layers are published and functions rolled.
    #[arg(
        long,
        global = true,
        value_enum,
        env = environment::TARGET.name,
        default_value_t = Target::Local,
    )]
    pub(crate) target: Target,
    #[cfg(feature = "aws")]
    #[command(flatten)]
    pub(crate) cloud: Cloud,
    /// Print one JSON document instead of lines (`freshlayer schema report` describes it).
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show the stages beside --json, too; without --json they are always shown.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Reads the command line. An option that only an AWS account can follow is a mistake on the local host, where it
    /// would be taken for an order that was carried out.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        let arguments = Self::from_arg_matches(&matches)?;
        let typed = |name: &&&str| {
            let known = matches.try_contains_id(name).unwrap_or_default();
            known && matches.value_source(name) == Some(ValueSource::CommandLine)
        };
        let for_aws = ["bucket", "region", "profile"];
        match for_aws.iter().find(typed) {
            Some(name) if arguments.target == Target::Local => {
                let words =
                    format!("--{name} needs --target aws; without it the local host is meant\n");
                Err(command.error(ErrorKind::MissingRequiredArgument, words))
            }
            _ => Ok(arguments),
        }
    }
}

/// Where layers are published and functions rolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// The local host, a folder.
    Local,
    /// An AWS account.
    #[cfg(feature = "aws")]
    Aws,
}

/// Which account, and where its state is.
#[cfg(feature = "aws")]
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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read every definition and report every problem.
    Check,
    /// Print a JSON Schema: of definitions, for editors, or of the --json report.
    Schema {
        #[arg(value_enum, default_value_t = SchemaOf::Definition)]
        of: SchemaOf,
    },
    /// Download what is new, prove it, publish it, and roll the functions.
    Refresh(RefreshArguments),
    /// Tell how layers stand: release, age, functions, what waits.
    Status {
        /// The layers; default: all.
        layers: Vec<String>,
    },
    /// List a layer's releases, newest first.
    History { layer: String },
    /// Move the functions back to an earlier release, and keep the later data from coming back.
    Rollback {
        layer: String,
        /// The release; default: the last stable one, or the one before it.
        #[arg(long, value_name = "RELEASE")]
        to: Option<u64>,
    },
    /// Stay on a release until unpinned.
    Pin {
        layer: String,
        /// The release; default: the current one.
        #[arg(long, value_name = "RELEASE")]
        to: Option<u64>,
        /// Why; shown wherever the pin is.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take a pin back.
    Unpin { layer: String },
    /// Delete layer versions and zips of old releases that nobody uses or can need.
    Prune(PruneArguments),
    /// Prove a release again, from its record to its layer version.
    Verify {
        layer: String,
        /// The release; default: the current one.
        #[arg(long)]
        release: Option<u64>,
    },
    /// The functions of the local host.
    #[command(subcommand)]
    Functions(FunctionsCommand),
    /// Bring layers to this machine, proved; where --to is named, merged in list order as Lambda does.
    Pull {
        /// The layers, each at its current release, or `NAME:VERSION`, or any layer version's ARN.
        #[arg(required = true)]
        layers: Vec<String>,
        /// A folder that is not there yet.
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// Run a command with layers at /opt, in list order, later wins.
    Exec {
        /// The layers, each at its current release, or `NAME:VERSION`, or any layer version's ARN.
        #[arg(required_unless_present = "function")]
        layers: Vec<String>,
        /// All layers of a function, in its order: `NAME`, or `NAME:ALIAS`.
        #[arg(long, value_name = "FUNCTION", conflicts_with = "layers")]
        function: Option<String>,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Print a completion script for a shell.
    Completions { shell: Shell },
}

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Schema { .. } => "schema",
            Self::Pull { .. } => "pull",
            Self::Refresh(_) => "refresh",
            Self::Status { .. } => "status",
            Self::History { .. } => "history",
            Self::Rollback { .. } => "rollback",
            Self::Pin { .. } => "pin",
            Self::Unpin { .. } => "unpin",
            Self::Prune(_) => "prune",
            Self::Verify { .. } => "verify",
            Self::Functions(_) => "functions",
            Self::Exec { .. } => "exec",
            Self::Completions { .. } => "completions",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RefreshArguments {
    /// With --target aws: let the deployed publisher do it, with its role and its definitions.
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "PUBLISHER")]
    pub(crate) remote: Option<String>,
    /// The layers; default: all.
    pub(crate) layers: Vec<String>,
    /// Try data again that was rejected or rolled back before.
    #[arg(long)]
    pub(crate) retry_rejected: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// The layers; default: all.
    pub(crate) layers: Vec<String>,
    /// So many of the newest releases stay, whoever uses them.
    #[arg(long, value_name = "RELEASES", default_value_t = 10)]
    pub(crate) keep: usize,
    /// Delete nothing; say what would go, and why the rest stays.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SchemaOf {
    /// A layer definition.
    Definition,
    /// What --json prints.
    Report,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionsCommand {
    /// Make a function that uses layers.
    Add {
        name: String,
        /// A layer, in the order of the list: `NAME` for its current release, or `NAME:VERSION`.
        #[arg(long = "layer", value_name = "LAYER")]
        layers: Vec<String>,
        /// An alias; the function then has published versions, and the alias moves.
        #[arg(long = "alias", value_name = "ALIAS")]
        aliases: Vec<String>,
        /// A tag, such as `freshlayer:geo=hold`.
        #[arg(long = "tag", value_name = "KEY=VALUE")]
        tags: Vec<String>,
    },
    /// List the functions with their layers.
    List,
    /// Remove a function.
    Remove { name: String },
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
