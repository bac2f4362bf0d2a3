//! Spawning child processes and reaping adopted orphans.
//!
//! As PID 1 of a container or as a subreaper, this process adopts orphans, which stay
//! zombies until it waits for them. Its own children are waited for by the callers that
//! spawned them. To tell the two apart, all children are spawned with [`spawn_child`].

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

/// The process ids of the children that a caller waits for. Static, because children
/// belong to the whole process.
static OWN_CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Prevents a child from being reaped as an orphan, until the guard is dropped. Created by
/// [`spawn_child`].
#[derive(Debug)]
#[must_use = "the child is reaped as an orphan once the guard is dropped"]
pub struct ChildGuard {
    pid: u32,
}

/// Spawns a process that the caller waits for, in the supervisor.
///
/// As PID 1 of a container, the supervisor waits for every child that no caller waits for.
/// Therefore the functions passed to [`prepare`](crate::Cluster::prepare) spawn processes
/// with this function. Workers need not.
///
/// # Errors
///
/// If the process cannot be started.
pub fn spawn_child(command: &mut Command) -> io::Result<(Child, ChildGuard)> {
    // Locked during the spawn, so that a child that exits immediately is not reaped as an
    // orphan.
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

/// Reaps orphans as they exit, if this process adopts any. Never completes.
pub(crate) async fn reap() -> Infallible {
    #[cfg(target_os = "linux")]
    if linux::adopts_orphans() {
        let Err(cause) = linux::reap().await;
        logging::line(&format!(
            "cannot reap orphaned processes, which stay zombies: {cause}"
        ));
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

    /// The delay before retrying when one of our own children is reported first.
    const RETRY_DELAY: Duration = Duration::from_millis(20);

    pub(crate) fn adopts_orphans() -> bool {
        process::id() == 1 || prctl::get_child_subreaper() == Ok(true)
    }

    pub(crate) async fn reap() -> io::Result<Infallible> {
        let mut child_signals = signal(SignalKind::child())?;
        loop {
            while !reap_exited() {
                sleep(RETRY_DELAY).await;
            }
            child_signals.recv().await;
        }
    }

    /// Reaps the orphans that have exited. Returns false if more may be left: the system
    /// reports one child at a time, and it may report one of our own children that its
    /// caller has not yet waited for.
    fn reap_exited() -> bool {
        loop {
            let own_children = own_children();
            match wait_for_exited(libc::P_ALL, 0, libc::WNOWAIT) {
                Some(pid) if own_children.contains(&pid) => return false,
                Some(pid) => wait_for_exited(libc::P_PID, pid, 0),
                None => return true,
            };
        }
    }

    /// Returns the id of an exited child, if there is one.
    ///
    /// Uses `libc`, because `nix` cannot represent a child killed by a real-time signal.
    fn wait_for_exited(id_type: libc::idtype_t, id: u32, flags: i32) -> Option<u32> {
        let flags = libc::WEXITED | libc::WNOHANG | flags;
        loop {
            // SAFETY: the struct consists of integers and pointers, for which zero is
            // valid.
            let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
            // SAFETY: `info` is valid for writes during the call.
            let result = unsafe { libc::waitid(id_type, id, &raw mut info, flags) };
            match Errno::result(result) {
                // SAFETY: if no child has exited, the field still has its initial value,
                // zero.
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
