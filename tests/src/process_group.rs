//! Child processes that are killed together with all their descendants.
//!
//! A suite starts cargo, which starts a harness, which starts a driver, which starts a
//! browser. Each child leads a process group of its own. After a crash or Ctrl-C the
//! group id finds all remaining processes of the child, and no others.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio, exit};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use wait4::Wait4 as _;

/// The running groups, one for each suite in progress.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The exit code of a shell for a program that is stopped by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// The time between SIGTERM and SIGKILL. A driver uses it to close its browser and remove
/// the profile.
const GRACE: Duration = Duration::from_millis(700);

/// Makes Ctrl-C, SIGTERM and SIGHUP kill the running groups and then exit.
pub(crate) fn kill_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        // Held until the exit, so that no other command starts.
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.is_empty() {
            for &group in running.iter() {
                let _ = killpg(group, Signal::SIGTERM);
            }
            thread::sleep(GRACE);
            for &group in running.iter() {
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
        eprintln!("tests: interrupted");
        exit(INTERRUPTED);
    })
    .context("cannot handle Ctrl-C")
}

/// A running child that leads its own group.
pub(crate) struct ProcessGroup {
    /// `None` once it was waited for.
    child: Option<Child>,
    id: Pid,
}

/// The exit of a child.
pub(crate) struct Exit {
    /// Set if the exit code was 0.
    pub(crate) success: bool,
    /// Processor time of the child and of all descendants that were waited for.
    pub(crate) busy: Duration,
}

impl ProcessGroup {
    /// Starts `command` and returns its standard output as a pipe.
    pub(crate) fn spawn(command: &mut Command) -> Result<(Self, ChildStdout)> {
        // Held across the start, so that Ctrl-C cannot miss the new group.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Waits for the child, then kills its remaining descendants. They may keep the output
    /// open until then.
    pub(crate) fn wait(mut self) -> Result<Exit> {
        let child = self.child.take().context("cannot wait for the child")?;
        let used = child.wait4().context("cannot wait for the child")?;
        Ok(Exit {
            success: used.status.success(),
            busy: used.rusage.utime + used.rusage.stime,
        })
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        RUNNING
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|&id| id != self.id);
        // Fails if no process is left, the normal case.
        if killpg(self.id, Signal::SIGTERM).is_ok() {
            thread::sleep(GRACE);
            let _ = killpg(self.id, Signal::SIGKILL);
        }
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}
