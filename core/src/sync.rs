//! The synchronisation that the modules are made of, in one place so that a
//! model checker can stand in for it: with `--cfg loom` it tries every
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

/// Nothing can panic while one of our locks is held and leave what it guards
/// half-changed, so a poisoned one still guards a whole.
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

    /// A lock that is only tried. Not loom's own: a thread about to *try* that
    /// is held up by who has it, and so runs into deadlocks that are none.
    pub(crate) struct TryLock<T> {
        is_taken: AtomicBool,
        /// Whoever has taken it has this to himself.
        value: Mutex<T>,
    }

    pub(crate) struct Taken<'a, T> {
        value: MutexGuard<'a, T>,
        /// Dropped last.
        _turn: Turn<'a>,
    }

    struct Turn<'a>(&'a AtomicBool);

    impl<T> TryLock<T> {
        pub(crate) fn new(value: T) -> Self {
            TryLock {
                is_taken: AtomicBool::new(false),
                value: Mutex::new(value),
            }
        }

        pub(crate) fn try_lock(&self) -> Option<Taken<'_, T>> {
            // Not a swap: loom lets what a swap in vain stores come after the
            // release it did not see, which no real one may.
            self.is_taken
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .ok()?;
            let turn = Turn(&self.is_taken);
            let value = self.value.try_lock().ok()?;
            Some(Taken { value, _turn: turn })
        }
    }

    impl Drop for Turn<'_> {
        fn drop(&mut self) {
            self.0.store(false, Ordering::Release);
        }
    }

    impl<T> Deref for Taken<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.value
        }
    }

    impl<T> DerefMut for Taken<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.value
        }
    }
}
