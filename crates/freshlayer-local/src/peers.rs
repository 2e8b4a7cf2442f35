use std::fs;

use freshlayer::ports::Peers;

/// Publishers that are processes of this machine.
///
/// An owner is `host:process:start:boot`: a process id alone is used again.
#[derive(Debug, Clone)]
pub struct ProcessPeers {
    host: String,
    boot: String,
}

impl ProcessPeers {
    /// Reads this machine's name and boot id.
    pub fn of_this_machine() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        // Process ids mean the same only within one boot and one namespace.
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let namespace = namespace.to_string_lossy().replace(|c: char| !c.is_ascii_digit(), "");
        let boot: String = boot.trim().chars().take(8).collect();
        let boot = format!("{boot}-{namespace}");
        Self { host: host.trim().replace(':', "-"), boot }
    }

    /// Returns this machine's name.
    pub fn machine(&self) -> &str {
        &self.host
    }

    /// Returns the name under which this process takes leases.
    pub fn own_name(&self) -> String {
        let process = std::process::id();
        let start = start_of(process).unwrap_or_default();
        format!("{}:{process}:{start}:{}", self.host, self.boot)
    }
}

impl Peers for ProcessPeers {
    fn is_gone(&self, owner: &str) -> bool {
        let parts: Vec<&str> = owner.split(':').collect();
        let [host, process, start, boot] = parts[..] else {
            return false;
        };
        let Ok(process) = process.parse::<u32>() else {
            return false;
        };
        // Where other users' processes are hidden, a missing one says nothing.
        let hidden = start_of(1).is_none();
        if host != self.host || boot != self.boot || start.is_empty() || hidden {
            return false;
        }
        start_of(process).as_deref() != Some(start)
    }
}

/// When a process started, in clock ticks since the boot: the 22nd field of `/proc/<pid>/stat`. The second
/// field is a name in parentheses that may hold anything, so fields are counted behind it.
fn start_of(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let behind_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = behind_name.split_whitespace();
    let is_zombie = fields.next()? == "Z";
    if is_zombie {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certain_deaths_count() {
        let peers = ProcessPeers::of_this_machine();
        let own = peers.own_name();
        assert!(!peers.is_gone(&own), "{own} runs");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let start = start_of(child.id()).expect("it runs");
        let owner = format!("{}:{}:{start}:{}", peers.host, child.id(), peers.boot);
        assert!(!peers.is_gone(&owner), "{owner} runs");
        child.kill().expect("it can be killed");
        assert!(peers.is_gone(&owner) || child.wait().is_ok_and(|_| peers.is_gone(&owner)));
        child.wait().expect("it ends");
        assert!(!peers.is_gone("elsewhere:1:1:1"), "another machine");
        assert!(!peers.is_gone("arn:aws:lambda"), "another kind of publisher");
    }
}
