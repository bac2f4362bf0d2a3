//! One child and everything it starts, ended together.
//!
//! A suite starts cargo, which starts a harness, which starts a driver, which
//! starts a browser. Each child of ours leads a process group of its own, so
//! that whatever it left behind, be it by a crash or by Ctrl-C, can be found and
//! ended by one number, and nothing that we did not start ever is.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio, exit};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use wait4::Wait4 as _;

/// The groups that run now: one for each suite that is under way.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// What a shell returns for a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// How long a group may take to end when asked politely. A driver uses it to
/// close its browser and remove the profile.
const GRACE: Duration = Duration::from_millis(700);

/// Has Ctrl-C (and SIGTERM, and SIGHUP) end the running groups, then us.
pub(crate) fn end_with_us() -> Result<()> {
    ctrlc::set_handler(|| {
        // Held until we are gone, so that no next command is started meanwhile.
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
pub(crate) struct Group {
    /// Until it was waited for.
    child: Option<Child>,
    id: Pid,
}

/// How a child ended.
pub(crate) struct Ended {
    /// Whether it exited with zero.
    pub(crate) success: bool,
    /// How long processors were busy with it, and with all below it that was
    /// waited for.
    pub(crate) busy: Duration,
}

impl Group {
    /// Starts `command`, with its standard output to be read by us.
    pub(crate) fn spawn(command: &mut Command) -> Result<(Self, ChildStdout)> {
        // Held over the start, so that Ctrl-C cannot fall between it and the
        // note of it.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let stdout = child.stdout.take().context("the child has no output")?;
        let id = Pid::from_raw(i32::try_from(child.id()).context("an odd process id")?);
        running.push(id);
        let child = Some(child);
        Ok((Self { child, id }, stdout))
    }

    /// Waits for the child, then ends whatever it left running. Until then its
    /// output may stay open.
    pub(crate) fn wait(mut self) -> Result<Ended> {
        let child = self.child.take().context("lost the child")?;
        let used = child.wait4().context("lost the child")?;
        Ok(Ended {
            success: used.status.success(),
            busy: used.rusage.utime + used.rusage.stime,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        RUNNING
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|&id| id != self.id);
        // Fails when nobody is left, which is how it should be.
        if killpg(self.id, Signal::SIGTERM).is_ok() {
            thread::sleep(GRACE);
            let _ = killpg(self.id, Signal::SIGKILL);
        }
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}
