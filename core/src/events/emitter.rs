//! Ordered listeners for events of one type.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// What a listener fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Hands events of type `E` to its listeners, in order.
///
/// A clone is the same emitter. The module's documentation has the rules.
///
/// ```
/// use highwater::events::Emitter;
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// let sum = Arc::new(AtomicU64::new(0));
/// let emitter = Emitter::new();
/// let subscription = emitter.on("sum", {
///     let sum = Arc::clone(&sum);
///     move |n: &u64| {
///         sum.fetch_add(*n, Ordering::Relaxed);
///         Ok(())
///     }
/// });
///
/// emitter.emit(&2).unwrap();
/// emitter.emit(&3).unwrap();
/// subscription.cancel();
/// emitter.emit(&100).unwrap();
/// assert_eq!(sum.load(Ordering::Relaxed), 5);
/// ```
pub struct Emitter<E: ?Sized> {
    inner: Arc<Mutex<Inner<E>>>,
}

/// `emit` works on the lists it found, so a change makes new ones.
struct Inner<E: ?Sized> {
    listeners: Arc<[Listener<E>]>,
    monitor: Option<Arc<MonitorFn<E>>>,
    next_id: u64,
}

type ListenerFn<E> = dyn Fn(&E) -> Result<(), BoxError> + Send + Sync;
type MonitorFn<E> = dyn Fn(&E, Notice<'_>) + Send + Sync;

struct Listener<E: ?Sized> {
    id: u64,
    name: Arc<str>,
    call: Arc<ListenerFn<E>>,
}

impl<E: ?Sized + 'static> Emitter<E> {
    /// An emitter without listeners.
    #[must_use]
    pub fn new() -> Self {
        Emitter {
            inner: Arc::new(Mutex::new(Inner {
                listeners: Arc::new([]),
                monitor: None,
                next_id: 0,
            })),
        }
    }

    /// Adds a listener behind those there are. It is called until the
    /// subscription is dropped.
    ///
    /// The name stands in errors and notices. It need not be unique: the
    /// subscription, not the name, tells listeners apart.
    ///
    /// A listener that holds its own emitter, to emit again, keeps it alive for
    /// as long as it is subscribed: for ever, if it is detached.
    pub fn on(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Subscription {
        // Converted before the lock is taken: it is the caller's code.
        let name = name.into();
        let call = Arc::new(listener);
        let mut inner = lock(&self.inner);
        let id = inner.next_id;
        inner.next_id += 1;
        let added = Listener { id, name, call };
        inner.listeners = inner.listeners.iter().cloned().chain([added]).collect();
        let inner: Weak<Mutex<Inner<E>>> = Arc::downgrade(&self.inner);
        Subscription {
            cancel: Some(Box::new(move || {
                if let Some(inner) = inner.upgrade() {
                    remove(&inner, id);
                }
            })),
        }
    }

    /// Hands an event to every listener, in order, and says how many ran.
    ///
    /// Nothing is allocated unless a listener fails. Listeners may add and
    /// remove listeners and emit again; an inner emit completes first.
    ///
    /// # Errors
    ///
    /// [`EmitError`] holds what failed; all other listeners ran.
    ///
    /// # Panics
    ///
    /// If a listener panics: the panic passes through, later siblings do not
    /// run, and the emitter stays usable.
    pub fn emit(&self, event: &E) -> Result<usize, EmitError> {
        let (listeners, monitor) = {
            let inner = lock(&self.inner);
            (Arc::clone(&inner.listeners), inner.monitor.clone())
        };
        let notify = |notice: Notice<'_>| {
            if let Some(monitor) = &monitor {
                monitor(event, notice);
            }
        };
        notify(Notice::Emitting {
            listeners: listeners.len(),
        });
        let mut failures = Vec::new();
        for listener in &*listeners {
            notify(Notice::Delivering {
                listener: &listener.name,
            });
            if let Err(error) = (listener.call)(event) {
                notify(Notice::Failed {
                    listener: &listener.name,
                    error: &error,
                });
                failures.push(Failure {
                    listener: Arc::clone(&listener.name),
                    error,
                });
            }
        }
        if failures.is_empty() {
            Ok(listeners.len())
        } else {
            Err(EmitError {
                delivered: listeners.len(),
                failures,
            })
        }
    }

    /// Sets the one function that is told of every emit, delivery and failure
    /// as it happens, in place of the one before. It changes no outcome.
    pub fn set_monitor(&self, monitor: impl Fn(&E, Notice<'_>) + Send + Sync + 'static) {
        let before = lock(&self.inner).monitor.replace(Arc::new(monitor));
        // As in `remove`: what it holds may use the emitter when dropped.
        drop(before);
    }

    /// How many listeners there are.
    #[must_use]
    pub fn listener_count(&self) -> usize {
        lock(&self.inner).listeners.len()
    }
}

/// What a monitor is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// An event is about to be handed to this many listeners.
    Emitting {
        /// Their number.
        listeners: usize,
    },
    /// The event is about to be handed to a listener.
    Delivering {
        /// The listener's name.
        listener: &'a str,
    },
    /// The listener failed.
    Failed {
        /// The listener's name.
        listener: &'a str,
        /// What it answered.
        error: &'a BoxError,
    },
}

/// A listener's place in an emitter. Dropping it removes the listener;
/// [`detach`](Self::detach) leaves it there for good.
///
/// It does not keep the emitter alive: once that is gone there is nothing to
/// remove, and both are no-ops.
#[must_use = "dropping a subscription removes the listener at once"]
pub struct Subscription {
    cancel: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Subscription {
    /// Removes the listener. An emit that has begun still calls it.
    pub fn cancel(self) {}

    /// Leaves the listener in place for as long as the emitter lives.
    pub fn detach(mut self) {
        self.cancel = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
    }
}

/// Some listeners failed; all of them ran.
#[derive(Debug, thiserror::Error)]
#[error("{} of {} listeners failed: {}", failures.len(), delivered, Listed(failures))]
pub struct EmitError {
    /// How many listeners ran, failed ones included.
    pub delivered: usize,
    /// What failed, in the order of the listeners. Never empty.
    pub failures: Vec<Failure>,
}

/// One listener's failure.
#[derive(Debug)]
pub struct Failure {
    /// The listener's name.
    pub listener: Arc<str>,
    /// What it answered.
    pub error: BoxError,
}

struct Listed<'a>(&'a [Failure]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", failure.listener, failure.error)?;
        }
        Ok(())
    }
}

/// The removed listener is dropped after the lock is released: what it holds
/// may itself use the emitter when dropped.
fn remove<E: ?Sized>(inner: &Mutex<Inner<E>>, id: u64) {
    let mut locked = lock(inner);
    let kept = locked
        .listeners
        .iter()
        .filter(|listener| listener.id != id)
        .cloned()
        .collect();
    let before = std::mem::replace(&mut locked.listeners, kept);
    drop(locked);
    drop(before);
}

/// Nothing can panic while the lock is held and leave a list half-changed, so
/// a poisoned lock still guards a whole one.
fn lock<E: ?Sized>(inner: &Mutex<Inner<E>>) -> MutexGuard<'_, Inner<E>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E: ?Sized> Clone for Listener<E> {
    fn clone(&self) -> Self {
        Listener {
            id: self.id,
            name: Arc::clone(&self.name),
            call: Arc::clone(&self.call),
        }
    }
}

impl<E: ?Sized> Clone for Emitter<E> {
    fn clone(&self) -> Self {
        Emitter {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<E: ?Sized + 'static> Default for Emitter<E> {
    fn default() -> Self {
        Emitter::new()
    }
}

impl<E: ?Sized> fmt::Debug for Emitter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = Arc::clone(&lock(&self.inner).listeners);
        f.debug_list()
            .entries(listeners.iter().map(|listener| &listener.name))
            .finish()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("active", &self.cancel.is_some())
            .finish()
    }
}
