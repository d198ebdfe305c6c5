use serde::{Deserialize, Serialize};

/// Returns the name of this host, which holders of locks write down for others to read.
#[cfg(unix)]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns the name of this host, which holders of locks write down for others to read.
#[cfg(not(unix))]
pub fn host_name() -> String {
    "unknown".to_owned()
}

/// Names one process of one host, so that another process of the same host can tell whether it still runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// The boot of the kernel, and the namespaces in which the number below means something.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// When it began, in the kernel's ticks: numbers are used again.
    pub began: u64,
}

impl ProcessMark {
    /// Returns this process's. `host` is mixed into the host's identity: whoever gives another one is taken for another host.
    /// `None` where the system does not tell.
    pub fn of_this_process(host: &str) -> Option<Self> {
        let pid = std::process::id();
        Some(ProcessMark { host: identity(host)?, pid, began: began(pid)? })
    }

    /// Tells whether the process has certainly ended: it was one of this host, and its number is nobody's now, or another's. In
    /// doubt (another host, a process that may not be looked at) it is not.
    pub fn has_ended(&self, host: &str) -> bool {
        if identity(host).as_ref() != Some(&self.host) {
            return false;
        }
        match began(self.pid) {
            Some(began) => began != self.began,
            // /proc may hide what is another user's; the kernel's answer to a signal does not.
            None => is_nobody(self.pid),
        }
    }
}

/// The boot's id alone is not enough: containers share it, and each counts its processes for itself.
#[cfg(target_os = "linux")]
fn identity(host: &str) -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).ok();
    // Older kernels have no namespaces of time; on others the ticks are counted from that one's beginning.
    let (processes, time) = (space("pid")?, space("time").unwrap_or_default());
    Some(format!("{host} {} {} {}", boot.trim(), processes.display(), time.display()).trim().to_owned())
}

/// Reads when a process began (proc(5), `stat`, field 22). The name in field 2 may hold anything, brackets too.
#[cfg(target_os = "linux")]
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(target_os = "linux")]
fn is_nobody(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

#[cfg(not(target_os = "linux"))]
fn identity(_host: &str) -> Option<String> {
    None
}

#[cfg(not(target_os = "linux"))]
fn began(_pid: u32) -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn is_nobody(_pid: u32) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn only_a_process_of_this_host_that_is_gone_has_ended() {
        let own = ProcessMark::of_this_process("").unwrap();
        assert!(!own.has_ended(""));
        assert!(ProcessMark { began: own.began + 1, ..own.clone() }.has_ended(""), "the number is another's by now");
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mark = ProcessMark { pid: child.id(), began: began(child.id()).unwrap(), ..own.clone() };
        assert!(!mark.has_ended(""));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(mark.has_ended(""));
        assert!(!mark.has_ended("another"), "of another host nothing is known");
        assert!(!ProcessMark { host: "elsewhere".to_owned(), ..mark }.has_ended(""));
    }
}
