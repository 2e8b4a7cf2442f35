//! Runs a command with layers at the real `/opt`.
//!
//! A user and mount namespace gives the command its own `/opt`: no other process sees it, and it ends
//! with the command. Where the system forbids that, the command gets `FRESHLAYER_ROOT` instead, and a
//! line on standard error says so.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use freshlayer_local::merged_opt;
use freshlayer_reader::{DEFAULT_ROOT, ROOT_VARIABLE};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getgid, getuid};

use crate::arguments::Target;
use crate::output::{Stopped, say};
use crate::references::{FunctionReference, LayerReference};
use crate::wiring::Host;

/// How shells end where a program does not exist, and where it cannot be executed. Source: POSIX,
/// Shell Command Language, 2.8.2.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Run a command with layers at /opt, merged in list order: a later layer wins.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers: `NAME` for its current release, `NAME:VERSION` for a layer version by its number or for a data version such
    /// as 1.0.3, or the ARN of a layer version.
    #[arg(required_unless_present = "function")]
    layers: Vec<String>,
    /// All layers of a function, in its order: `NAME`, or `NAME:ALIAS`.
    #[arg(long, value_name = "FUNCTION", conflicts_with = "layers")]
    function: Option<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<String>,
}

/// Merges the layers, or those of a function, into one folder, in list order.
pub(crate) async fn prepare(host: &Host, args: &Args) -> Result<PathBuf, Stopped> {
    let layers = match &args.function {
        Some(function) => FunctionReference::parse(function)?.layers(host).await?,
        None => LayerReference::parse_all(&args.layers)?,
    };
    let opt = match host.target {
        Target::Local => {
            let mut versions = Vec::new();
            for layer in &layers {
                versions.push(layer.layer_version(host).await?);
            }
            merged_opt(&host.registry(), &versions, &host.merged())
        }
        Target::Aws => {
            let mut zips = Vec::new();
            for layer in &layers {
                let found = super::pull::fetch(host, layer).await?;
                zips.push((found.layer, found.zip));
            }
            freshlayer_local::merged_zips(&zips, &host.merged())
        }
    };
    let opt = opt.map_err(|error| Stopped::failed(error.to_string()))?;
    std::path::absolute(&opt)
        .map_err(|error| Stopped::failed(format!("failed to find {}: {error}", opt.display())))
}

/// Becomes the command; returns only where the command cannot be started.
pub(crate) fn replace_process(opt: &Path, command: &[String]) -> Stopped {
    let Some((program, arguments)) = command.split_first() else {
        return Stopped::usage("expected a command after --");
    };
    let mut process = Command::new(program);
    process.args(arguments);
    match mount_at_opt(opt) {
        Ok(()) => {
            process.env_remove(ROOT_VARIABLE);
            with_paths(&mut process, Path::new(DEFAULT_ROOT));
        }
        Err(reason) => {
            say(&format!(
                "freshlayer: {DEFAULT_ROOT} cannot be mounted here ({reason}); the command gets \
                 {ROOT_VARIABLE}={} instead\n",
                opt.display()
            ));
            process.env(ROOT_VARIABLE, opt);
            with_paths(&mut process, opt);
        }
    }
    let error = process.exec();
    let code = match error.kind() {
        ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    Stopped::with_code(code, format!("failed to start {program}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "the command gets its own environment back")]
/// Puts `bin` and `lib` before the command's own paths, as Lambda does.
fn with_paths(process: &mut Command, root: &Path) {
    for (variable, folder) in [("PATH", "bin"), ("LD_LIBRARY_PATH", "lib")] {
        let mut path = OsString::from(root.join(folder));
        if let Some(own) = std::env::var_os(variable).filter(|own| !own.is_empty()) {
            path.push(":");
            path.push(own);
        }
        process.env(variable, path);
    }
}

fn mount_at_opt(opt: &Path) -> Result<(), String> {
    if !Path::new(DEFAULT_ROOT).is_dir() {
        return Err(format!("there is no folder {DEFAULT_ROOT}"));
    }
    let (user, group) = (getuid(), getgid());
    let failed = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    new_namespaces().map_err(failed("user and mount namespace"))?;
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{user} {user} 1")),
        ("/proc/self/gid_map", format!("{group} {group} 1")),
    ] {
        std::fs::write(file, text).map_err(|error| format!("{file}: {error}"))?;
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(failed("private mounts"))?;
    mount(Some(opt), DEFAULT_ROOT, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .map_err(failed("bind mount"))?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(none, DEFAULT_ROOT, none, read_only | kept_flags(), none)
        .map_err(failed("read-only mount"))
}

/// Enters new namespaces. The kernel refuses a process of two threads, and a thread that was joined may
/// not have left it yet: so this is tried for a moment.
fn new_namespaces() -> nix::Result<()> {
    const TRIES: u32 = 200;
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        match unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS) {
            Err(nix::Error::EINVAL) => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
}

/// A user namespace may not take these away from a mount, so a remount has to repeat them.
fn kept_flags() -> MsFlags {
    let Ok(found) = statvfs(DEFAULT_ROOT) else {
        return MsFlags::empty();
    };
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = pairs.into_iter().filter(|(flag, _)| found.flags().contains(*flag));
    kept.map(|(_, flag)| flag).collect()
}
