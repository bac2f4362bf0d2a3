//! Reaping orphans: as process 1 of a container, or as a subreaper, this process
//! becomes the parent of processes whose own parent is gone, and they stay as zombies
//! until it waits for them.

#[cfg(target_os = "linux")]
use super::journal::log;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::pending,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::process::{Child, Command};

/// The processes that this one has started. Somebody else waits for their end.
#[derive(Clone, Debug, Default)]
pub(super) struct Children(Arc<Mutex<BTreeSet<u32>>>);

/// A process is one of [`Children`] until this is dropped.
#[derive(Debug)]
pub(super) struct OwnChild {
    pid: u32,
    children: Children,
}

impl Children {
    /// Starts a process, the end of which is for the caller to wait for.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<(Child, OwnChild)> {
        // Held meanwhile, so that it is not taken for an orphan if it ends at once.
        let mut pids = self.pids();
        let child = command.spawn()?;
        let pid = child.id().unwrap_or_default();
        pids.insert(pid);
        let children = self.clone();
        Ok((child, OwnChild { pid, children }))
    }

    fn pids(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        self.children.pids().remove(&self.pid);
    }
}

/// Reaps every orphan that ends, if this process adopts any. Never completes.
pub(super) async fn reap(children: Children) -> Infallible {
    #[cfg(target_os = "linux")]
    if linux::adopts_orphans() {
        let Err(cause) = linux::reap(&children).await;
        log(format!("orphans are not reaped: {cause}"));
    }
    drop(children);
    pending().await
}

#[cfg(target_os = "linux")]
mod linux {
    use super::Children;
    use nix::{errno::Errno, sys::prctl};
    use std::{convert::Infallible, io, mem, process, time::Duration};
    use tokio::{
        signal::unix::{SignalKind, signal},
        time::sleep,
    };

    /// The delay before the next try, if a child of our own is in the way.
    const AGAIN_AFTER: Duration = Duration::from_millis(20);

    pub(super) fn adopts_orphans() -> bool {
        process::id() == 1 || prctl::get_child_subreaper() == Ok(true)
    }

    pub(super) async fn reap(children: &Children) -> io::Result<Infallible> {
        let mut ended = signal(SignalKind::child())?;
        loop {
            while !reap_ended(children) {
                sleep(AGAIN_AFTER).await;
            }
            ended.recv().await;
        }
    }

    /// Reaps the orphans that have ended; whether it got to the last one.
    ///
    /// The system names one ended child at a time. If that is our own, which somebody
    /// else is about to wait for, orphans may be behind it.
    fn reap_ended(children: &Children) -> bool {
        loop {
            let pids = children.pids();
            match wait(libc::P_ALL, 0, libc::WNOWAIT) {
                Some(pid) if pids.contains(&pid) => return false,
                Some(pid) => wait(libc::P_PID, pid, 0),
                None => return true,
            };
        }
    }

    /// A child that has ended, if there is one now.
    ///
    /// Not by `nix`: it has no word for a child that a real-time signal ended.
    fn wait(which: libc::idtype_t, id: u32, flags: i32) -> Option<u32> {
        let flags = libc::WEXITED | libc::WNOHANG | flags;
        loop {
            // SAFETY: it consists of integers and pointers, for which zero is valid.
            let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
            // SAFETY: the system writes to `info`, which lives that long.
            let done = unsafe { libc::waitid(which, id, &raw mut info, flags) };
            match Errno::result(done) {
                // SAFETY: as it was zero before, so is the field if no child ended.
                Ok(_) => {
                    return u32::try_from(unsafe { info.si_pid() })
                        .ok()
                        .filter(|pid| *pid > 0);
                }
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}
