//! Running servers.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::client::{Client, TIMEOUT};

/// The pause between attempts to connect to a server that starts.
const RETRY_INTERVAL: Duration = Duration::from_micros(200);

/// A server and its child processes, all killed on drop.
pub(super) struct ServerProcess {
    child: Child,
    addr: SocketAddr,
    start_time: Duration,
}

impl ServerProcess {
    /// Starts a server and waits for its first response.
    pub(super) fn start(command: &mut Command, addr: SocketAddr) -> Result<Self> {
        let begin = Instant::now();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // Killed on drop even if it does not respond.
        let mut process = ServerProcess {
            child,
            addr,
            start_time: Duration::ZERO,
        };
        loop {
            let response = Client::connect(addr).and_then(|mut it| it.request().map(drop));
            process.start_time = begin.elapsed();
            match response {
                Ok(()) => return Ok(process),
                Err(error) if process.start_time > TIMEOUT => {
                    return Err(error).context("the server does not respond");
                }
                Err(_) => {}
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("the server exited: {status}");
            }
            thread::sleep(RETRY_INTERVAL);
        }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the time from the start to the first response.
    pub(super) fn start_time(&self) -> Duration {
        self.start_time
    }

    /// Returns the processes that serve: the children, or the process itself.
    pub(super) fn workers(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let children: Vec<u32> = children
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
            .collect();
        if children.is_empty() {
            vec![pid]
        } else {
            children
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Fails only if all processes have exited.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Returns the memory of processes, in MiB. Memory shared with other processes counts in
/// proportion. Returns `None` if a process has exited.
pub(super) fn memory(processes: &[u32]) -> Option<f64> {
    let memory = |process: &u32| {
        let maps = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let size = maps.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        let kibibytes: f64 = size.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes / 1024.0)
    };
    processes.iter().map(memory).sum()
}

/// Returns the CPU time of processes, with all their threads.
pub(super) fn cpu_time(processes: &[u32]) -> Duration {
    let threads = processes
        .iter()
        .filter_map(|process| fs::read_dir(format!("/proc/{process}/task")).ok());
    let times = threads.flatten().flatten().filter_map(|thread| {
        let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_this_process_is_known() {
        assert!(memory(&[std::process::id()]).is_some_and(|size| size > 0.1));
        assert!(memory(&[u32::MAX]).is_none());
    }

    #[test]
    fn cpu_time_of_this_process_grows() {
        let this = [std::process::id()];
        let before = cpu_time(&this);
        let begin = Instant::now();
        while cpu_time(&this) == before {
            assert!(begin.elapsed() < TIMEOUT, "no CPU time is counted");
        }
    }
}
