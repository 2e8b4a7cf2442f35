//! `freshlayer`: keeps the data inside AWS Lambda layers fresh.
//!
//! ```text
//! arguments ── wiring, references ── commands/<one per subcommand> ── output (lines or JSON)
//! ```

#[cfg(feature = "aws")]
mod account;
mod arguments;
mod commands;
mod completion;
mod definitions;
#[cfg(all(test, feature = "aws"))]
mod documented;
mod environment;
mod hooks;
mod output;
mod progress;
mod references;
#[cfg(feature = "aws")]
mod remote;
mod scanners;
mod sources;
mod vault;
mod wiring;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use output::{Done, Stopped, Style};
use wiring::{Host, HostFolder};

fn main() -> ExitCode {
    match completion::answer() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => return output::unread(&error),
    }
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => return output::unread(&error),
    };
    let (name, style) = (arguments.command_name.clone(), Style::of(&arguments));
    let folder = HostFolder::of(&arguments);
    let ended = run(arguments);
    folder.keep_out_of_git();
    match ended {
        Ok(done) => output::done(&name, style, &done),
        Err(stopped) => output::stopped(&name, style, &stopped),
    }
}

fn run(arguments: Arguments) -> Result<Done, Stopped> {
    use commands::{
        accept, break_lease, can_roll, check, codegen, completions, contract, diff, doctor, exec,
        freeze, functions, history, init, inspect, man, pin, plan, provenance, prune, pull,
        refresh, report, rollback, rollout, schema, status, unfreeze, unpin, verify,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Stopped::failed(format!("start the async runtime: {error}")))?;
    let host = Host::new(&arguments);
    match arguments.command {
        Command::Init(args) => runtime.block_on(init::run(&host, args)),
        Command::Check(_) => check::run(&host),
        Command::Codegen(args) => codegen::run(&host, &args),
        Command::Schema(args) => Ok(schema::run(&args)),
        Command::Plan(args) => runtime.block_on(plan::run(&host, args)),
        Command::Refresh(args) => runtime.block_on(refresh::run(&host, args)),
        Command::Status(args) => runtime.block_on(status::run(&host, args)),
        Command::Report(args) => runtime.block_on(report::run(&host, args)),
        Command::History(args) => runtime.block_on(history::run(&host, args)),
        Command::Rollback(args) => runtime.block_on(rollback::run(&host, args)),
        Command::Rollout(args) => runtime.block_on(rollout::run(&host, args)),
        Command::Inspect(args) => runtime.block_on(inspect::run(&host, args)),
        Command::Diff(args) => runtime.block_on(diff::run(&host, args)),
        Command::Contract(args) => runtime.block_on(contract::run(&host, args)),
        Command::CanRoll(args) => runtime.block_on(can_roll::run(&host, args)),
        Command::Accept(args) => runtime.block_on(accept::run(&host, args)),
        Command::Pin(args) => runtime.block_on(pin::run(&host, args)),
        Command::Unpin(args) => runtime.block_on(unpin::run(&host, args)),
        Command::Freeze(args) => runtime.block_on(freeze::run(&host, args)),
        Command::Unfreeze(args) => runtime.block_on(unfreeze::run(&host, args)),
        Command::BreakLease(args) => runtime.block_on(break_lease::run(&host, args)),
        Command::Prune(args) => runtime.block_on(prune::run(&host, args)),
        Command::Verify(args) => runtime.block_on(verify::run(&host, args)),
        Command::Provenance(args) => runtime.block_on(provenance::run(&host, args)),
        Command::Doctor(args) => runtime.block_on(doctor::run(&host, args)),
        Command::Functions(args) => runtime.block_on(functions::run(&host, args)),
        Command::Pull(args) => runtime.block_on(pull::run(&host, args)),
        Command::Exec(args) => {
            let opt = runtime.block_on(exec::prepare(&host, &args))?;
            // A user namespace can only be entered by a process of one thread.
            drop(runtime);
            Err(exec::replace_process(&opt, &args.command))
        }
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(args),
    }
}
