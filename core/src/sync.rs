//! The crate's synchronisation primitives: std's, or loom's with `--cfg loom`.
//!
//! Modules import them from here, so that the model checker can explore every
//! interleaving.

pub(crate) use std::sync::Arc;

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};
#[cfg(not(loom))]
pub(crate) use try_lock::TryLock;

#[cfg(loom)]
pub(crate) use self::model::TryLock;
#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Keeps a value on cache lines of its own, so that threads that change its neighbours
/// do not slow down its users. Two lines of 64 bytes, because processors also fetch the
/// adjacent one.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    pub(crate) fn new(value: T) -> Self {
        CachePadded(value)
    }
}

impl<T> std::ops::Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Locks a mutex and ignores poisoning.
///
/// The crate runs no code that can panic while it holds a lock, so the data is
/// consistent even if the mutex is poisoned.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(loom)]
mod model {
    use super::{AtomicBool, Ordering};
    use std::{
        ops::{Deref, DerefMut},
        sync::{Mutex, MutexGuard},
    };

    /// A lock without a blocking `lock`.
    ///
    /// Loom's `Mutex` does not work here: its `try_lock` blocks until the lock is
    /// released, so loom reports deadlocks that cannot happen.
    pub(crate) struct TryLock<T> {
        is_taken: AtomicBool,
        /// Only accessed by the thread that has set `is_taken`.
        value: Mutex<T>,
    }

    pub(crate) struct TryLockGuard<'a, T> {
        value: MutexGuard<'a, T>,
        /// Dropped last.
        _release: ReleaseOnDrop<'a>,
    }

    struct ReleaseOnDrop<'a>(&'a AtomicBool);

    impl<T> TryLock<T> {
        pub(crate) fn new(value: T) -> Self {
            TryLock {
                is_taken: AtomicBool::new(false),
                value: Mutex::new(value),
            }
        }

        pub(crate) fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
            // Not a swap: a failed swap also stores, and loom orders that store after a
            // release it did not see. No real memory model allows that.
            self.is_taken
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .ok()?;
            let release = ReleaseOnDrop(&self.is_taken);
            let value = self.value.try_lock().ok()?;
            Some(TryLockGuard {
                value,
                _release: release,
            })
        }
    }

    impl Drop for ReleaseOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(false, Ordering::Release);
        }
    }

    impl<T> Deref for TryLockGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.value
        }
    }

    impl<T> DerefMut for TryLockGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.value
        }
    }
}
