use std::path::Path;
use std::time::Duration;

use freshlayer_reader::DEFAULT_ROOT;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getgid, getuid};

/// Moves this process to namespaces of its own, and mounts a folder at their `/opt`, read-only.
pub(super) fn mount_at_opt(opt: &Path) -> Result<(), String> {
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

/// A user namespace may not take these away from a mount, so a remount has to repeat them. How access times are kept needs no
/// flag: a remount that names none leaves it as it is, since Linux 3.17.
fn kept_flags() -> MsFlags {
    let Ok(found) = statvfs(DEFAULT_ROOT) else {
        return MsFlags::empty();
    };
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    ];
    let kept = pairs.into_iter().filter(|(flag, _)| found.flags().contains(*flag));
    kept.map(|(_, flag)| flag).collect()
}
