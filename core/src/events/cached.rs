//! An emitter's handle for one busy loop.

use super::{EmitError, Emitter, listener::InfallibleCall, listener_list::ListenerList};
use std::{fmt, sync::Arc};

/// An [`Emitter`] for a loop that emits all the time: it keeps the list of
/// listeners from one emit to the next, and looks only whether it has changed.
///
/// An [`Emitter`] may be used from any thread at any time, and pays for that
/// with an atomic exchange in each emit, which is more than all the rest of an
/// emit to one listener. This is one thread's own (`emit` takes `&mut self`), and
/// pays with two loads. Where no listener can fail, because each returns `()`,
/// it also has a shorter way to each. What that makes on your machine, beside
/// Node: `cargo run --release -p tests -- bench events`.
///
/// The rules are the [emitter's](super), with one exception: a listener that
/// was removed is not called again, but what it holds is dropped only with the
/// next emit by this handle, or with the handle. So let it go, or emit now and
/// then: do not keep one that rests. A listener that emits in turn does so on
/// the emitter.
///
/// ```
/// use highwater::events::Emitter;
///
/// let emitter: Emitter<u64> = Emitter::new();
/// let subscription = emitter.on("sum", |_| ());
///
/// let mut readings = emitter.cached();
/// for reading in 0..1000 {
///     assert_eq!(readings.emit(&reading).unwrap(), 1);
/// }
/// subscription.cancel();
/// assert_eq!(readings.emit(&1000).unwrap(), 0, "it sees every change");
/// ```
pub struct CachedEmitter<E: ?Sized> {
    emitter: Emitter<E>,
    version: u64,
    list: Arc<ListenerList<E>>,
    /// The way to each listener, if none can fail and an emit need only call
    /// one after the other.
    infallible: Option<Vec<InfallibleCall<E>>>,
}

impl<E: ?Sized + 'static> Emitter<E> {
    /// This emitter, for a loop that emits all the time.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let mut cached = emitter.cached();
    /// emitter.on("late", |_| ()).detach();
    /// assert_eq!(cached.emit(&1).unwrap(), 1, "it sees who came after it");
    /// ```
    #[must_use]
    pub fn cached(&self) -> CachedEmitter<E> {
        let (version, list) = self.shared.list.get_versioned();
        CachedEmitter {
            emitter: self.clone(),
            version,
            infallible: list.infallible_calls(),
            list,
        }
    }
}

impl<E: ?Sized + 'static> CachedEmitter<E> {
    /// Hands an event to every listener, in order, and says how many ran:
    /// [`Emitter::emit`].
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("digit", |n| if *n > 9 { Err("too much") } else { Ok(()) }).detach();
    /// let mut cached = emitter.cached();
    /// assert_eq!(cached.emit(&9).unwrap(), 1);
    /// assert_eq!(cached.emit(&10).unwrap_err().failures().len(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// [`EmitError`] holds what failed and nobody observed.
    ///
    /// # Panics
    ///
    /// If a listener panics: the panic passes through.
    #[inline]
    pub fn emit(&mut self, event: &E) -> Result<usize, EmitError> {
        self.refresh_if_stale();
        let emitted = self.emit_cached(event);
        // What was removed meanwhile goes now.
        self.refresh_if_stale();
        emitted
    }

    /// The emitter behind it.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let mut cached = Emitter::<u8>::new().cached();
    /// cached.emitter().on("work", |_| ()).detach();
    /// assert_eq!(cached.emit(&1).unwrap(), 1);
    /// ```
    pub fn emitter(&self) -> &Emitter<E> {
        &self.emitter
    }

    #[inline]
    fn emit_cached(&self, event: &E) -> Result<usize, EmitError> {
        let Some(calls) = &self.infallible else {
            return self.emitter.emit_to(&self.list, event);
        };
        for call in calls {
            call(event);
        }
        Ok(calls.len())
    }

    #[inline]
    fn refresh_if_stale(&mut self) {
        if self.emitter.shared.list.version() != self.version {
            self.refresh();
        }
    }

    #[cold]
    #[inline(never)]
    fn refresh(&mut self) {
        let (version, list) = self.emitter.shared.list.get_versioned();
        // Dropped last: it may be the last reference to what was removed, and
        // that may run a user's code.
        let _older = (
            self.infallible.take(),
            std::mem::replace(&mut self.list, list),
        );
        self.version = version;
        self.infallible = self.list.infallible_calls();
    }
}

impl<E: ?Sized + 'static> Clone for CachedEmitter<E> {
    fn clone(&self) -> Self {
        self.emitter.cached()
    }
}

impl<E: ?Sized + 'static> fmt::Debug for CachedEmitter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.emitter.fmt(f)
    }
}
