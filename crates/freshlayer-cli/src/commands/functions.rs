use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use clap::Subcommand;
use freshlayer::report::Exit;
use freshlayer::rollout::{TagRule, WAVE_TAG};
use freshlayer::{LayerName, LayerVersionArn};
use freshlayer_local::{Function, HostError, NewFunction};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::references::{LayerReference, function_name, layer_name};
use crate::wiring::Host;

/// Add, list and remove functions of the local host.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a function that uses layers.
    Add {
        /// The function.
        name: String,
        /// A layer, in the order of the list: `NAME` for its current release, or `NAME:VERSION` for a layer version by its
        /// number or for a data version such as 1.0.3.
        #[arg(long = "layer", value_name = "LAYER")]
        layers: Vec<String>,
        /// An alias; with one, refresh publishes versions of the function and moves the alias.
        #[arg(long = "alias", value_name = "ALIAS")]
        aliases: Vec<String>,
        /// A tag, such as `freshlayer:geo=hold`.
        #[arg(long = "tag", value_name = "KEY=VALUE")]
        tags: Vec<String>,
        /// What runs where a probe calls the function, with its arguments: the layers lie at /opt, the payload comes on
        /// standard input, and the last line that it prints is the answer.
        #[arg(last = true, value_name = "PROGRAM")]
        program: Vec<String>,
    },
    /// List the functions with their layers.
    List,
    /// Remove a function.
    Remove {
        /// The function.
        name: String,
    },
}

/// One function of the local host.
#[derive(Serialize, JsonSchema)]
pub(crate) struct FunctionLine {
    /// Its name.
    name: String,
    /// The layers of `$LATEST`, in their order.
    layers: Vec<String>,
    /// The version behind each alias, and that version's layers.
    aliases: Vec<AliasLine>,
    /// Its tags.
    tags: BTreeMap<String, String>,
    /// What runs where a probe calls it; empty where no probe can.
    program: Vec<String>,
}

/// One alias.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AliasLine {
    /// Its name.
    name: String,
    /// The version that it points to.
    version: u64,
    /// The layers of that version.
    layers: Vec<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    host.local_only(
        "functions",
        "on AWS deploy them as usual; `status` lists those that use a layer",
    )?;
    match args.action {
        Action::Add { name, layers, aliases, tags, program } => {
            let mut versions = Vec::new();
            for layer in LayerReference::parse_all(&layers)? {
                versions.push(layer.layer_version(host).await?);
            }
            let tags = tags.iter().map(|tag| key_and_value(host, tag)).collect::<Result<_, _>>()?;
            let (name, layers) = (function_name(&name)?, versions);
            let program = from_here(program)?;
            let new = NewFunction { name, layers, aliases, tags, program };
            host.fleet().add(new).map_err(|error| stopped(&error))?;
        }
        Action::Remove { name } => {
            host.fleet().remove(&function_name(&name)?).map_err(|error| stopped(&error))?;
        }
        Action::List => {}
    }
    let functions = host.fleet().list().map_err(|error| stopped(&error))?;
    let functions: Vec<FunctionLine> = functions.iter().map(line).collect();
    let lines = if functions.is_empty() {
        "no functions\n".to_owned()
    } else {
        functions.iter().map(text).collect()
    };
    Ok(Done::new(Exit::Done, lines, Answer::Functions(functions)))
}

/// A probe calls a program from any folder, so a path that is relative becomes a whole one.
fn from_here(mut program: Vec<String>) -> Result<Vec<String>, Stopped> {
    let Some(first) = program.first_mut() else { return Ok(program) };
    if !first.contains('/') || Path::new(first).is_absolute() {
        return Ok(program);
    }
    let whole = std::path::absolute(&*first);
    let whole = whole.ok().filter(|whole| whole.exists()).ok_or_else(|| {
        Stopped::usage(format!("program: expected a file, found none at {first}"))
    })?;
    *first = whole.to_string_lossy().into_owned();
    Ok(program)
}

fn key_and_value(host: &Host, tag: &str) -> Result<(String, String), Stopped> {
    let (key, value) = tag
        .split_once('=')
        .ok_or_else(|| Stopped::usage(format!("tag: expected KEY=VALUE, found {tag:?}")))?;
    if key == WAVE_TAG {
        return match value {
            "canary" | "last" => Ok((key.to_owned(), value.to_owned())),
            _ => {
                Err(Stopped::usage(format!("tag {key}: expected canary or last, found {value:?}")))
            }
        };
    }
    let Some(layer) = key.strip_prefix("freshlayer:") else {
        return Ok((key.to_owned(), value.to_owned()));
    };
    if matches!(TagRule::parse(value), TagRule::Unclear(_)) {
        let expected = "expected hold, pin=<release> or a version such as 1";
        return Err(Stopped::usage(format!("tag {key}: {expected}, found {value:?}")));
    }
    if !is_known(host, &layer_name(layer)?)? {
        return Err(Stopped::usage(format!(
            "tag {key}: expected a layer that has a definition or a version, found `{layer}`"
        )));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Tells whether a layer has a definition or a version: a tag for another one is a mistyped name.
fn is_known(host: &Host, layer: &LayerName) -> Result<bool, Stopped> {
    let defined = host.layers.join(format!("{layer}.toml")).exists();
    let newest = host.registry().newest(layer.as_str());
    let newest = newest.map_err(|error| Stopped::failed(error.to_string()))?;
    Ok(defined || newest.is_some())
}

fn stopped(error: &HostError) -> Stopped {
    match error {
        HostError::Exists(_) | HostError::NotFound(_) | HostError::Refused(_) => {
            Stopped::usage(error.to_string())
        }
        _ => Stopped::failed(error.to_string()),
    }
}

fn line(function: &Function) -> FunctionLine {
    let configurations: BTreeMap<u64, &[LayerVersionArn]> = function
        .versions
        .iter()
        .map(|version| (version.number, &version.configuration.layers[..]))
        .collect();
    let aliases = function.aliases.iter().map(|alias| AliasLine {
        name: alias.name.clone(),
        version: alias.version,
        layers: short(configurations.get(&alias.version).copied().unwrap_or_default()),
    });
    FunctionLine {
        name: function.name.to_string(),
        layers: short(&function.latest.layers),
        aliases: aliases.collect(),
        tags: function.tags.clone(),
        program: function.program.clone(),
    }
}

fn short(layers: &[LayerVersionArn]) -> Vec<String> {
    layers.iter().map(|arn| format!("{}:{}", arn.layer_name(), arn.version())).collect()
}

fn text(function: &FunctionLine) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{:20} $LATEST   {}", function.name, function.layers.join(" "));
    for (key, value) in &function.tags {
        let _ = writeln!(text, "{:20} tag       {key}={value}", "");
    }
    if !function.program.is_empty() {
        let _ = writeln!(text, "{:20} program   {}", "", function.program.join(" "));
    }
    for alias in &function.aliases {
        let pointer = format!("{}={}", alias.name, alias.version);
        let _ = writeln!(text, "{:20} {pointer:9} {}", "", alias.layers.join(" "));
    }
    text
}
