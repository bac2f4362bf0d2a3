//! Child processes that are killed with all their descendants.
//!
//! A suite starts cargo, which starts a harness, which starts a driver, which starts a
//! browser. Each child leads its own process group. After a crash or Ctrl-C, the group
//! id identifies exactly the remaining processes of that child.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio, exit};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use wait4::Wait4 as _;

/// The running process groups, one per running suite.
static RUNNING_GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The exit code that shells report for a program stopped by Ctrl-C.
const INTERRUPTED_EXIT_CODE: i32 = 130;

/// The time between SIGTERM and SIGKILL, in which a driver closes its browser and
/// removes the profile.
const GRACE_PERIOD: Duration = Duration::from_millis(700);

/// Installs a handler for Ctrl-C, SIGTERM and SIGHUP that kills the running groups and
/// exits.
pub(crate) fn kill_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        // Locked until the process exits, so that no other command starts.
        let running = RUNNING_GROUPS
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !running.is_empty() {
            for &group in running.iter() {
                let _ = killpg(group, Signal::SIGTERM);
            }
            thread::sleep(GRACE_PERIOD);
            for &group in running.iter() {
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
        eprintln!("tests: interrupted");
        exit(INTERRUPTED_EXIT_CODE);
    })
    .context("cannot handle Ctrl-C")
}

/// A running child that leads its own process group.
pub(crate) struct ProcessGroup {
    /// `None` once the child was waited for.
    child: Option<Child>,
    id: Pid,
}

/// The exit status and resource use of a child.
pub(crate) struct Exit {
    /// Set if the exit code was 0.
    pub(crate) success: bool,
    /// CPU time of the child and of all descendants that were waited for.
    pub(crate) cpu_time: Duration,
}

impl ProcessGroup {
    /// Starts `command` and returns its standard output as a pipe.
    pub(crate) fn spawn(command: &mut Command) -> Result<(Self, ChildStdout)> {
        // Locked while starting the child, so that Ctrl-C cannot miss the new group.
        let mut running = RUNNING_GROUPS
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let stdout = child
            .stdout
            .take()
            .context("the child has no standard output")?;
        let id =
            Pid::from_raw(i32::try_from(child.id()).context("the process id is out of range")?);
        running.push(id);
        let child = Some(child);
        Ok((Self { child, id }, stdout))
    }

    /// Waits for the child, then kills its remaining descendants, which may keep the
    /// output open until then.
    pub(crate) fn wait(mut self) -> Result<Exit> {
        let child = self.child.take().context("cannot wait for the child")?;
        let result = child.wait4().context("cannot wait for the child")?;
        Ok(Exit {
            success: result.status.success(),
            cpu_time: result.rusage.utime + result.rusage.stime,
        })
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        RUNNING_GROUPS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|&id| id != self.id);
        // Fails in the normal case, when no process is left.
        if killpg(self.id, Signal::SIGTERM).is_ok() {
            thread::sleep(GRACE_PERIOD);
            let _ = killpg(self.id, Signal::SIGKILL);
        }
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}
