//! `rollout status --watch` from the outside: what it prints while others work on the rollout, and how it ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use freshlayer::ports::Clock;
use freshlayer::report::{Exit, Why};
use freshlayer::{
    Coming, RolloutGlance, RolloutOrder, order_rollout, rollout_glance, rollout_status,
};
use freshlayer_tests::sandbox::{Ran, Sandbox, layer_name};
use freshlayer_tests::simulated::NewFunction;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli_output::{lines, on_a_terminal};
use crate::refresh::{GEO, released};
use crate::simulated::{World, block_on, pace, version};
use crate::way_back::next_build;

const WATCH: [&str; 4] = ["rollout", "status", "geo", "--watch"];

/// Two functions, one of which has release 2 and is watched for five minutes.
pub(crate) fn baking() -> Sandbox {
    let sandbox = released();
    sandbox.layer("geo", &format!("rollout.preset = 'fast'\n{GEO}"));
    next_build(&sandbox, 3);
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    sandbox
}

fn order(sandbox: &Sandbox, arguments: &[&str]) {
    let ran = sandbox.cli(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
}

/// Gives a command its Ctrl-C back, which those that run in the background ignore.
fn with_ctrl_c(command: &Command) -> Command {
    let mut own = Command::new("env");
    own.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => own.env(name, value),
            None => own.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        own.current_dir(folder);
    }
    own
}

/// A watch that runs.
struct Watch {
    child: Child,
    coming: Receiver<String>,
    lines: Vec<String>,
}

impl Watch {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = with_ctrl_c(&sandbox.command(&WATCH));
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (said, coming) = channel();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| said.send(line))
        });
        Self { child, coming, lines: Vec::new() }
    }

    /// Waits until a line holds some words.
    fn says(&mut self, words: &str) -> &mut Self {
        let patience = Duration::from_secs(20);
        while !self.lines.last().is_some_and(|line| line.contains(words)) {
            let line = self.coming.recv_timeout(patience);
            let line = line.unwrap_or_else(|_| panic!("no line with {words:?}: {:#?}", self.lines));
            self.lines.push(line);
        }
        self
    }

    /// Waits for the end. No line was printed twice, and none holds an escape code.
    fn ends(mut self) -> Ran {
        loop {
            match self.coming.recv_timeout(Duration::from_mins(1)) {
                Ok(line) => self.lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().expect("it runs");
                    panic!("it does not end: {:#?}", self.lines);
                }
            }
        }
        let mut stderr = String::new();
        let errors = self.child.stderr.as_mut().expect("it is piped");
        errors.read_to_string(&mut stderr).expect("it is text");
        let status = self.child.wait().expect("it ends");
        let mut once = self.lines.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), self.lines.len(), "a line stands twice: {:#?}", self.lines);
        let stdout = self.lines.join("\n");
        assert!(!stdout.contains('\u{1b}'), "{stdout}");
        Ran { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

#[test]
fn it_prints_what_changes_and_ends_when_the_release_is_stable() {
    let sandbox = baking();
    let mut watch = Watch::start(&sandbox);
    watch.says("geo: rollout 2 to release 2, begun ");
    watch.says("1 function (aliased): watched until ").says("later: 1 more");
    watch.says("next: wave 2 opens");
    order(&sandbox, &["rollout", "promote", "geo"]);
    watch
        .says("next: run `freshlayer refresh geo`: it moves every function, without further waves");
    order(&sandbox, &["refresh"]);
    let ran = watch.ends();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.ends_with("\ngeo: the rollout is over: release 2 is stable"), "{ran:?}");
    let again = sandbox.cli(&WATCH);
    assert_eq!((again.code, again.stdout.as_str()), (0, "geo: no open rollout\n"), "{again:?}");
}

#[test]
fn it_ends_with_the_exit_code_of_a_held_layer_where_the_rollout_waits_for_a_person() {
    let sandbox = baking();
    let mut watch = Watch::start(&sandbox);
    watch.says("next: wave 2 opens");
    order(&sandbox, &["rollout", "pause", "geo", "--reason", "incident"]);
    let ran = watch.ends();
    assert_eq!((ran.code, ran.stderr.as_str()), (4, ""), "{ran:?}");
    for words in ["geo: the rollout is paused since ", "(incident)", "rollout resume geo`"] {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
    let before = files(&sandbox.path("host/state"));
    let again = sandbox.cli(&WATCH);
    assert_eq!(again.code, 4, "{again:?}");
    assert!(again.stdout.contains("1 function (aliased): waits for a person\n"), "{again:?}");
    assert!(before == files(&sandbox.path("host/state")), "a watch changes nothing");
    order(&sandbox, &["rollout", "resume", "geo"]);
    order(&sandbox, &["freeze", "geo"]);
    let frozen = sandbox.cli(&WATCH);
    assert_eq!(frozen.code, 4, "{frozen:?}");
    assert!(frozen.stdout.contains("\ngeo: frozen since "), "{frozen:?}");
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let entries =
        std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable"));
    let found = entries.flat_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return files(&path);
        }
        let bytes = std::fs::read(&path).expect("readable");
        [(path, bytes)].into()
    });
    found.collect()
}

#[test]
fn it_follows_a_rollout_that_goes_back() {
    let sandbox = baking();
    let mut watch = Watch::start(&sandbox);
    watch.says("next: wave 2 opens");
    order(&sandbox, &["rollout", "abort", "geo"]);
    let ran = watch.ends();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.contains("\ngeo: rollout 3 to release 1 (rollback), begun "), "{ran:?}");
    assert!(ran.stdout.contains("\ngeo: functions are back on release 1; "), "{ran:?}");
}

#[test]
fn ctrl_c_ends_it_quietly() {
    let sandbox = baking();
    let mut watch = Watch::start(&sandbox);
    watch.says("next: wave 2 opens");
    let process = Pid::from_raw(watch.child.id().try_into().expect("a process id"));
    kill(process, Signal::SIGINT).expect("it runs");
    let said = watch.lines.len();
    let ran = watch.ends();
    assert_eq!((ran.code, ran.stderr.as_str()), (-1, ""), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), said, "nothing more is said: {ran:?}");
}

#[test]
fn it_is_lines_and_no_document() {
    let sandbox = baking();
    let ran = sandbox.cli(&[&WATCH[..], &["--json"]].concat());
    assert_eq!(ran.code, 2, "{ran:?}");
    let words = "`--watch` shows lines, and `--json` prints one document";
    assert!(ran.json()["error"].to_string().contains(words), "{ran:?}");
}

#[test]
fn on_a_terminal_the_bake_counts_down_in_place() {
    let sandbox = baking();
    let shown = std::thread::scope(|scope| {
        let watch = scope.spawn(|| on_a_terminal(sandbox.command(&WATCH), 100));
        std::thread::sleep(Duration::from_millis(2_500));
        order(&sandbox, &["rollout", "pause", "geo"]);
        watch.join().expect("it ends")
    });
    assert!(shown.contains('\u{1b}'), "it is drawn over: {shown:?}");
    let lines = lines(&shown);
    let mut left: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split_once(" UTC, ")?.1.split_once(" left"))
        .map(|(left, _)| left)
        .collect();
    left.dedup();
    assert!(left.len() > 1, "each second counts: {lines:#?}");
    assert!(
        left.iter().all(|left| left.starts_with("4 min ") || *left == "5 min 00 s"),
        "{left:?}"
    );
    let last = lines.iter().rfind(|line| !line.trim().is_empty()).expect("it says something");
    assert!(last.starts_with("geo: the rollout is paused since "), "{last}");
}

async fn glance(world: &World) -> RolloutGlance {
    let engine = world.engine(&world.aws, "a person", pace());
    rollout_glance(&engine, &world.definition).await.expect("readable")
}

/// The state alone tells what the planner says who has asked every function; but it asks none.
#[test]
fn the_state_tells_what_comes_next_as_the_planner_does() {
    block_on(async {
        let world = World::of("rollout.preset = 'standard'\n");
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        for number in 0..10 {
            let new = NewFunction { layers: &[version(1)], ..NewFunction::default() };
            world.aws.function(&format!("f{number}"), &new);
        }
        world.build(3);
        let engine = world.engine(&world.aws, "a person", pace());
        for later in [9, 5, 0] {
            world.refresh(&world.aws).await;
            world.aws.called();
            let glance = glance(&world).await;
            let called = world.aws.called();
            assert!(called.iter().all(|call| call == "GetObject"), "{called:?}");
            assert!(called.len() <= 2, "the head and the rollout: {called:?}");
            let Coming::Waits(why @ Why::Bakes { until, .. }) = &glance.coming else {
                panic!("it bakes: {glance:#?}")
            };
            let status = rollout_status(&engine, &world.definition).await.expect("readable");
            let open = status.open.expect("it is open");
            let rollout = glance.newest.as_ref().expect("it is there");
            assert_eq!((rollout.later(), open.later), (later, later));
            assert_eq!((why.to_string(), Some(*until)), (open.next, open.watched_until));
            let left = until.duration_since(Clock::now(&world.aws.clock()));
            tokio::time::sleep(left.unsigned_abs() + Duration::from_secs(1)).await;
            assert_eq!(self::glance(&world).await.coming, Coming::NextRun);
        }
        let geo = layer_name("geo");
        order_rollout(&engine, &geo, RolloutOrder::Pause, "a person", None).await.expect("open");
        assert!(matches!(glance(&world).await.coming, Coming::Held(Why::Paused { .. })));
        order_rollout(&engine, &geo, RolloutOrder::Promote, "a person", None).await.expect("open");
        assert_eq!(glance(&world).await.coming, Coming::Promoted);
        world.refresh(&world.aws).await;
        let glance = glance(&world).await;
        assert_eq!((glance.coming, glance.stable), (Coming::Closed, Some(2)));
    });
}

/// 2026-11-01 is a Sunday.
#[test]
fn the_state_tells_when_the_window_opens() {
    block_on(async {
        let window = "{ days = ['mon'], from = '09:00', until = '09:40' }";
        let world = World::of(&format!("rollout.preset = 'fast'\nrollout.window = {window}\n"));
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        let new = NewFunction { layers: &[version(1)], ..NewFunction::default() };
        world.aws.function("f", &new);
        world.build(3);
        world.refresh(&world.aws).await;
        let glance = glance(&world).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let status = rollout_status(&engine, &world.definition).await.expect("readable");
        let Coming::Waits(why) = &glance.coming else { panic!("it waits: {glance:#?}") };
        assert!(matches!(why, Why::OutsideWindow { .. }), "{why:?}");
        assert_eq!(glance.next(), Some(status.open.expect("it is open").next));
    });
}
