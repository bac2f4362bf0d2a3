//! A value that is read far more often than it is changed.

use crate::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering, TryLock, lock};

/// Readers see the value as it was when they began, whatever is changed
/// meanwhile, by others or by themselves.
///
/// The plain way, a lock around an `Arc` that each reader clones, costs four
/// atomic read-modify-writes a read, and that is most of an emit. Here the
/// first reader finds a reference ready behind a lock that is only ever *tried*:
/// one read-modify-write to take it, a plain store to give it back. A reader
/// that comes while it is taken, nested in the first or on another thread,
/// takes the plain way.
pub(super) struct Snapshot<T> {
    current: Mutex<Arc<T>>,
    /// Raised with each change, under the lock of `current`.
    version: AtomicU64,
    /// A reference to `current` at some version, or nothing.
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

    /// Reads the value as it is now, for as long as `read` takes; a clone of what
    /// it is handed keeps the value for longer.
    #[expect(
        clippy::inline_always,
        reason = "a call here is a third of an emit to one"
    )]
    #[inline(always)]
    pub(super) fn with<R>(&self, read: impl FnOnce(&Arc<T>) -> R) -> R {
        let after = StaleGuard {
            snapshot: self,
            version: self.version.load(Ordering::Acquire),
        };
        // Given back before `after` is dropped.
        let Some(mut ready) = self.ready.try_lock() else {
            return read(&self.get());
        };
        let value = match &*ready {
            Some((known, value)) if *known == after.version => value,
            _ => self.refresh(&mut ready),
        };
        read(value)
    }

    /// The value as it is now, to keep.
    pub(super) fn get(&self) -> Arc<T> {
        Arc::clone(&lock(&self.current))
    }

    /// The value as it is now, to keep until [`version`](Self::version) is
    /// another.
    pub(super) fn get_versioned(&self) -> (u64, Arc<T>) {
        let current = lock(&self.current);
        // Raised under the lock: it is that of the value.
        (self.version.load(Ordering::Relaxed), Arc::clone(&current))
    }

    /// Another with each change.
    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Changes the value. Readers that have begun keep the one they have.
    ///
    /// `change` runs under a lock, and so must run no code of a user's: it
    /// returns what it removes, for the caller to drop.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut current: MutexGuard<'_, Arc<T>> = lock(&self.current);
        let raised = self.version.load(Ordering::Relaxed) + 1;
        self.version.store(raised, Ordering::Release);
        // Unless a reader has it just now, so that the value is ours alone
        // and need not be copied.
        let stale = self.ready.try_lock().and_then(|mut ready| ready.take());
        // It is either `current`, which lives on, or older, and then its end
        // may run a user's code.
        let older = stale.filter(|(_, stale)| !Arc::ptr_eq(stale, &current));
        let result = change(Arc::make_mut(&mut current));
        drop(current);
        drop(older);
        result
    }

    #[cold]
    #[inline(never)]
    fn refresh<'a>(&self, ready: &'a mut Option<(u64, Arc<T>)>) -> &'a Arc<T> {
        // Dropped last, after the lock: it may be the last reference to what
        // was removed, and that may run a user's code.
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

/// What was removed while somebody read goes when he has, not with the next
/// reader; also if he panicked.
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
