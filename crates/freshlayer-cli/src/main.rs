//! `freshlayer`: keeps the data inside AWS Lambda layers fresh.
//!
//! ```text
//! arguments, environment ── wiring (adapters) ── commands/<one per subcommand> ── output (lines or JSON)
//! ```

mod arguments;
mod commands;
mod environment;
mod output;
mod progress;
#[cfg(feature = "aws")]
mod remote;
mod sources;
mod wiring;

use std::process::ExitCode;

use clap::error::ErrorKind;
use freshlayer::report::Exit;

use arguments::{Arguments, Command};
use output::{Done, Stopped};
use wiring::Host;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _closed = error.print();
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                return ExitCode::from(Exit::Done.code());
            }
            return output::misused(&error.kind().to_string());
        }
    };
    let (name, style) = (arguments.command.name(), output::Style::of(&arguments));
    match run(arguments) {
        Ok(done) => output::done(name, style, &done),
        Err(stopped) => output::stopped(name, style, &stopped),
    }
}

fn run(arguments: Arguments) -> Result<Done, Stopped> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Stopped::failed(format!("start the async runtime: {error}")))?;
    let host = Host::new(&arguments);
    match arguments.command {
        Command::Check => commands::check::run(&host),
        Command::Schema { of } => Ok(commands::schema::run(of)),
        Command::Refresh(asked) => runtime.block_on(commands::refresh::run(&host, &asked)),
        Command::Status { layers } => runtime.block_on(commands::status::run(&host, &layers)),
        Command::History { layer } => runtime.block_on(commands::history::run(&host, &layer)),
        Command::Rollback { layer, to } => {
            runtime.block_on(commands::rollback::run(&host, &layer, to))
        }
        Command::Pin { layer, to, reason } => {
            runtime.block_on(commands::pin::pin(&host, &layer, to, reason))
        }
        Command::Unpin { layer } => runtime.block_on(commands::pin::unpin(&host, &layer)),
        Command::Prune(asked) => runtime.block_on(commands::prune::run(&host, asked)),
        Command::Verify { layer, release } => {
            runtime.block_on(commands::verify::run(&host, &layer, release))
        }
        Command::Functions(asked) => runtime.block_on(commands::functions::run(&host, asked)),
        Command::Pull { layers, to } => {
            runtime.block_on(commands::pull::run(&host, &layers, to.as_deref()))
        }
        Command::Exec { layers, function, command } => {
            let opt = commands::exec::prepare(&host, &layers, function.as_deref());
            let opt = runtime.block_on(opt)?;
            // A user namespace can only be entered by a process of one thread.
            drop(runtime);
            Err(commands::exec::replace_process(&opt, &command))
        }
        Command::Completions { shell } => Ok(commands::completions::run(shell)),
    }
}
