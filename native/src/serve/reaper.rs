//! The processes that this one starts, and orphans that it adopts.
//!
//! As process 1 of a container, or as a subreaper, this process becomes the parent of
//! processes whose own_children parent is gone, and they stay as zombies until it waits for
//! them. Those that it has started itself are waited for by whoever started them, so
//! all of them are started by [`spawn`].

#[cfg(target_os = "linux")]
use crate::logging;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::pending,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::process::{Child, Command};

/// The ids of processes that somebody waits for. Static, since reaper belong to the
/// whole process.
static OWN_CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Keeps a child from being reaped as an orphan until it is dropped.
#[derive(Debug)]
pub(super) struct ChildGuard {
    pid: u32,
}

/// Starts a process whose exit the caller waits for.
pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, ChildGuard)> {
    // Held meanwhile, so that it is not taken for an orphan if it ends at once.
    let mut own_children = own_children();
    let child = command.spawn()?;
    let pid = child.id().unwrap_or_default();
    own_children.insert(pid);
    Ok((child, ChildGuard { pid }))
}

fn own_children() -> MutexGuard<'static, BTreeSet<u32>> {
    OWN_CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        own_children().remove(&self.pid);
    }
}

/// Reaps every orphan that ends, if this process adopts any. Never completes.
pub(super) async fn reap() -> Infallible {
    #[cfg(target_os = "linux")]
    if linux::adopts_orphans() {
        let Err(cause) = linux::reap().await;
        logging::line(&format!("orphans are not reaped: {cause}"));
    }
    pending().await
}

#[cfg(target_os = "linux")]
mod linux {
    use super::own_children;
    use nix::{errno::Errno, sys::prctl};
    use std::{convert::Infallible, io, mem, process, time::Duration};
    use tokio::{
        signal::unix::{SignalKind, signal},
        time::sleep,
    };

    /// The delay before the next try, if a child of our own_children is in the way.
    const AGAIN_AFTER: Duration = Duration::from_millis(20);

    pub(super) fn adopts_orphans() -> bool {
        process::id() == 1 || prctl::get_child_subreaper() == Ok(true)
    }

    pub(super) async fn reap() -> io::Result<Infallible> {
        let mut ended = signal(SignalKind::child())?;
        loop {
            while !reap_ended() {
                sleep(AGAIN_AFTER).await;
            }
            ended.recv().await;
        }
    }

    /// Reaps the orphans that have ended; whether it got to the last one.
    ///
    /// The system names one ended child at a time. If that is our own_children, which somebody
    /// else is about to wait for, orphans may be behind it.
    fn reap_ended() -> bool {
        loop {
            let own_children = own_children();
            match wait(libc::P_ALL, 0, libc::WNOWAIT) {
                Some(pid) if own_children.contains(&pid) => return false,
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
