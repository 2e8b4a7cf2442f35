//! Refreshes a layer and dies at one call: `crash_run HOST DEFINITION CALL before|after`.
//!
//! Dying is SIGKILL: no destructor runs, no buffer is flushed. A run that comes to its end prints how many
//! calls there were.

use std::path::Path;

use freshlayer::Retry;
use freshlayer::definition::read_file;
use freshlayer::faults::{Faults, Strike};
use freshlayer_tests::sandbox::{block_on, engine};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, host, definition, call, when] = &arguments[..] else {
        panic!("usage: crash_run HOST DEFINITION CALL before|after");
    };
    let call: u64 = call.parse().expect("a number");
    let strike = if when == "before" { Strike::DieBefore } else { Strike::DieAfter };
    let faults = Faults::new(
        move |number, _| (number == call).then_some(strike),
        || {
            kill(Pid::this(), Signal::SIGKILL).expect("a process may kill itself");
            loop {
                std::thread::park();
            }
        },
    );
    let mut engine = engine(Path::new(host));
    engine.ports = faults.around(&engine.ports);
    let definition = read_file(Path::new(definition), &|_| None).expect("the definition holds");
    let report = block_on(freshlayer::refresh(&engine, &definition, Retry::OnChange));
    println!("{} {:?}", faults.calls(), report.outcome);
}
