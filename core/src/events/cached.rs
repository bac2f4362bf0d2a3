//! A faster handle of an emitter, for one busy loop.

use super::{EmitError, Emitter, listener::InfallibleCall, listener_table::ListenerTable};
use std::{fmt, sync::Arc};

/// A handle of an [`Emitter`] for a loop that emits continuously. It keeps the list
/// of listeners between emits and only checks whether it has changed.
///
/// An [`Emitter`] can be used from any thread at any time, at the cost of an atomic
/// exchange per emit, which exceeds the rest of an emit to one listener. A cached
/// emitter belongs to one thread (`emit` takes `&mut self`) and needs two loads. If
/// every listener returns `()` and so cannot fail, the calls are shorter too. To
/// measure it on your machine, next to Node: `cargo run --release -p tests -- bench
/// events`.
///
/// The [rules](super) are those of an emitter, with one exception: a removed listener
/// is not called again, but its captured values are dropped only with the next emit
/// by this handle, or with the handle. So do not keep an idle one. A listener that
/// emits in turn uses the emitter itself.
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
/// assert_eq!(readings.emit(&1000).unwrap(), 0, "it sees the removal");
/// ```
pub struct CachedEmitter<E: ?Sized> {
    emitter: Emitter<E>,
    version: u64,
    table: Arc<ListenerTable<E>>,
    /// Direct calls of the listeners, if none can fail and the table is plain.
    infallible: Option<Vec<InfallibleCall<E>>>,
}

impl<E: ?Sized + 'static> Emitter<E> {
    /// Returns a cached handle, for a loop that emits continuously.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let mut cached = emitter.cached();
    /// emitter.on("late", |_| ()).detach();
    /// assert_eq!(cached.emit(&1).unwrap(), 1, "it sees later listeners");
    /// ```
    #[must_use]
    pub fn cached(&self) -> CachedEmitter<E> {
        let (version, table) = self.shared.table.get_versioned();
        CachedEmitter {
            emitter: self.clone(),
            version,
            infallible: table.infallible_calls(),
            table,
        }
    }
}

impl<E: ?Sized + 'static> CachedEmitter<E> {
    /// Delivers an event to every listener, in order, and returns how many ran:
    /// [`Emitter::emit`].
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("digit", |n| if *n > 9 { Err("too much") } else { Ok(()) }).detach();
    /// let mut cached = emitter.cached();
    /// assert_eq!(cached.emit(&9).unwrap(), 1);
    /// assert_eq!(cached.emit(&10).unwrap_err().failures().len(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the failures that had no observer.
    ///
    /// # Panics
    ///
    /// If a listener panics. The panic propagates.
    #[inline]
    pub fn emit(&mut self, event: &E) -> Result<usize, EmitError> {
        self.refresh_if_stale();
        let emitted = self.emit_cached(event);
        // Drops listeners removed during the emit.
        self.refresh_if_stale();
        emitted
    }

    /// Returns the emitter.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
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
            return self.emitter.emit_to(&self.table, event);
        };
        for call in calls {
            call(event);
        }
        Ok(calls.len())
    }

    #[inline]
    fn refresh_if_stale(&mut self) {
        if self.emitter.shared.table.version() != self.version {
            self.refresh();
        }
    }

    #[cold]
    #[inline(never)]
    fn refresh(&mut self) {
        let (version, table) = self.emitter.shared.table.get_versioned();
        // Dropped last: it may be the last reference to removed listeners, and
        // dropping those may run user code.
        let _older = (
            self.infallible.take(),
            std::mem::replace(&mut self.table, table),
        );
        self.version = version;
        self.infallible = self.table.infallible_calls();
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
