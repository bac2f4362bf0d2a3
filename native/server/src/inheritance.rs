//! The sockets that a worker process inherits from the supervisor.
//!
//! The supervisor starts its own program again with the same arguments, and leaves the
//! descriptors of the sockets open in that child only. An environment variable names
//! them. A child of a worker inherits the variable, but not the sockets: therefore the
//! variable also identifies the control channel, and a process is a worker only if it has
//! that very socket.

use crate::{
    listen::{Listener, Listeners},
    turns::{self, Turns},
};
use highwater::scale::WorkerId;
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::stat::{SFlag, fstat},
    unistd::{getpid, getppid},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
        unix::net::UnixStream,
    },
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// The environment variable that makes a process a worker.
pub(crate) const WORKER_VARIABLE: &str = "HIGHWATER_WORKER";

/// The value of the variable, as JSON. Unknown fields are ignored, because the supervisor
/// can be a newer build.
#[derive(Debug, Deserialize, Serialize)]
struct Variable {
    /// The process id of the supervisor.
    supervisor: i32,
    slot: usize,
    generation: u64,
    /// The socket of the service.
    listener: RawFd,
    /// The sockets of other addresses, by name.
    #[serde(default)]
    other_listeners: BTreeMap<String, RawFd>,
    control: RawFd,
    /// Identifies the control channel.
    control_inode: u64,
    /// The descriptor of the turn table, and the worker's entry.
    turns: Option<(RawFd, usize)>,
}

/// The descriptors that a worker inherits.
#[derive(Debug)]
pub(crate) struct WorkerDescriptors {
    pub(crate) id: WorkerId,
    pub(crate) listener: OwnedFd,
    pub(crate) other_listeners: BTreeMap<String, OwnedFd>,
    pub(crate) control: OwnedFd,
    pub(crate) turns: Option<(OwnedFd, usize)>,
}

/// The state that a worker has inherited.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) id: WorkerId,
    pub(crate) listeners: Listeners,
    pub(crate) control: UnixStream,
    pub(crate) turns: Turns,
}

impl WorkerDescriptors {
    /// Returns the value of [`WORKER_VARIABLE`] and the descriptors to leave open in the
    /// child.
    pub(crate) fn into_parts(self) -> io::Result<(OsString, Vec<OwnedFd>)> {
        let variable = Variable {
            supervisor: getpid().as_raw(),
            slot: self.id.slot,
            generation: self.id.generation,
            listener: self.listener.as_raw_fd(),
            other_listeners: {
                let others = self.other_listeners.iter();
                others
                    .map(|(name, it)| (name.clone(), it.as_raw_fd()))
                    .collect()
            },
            control: self.control.as_raw_fd(),
            control_inode: fstat(&self.control)?.st_ino,
            turns: self
                .turns
                .as_ref()
                .map(|(table, entry)| (table.as_raw_fd(), *entry)),
        };
        let mut descriptors = vec![self.listener, self.control];
        descriptors.extend(self.other_listeners.into_values());
        descriptors.extend(self.turns.map(|(table, _)| table));
        Ok((serde_json::to_string(&variable)?.into(), descriptors))
    }
}

/// Takes the sockets that this process inherited. Returns `None` if this process is not a
/// worker.
///
/// # Errors
///
/// If they were already taken, or the system cannot configure them.
pub(crate) fn take() -> Option<io::Result<Inherited>> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    if IS_TAKEN.load(Relaxed) {
        // Otherwise a worker that serves a second time would start a cluster of its own.
        return Some(Err(served_twice()));
    }
    let variable = env::var_os(WORKER_VARIABLE)?;
    let variable: Variable = match serde_json::from_slice(variable.as_bytes()) {
        Ok(variable) => variable,
        // Otherwise a worker of a supervisor that this build does not support would start
        // a cluster of its own.
        Err(cause) => {
            let cause = format!("the variable {WORKER_VARIABLE} is invalid: {cause}");
            return Some(Err(io::Error::other(cause)));
        }
    };
    match is_worker(&variable) {
        // Another thread may have taken them in the meantime.
        Ok(true) if IS_TAKEN.swap(true, Relaxed) => Some(Err(served_twice())),
        Ok(true) => Some(inherit(&variable)),
        Ok(false) => None,
        Err(cause) => Some(Err(cause)),
    }
}

fn served_twice() -> io::Error {
    io::Error::other("a worker serves only once")
}

/// Returns true if this process is the worker that the variable describes, not a child of
/// that worker.
fn is_worker(variable: &Variable) -> io::Result<bool> {
    let is_worker = has_control_channel(variable);
    // Otherwise the worker would start a cluster of its own, whose workers do the same.
    if !is_worker && getppid().as_raw() == variable.supervisor {
        return Err(io::Error::other(
            "the sockets of this worker were closed before it serves",
        ));
    }
    Ok(is_worker)
}

/// Returns true if this process has the control channel that the variable names.
fn has_control_channel(variable: &Variable) -> bool {
    if variable.control < 0 {
        return false;
    }
    // SAFETY: the descriptor is used only for this call, which fails if it is not open.
    let control = unsafe { BorrowedFd::borrow_raw(variable.control) };
    fstat(control).is_ok_and(|stat| {
        SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK
            && stat.st_ino == variable.control_inode
    })
}

fn inherit(variable: &Variable) -> io::Result<Inherited> {
    let take = |descriptor: RawFd| {
        // SAFETY: this process has the control channel, so the supervisor has left this
        // descriptor open for it. It was open before the first line of this program ran,
        // so nothing else in this process has opened it, and it is taken only once.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // The children of this process must not inherit it.
        fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        io::Result::Ok(descriptor)
    };
    let service = Listener::from_descriptor(take(variable.listener)?)?;
    let others = variable.other_listeners.iter();
    let others = others.map(|(name, descriptor)| {
        let listener = Listener::from_descriptor(take(*descriptor)?)?;
        Ok((name.clone(), listener))
    });
    let others = others.collect::<io::Result<_>>()?;
    let turns = match variable.turns {
        Some((table, entry)) => turns::inherit(take(table)?, entry),
        None => Turns::unshared(),
    };
    Ok(Inherited {
        id: WorkerId::new(variable.slot, variable.generation),
        listeners: Listeners { service, others },
        control: take(variable.control)?.into(),
        turns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(control: &UnixStream) -> Variable {
        Variable {
            supervisor: 0,
            slot: 0,
            generation: 1,
            listener: -1,
            other_listeners: BTreeMap::new(),
            control: control.as_raw_fd(),
            control_inode: fstat(control).unwrap().st_ino,
            turns: None,
        }
    }

    #[test]
    fn only_the_named_socket_makes_a_worker() {
        let (own, other) = UnixStream::pair().unwrap();
        assert!(is_worker(&variable(&own)).unwrap());
        let other = Variable {
            control: other.as_raw_fd(),
            ..variable(&own)
        };
        assert!(!is_worker(&other).unwrap(), "another socket");
        let closed = {
            let (own, _) = UnixStream::pair().unwrap();
            variable(&own)
        };
        assert!(!is_worker(&closed).unwrap(), "a closed descriptor");
        let stdin = Variable {
            control: 0,
            ..variable(&own)
        };
        assert!(!is_worker(&stdin).unwrap(), "not a socket");
    }

    #[test]
    fn worker_without_its_sockets_fails() {
        let (own, _) = UnixStream::pair().unwrap();
        let closed = Variable {
            supervisor: getppid().as_raw(),
            control: -1,
            ..variable(&own)
        };
        assert!(is_worker(&closed).is_err());
    }
}
