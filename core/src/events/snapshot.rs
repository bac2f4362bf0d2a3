//! A value that is read far more often than it is changed.

use crate::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering, TryLock, lock};

/// A shared value. Readers see the value as it was when they began, even if it is
/// changed while they read.
///
/// The obvious way, a lock around an `Arc` that each reader clones, takes four atomic
/// read-modify-writes per read, which is most of an emit. Here the first reader finds
/// a prepared reference behind a lock that is only ever *tried*: one
/// read-modify-write to take it, and a plain store to return it. A reader that finds
/// it taken, nested or on another thread, falls back to the lock.
pub(super) struct Snapshot<T> {
    current: Mutex<Arc<T>>,
    /// Incremented with each change, under the lock of `current`.
    version: AtomicU64,
    /// A reference to `current` at some version.
    ready: TryLock<Option<(u64, Arc<T>)>>,
}

impl<T: Clone> Snapshot<T> {
    pub(super) fn new(value: T) -> Self {
        Snapshot {
            current: Mutex::new(Arc::new(value)),
            version: AtomicU64::new(0),
            ready: TryLock::new(None),
        }
    }

    /// Calls `read` with the current value. A clone of the `Arc` keeps the value for
    /// longer.
    #[expect(
        clippy::inline_always,
        reason = "a call costs a third of an emit to one listener"
    )]
    #[inline(always)]
    pub(super) fn with<R>(&self, read: impl FnOnce(&Arc<T>) -> R) -> R {
        let guard = StaleGuard {
            snapshot: self,
            version: self.version.load(Ordering::Acquire),
        };
        // Released before `guard` is dropped.
        let Some(mut ready) = self.ready.try_lock() else {
            return read(&self.get());
        };
        let value = match &*ready {
            Some((known, value)) if *known == guard.version => value,
            _ => self.refresh(&mut ready),
        };
        read(value)
    }

    /// Returns the current value.
    pub(super) fn get(&self) -> Arc<T> {
        Arc::clone(&lock(&self.current))
    }

    /// Returns the current value and its [`version`](Self::version).
    pub(super) fn get_versioned(&self) -> (u64, Arc<T>) {
        let current = lock(&self.current);
        // Incremented under the lock, so it is the value's version.
        (self.version.load(Ordering::Relaxed), Arc::clone(&current))
    }

    /// Returns a number that differs after each change.
    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Changes the value. Running readers keep the value they have.
    ///
    /// `change` runs under a lock and must not run user code: it returns the removed
    /// parts for the caller to drop.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut current: MutexGuard<'_, Arc<T>> = lock(&self.current);
        let next = self.version.load(Ordering::Relaxed) + 1;
        self.version.store(next, Ordering::Release);
        // Without another reference the value need not be copied.
        let stale = self.ready.try_lock().and_then(|mut ready| ready.take());
        // Either it is `current`, which stays alive, or it is older and dropping it
        // may run user code, so that happens after the lock.
        let older = stale.filter(|(_, stale)| !Arc::ptr_eq(stale, &current));
        let result = change(Arc::make_mut(&mut current));
        drop(current);
        drop(older);
        result
    }

    #[cold]
    #[inline(never)]
    fn refresh<'a>(&self, ready: &'a mut Option<(u64, Arc<T>)>) -> &'a Arc<T> {
        // Dropped after the lock: it may be the last reference to removed listeners,
        // and dropping those may run user code.
        let _older = ready.take();
        let (_, value) = ready.insert(self.get_versioned());
        value
    }

    #[cold]
    #[inline(never)]
    fn drop_stale(&self) {
        let older = self.ready.try_lock().and_then(|mut ready| ready.take());
        drop(older);
    }
}

/// A guard that frees removed parts as soon as the reader is done, also after a panic,
/// and not only with the next read.
struct StaleGuard<'a, T: Clone> {
    snapshot: &'a Snapshot<T>,
    version: u64,
}

impl<T: Clone> Drop for StaleGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.snapshot.version.load(Ordering::Acquire) != self.version {
            self.snapshot.drop_stale();
        }
    }
}
