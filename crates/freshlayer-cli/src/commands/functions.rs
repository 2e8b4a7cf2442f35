use std::collections::BTreeMap;
use std::fmt::Write;

use freshlayer::LayerVersionArn;
use freshlayer::ports::FunctionName;
use freshlayer::report::Exit;
use freshlayer::rollout::Order;
use freshlayer_local::{Function, HostError, NewFunction};

use crate::arguments::FunctionsCommand;
use crate::output::{AliasLine, CommandResult, Done, FunctionLine, Stopped};
use crate::wiring::Host;

pub(crate) async fn run(host: &Host, asked: FunctionsCommand) -> Result<Done, Stopped> {
    host.local_only(
        "functions",
        "on AWS deploy them as usual; `status` lists those that use a layer",
    )?;
    match asked {
        FunctionsCommand::Add { name, layers, aliases, tags } => {
            let mut arns = Vec::new();
            for layer in &layers {
                arns.push(host.layer_version(layer).await?);
            }
            let tags = tags.iter().map(|tag| key_and_value(tag)).collect::<Result<_, _>>()?;
            let new = NewFunction { name: function_name(&name)?, layers: arns, aliases, tags };
            host.fleet().add(new).map_err(|error| stopped(&error))?;
        }
        FunctionsCommand::Remove { name } => {
            host.fleet().remove(&function_name(&name)?).map_err(|error| stopped(&error))?;
        }
        FunctionsCommand::List => {}
    }
    let functions = host.fleet().list().map_err(|error| stopped(&error))?;
    let functions: Vec<FunctionLine> = functions.iter().map(line).collect();
    let lines = match functions.is_empty() {
        true => "no functions\n".to_owned(),
        false => functions.iter().map(text).collect(),
    };
    Ok(Done { exit: Exit::Done, lines, result: CommandResult::Functions(functions) })
}

fn function_name(text: &str) -> Result<FunctionName, Stopped> {
    FunctionName::parse(text).map_err(|error| Stopped::usage(format!("function name: {error}")))
}

fn key_and_value(tag: &str) -> Result<(String, String), Stopped> {
    let (key, value) = tag
        .split_once('=')
        .ok_or_else(|| Stopped::usage(format!("tag: expected KEY=VALUE, found {tag:?}")))?;
    if key.starts_with("freshlayer:") && matches!(Order::parse(value), Order::Unclear(_)) {
        let expected = "expected hold, pin=<release> or a version such as 1";
        return Err(Stopped::usage(format!("tag {key}: {expected}, found {value:?}")));
    }
    Ok((key.to_owned(), value.to_owned()))
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
    for alias in &function.aliases {
        let pointer = format!("{}={}", alias.name, alias.version);
        let _ = writeln!(text, "{:20} {pointer:9} {}", "", alias.layers.join(" "));
    }
    text
}
