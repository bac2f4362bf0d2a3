//! The synchronisation that events are made of, in one place so that a model
//! checker can stand in for it: with `--cfg loom` it tries every interleaving.

pub(super) use std::sync::Arc;

#[cfg(not(loom))]
pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(loom))]
pub(super) use try_lock::TryLock;

#[cfg(loom)]
pub(super) use self::model::TryLock;
#[cfg(loom)]
pub(super) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// Nothing can panic while one of our locks is held and leave what it guards
/// half-changed, so a poisoned one still guards a whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(loom)]
mod model {
    use super::{Mutex, MutexGuard};

    /// loom's own lock, which is only tried.
    pub(in super::super) struct TryLock<T>(Mutex<T>);

    impl<T> TryLock<T> {
        pub(in super::super) fn new(value: T) -> Self {
            TryLock(Mutex::new(value))
        }

        pub(in super::super) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}
