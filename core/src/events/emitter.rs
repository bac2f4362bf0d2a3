//! An emitter: ordered listeners for events of one type.

use super::{
    EmitError, Failure, Leak, ListenerId, ListenerOutcome, Notice, Options, Registration, Removal,
    Subscription,
    listener::{FnListener, Listen, ListenerEntry},
    listener_table::{ListenerPosition, ListenerTable},
    monitor::Monitor,
    snapshot::Snapshot,
    subscription::Registry,
};
use std::{
    fmt,
    marker::PhantomData,
    panic::Location,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

/// An emitter, which delivers events of type `E` to its listeners in order.
///
/// A clone is the same emitter. The [module's documentation](super) lists the rules.
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
///     }
/// });
///
/// emitter.emit(&2).unwrap();
/// emitter.emit(&3).unwrap();
/// subscription.cancel();
/// emitter.emit(&100).unwrap();
/// assert_eq!(sum.load(Ordering::Relaxed), 5);
/// ```
#[doc(alias = "EventEmitter")]
pub struct Emitter<E: ?Sized, M = Plain> {
    pub(super) shared: Arc<EmitterShared<E>>,
    mode: PhantomData<fn() -> M>,
}

pub(super) struct EmitterShared<E: ?Sized> {
    pub(super) table: Snapshot<ListenerTable<E>>,
    pub(super) options: Options,
    /// Created on first use: most emitters have no observers.
    pub(super) errors: Errors,
    /// The observers of its bus, if it has one.
    pub(super) bus_errors: Option<Arc<Errors>>,
    /// The number of emits without listeners.
    pub(super) unhandled: AtomicU64,
    /// Set if the events are failures. An unobserved failure is returned by the
    /// emit.
    pub(super) carries_failures: bool,
}

/// The emitter of failures, created on first use.
pub(super) type Errors = OnceLock<Emitter<Failure>>;

impl<E: ?Sized + 'static> Emitter<E> {
    /// Creates an emitter without listeners, with the default [`Options`].
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<str> = Emitter::new();
    /// assert_eq!(emitter.emit("no listener, no error").unwrap(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Emitter::with_options(Options::new())
    }

    /// Creates an emitter with these options.
    ///
    /// ```
    /// use highwater::events::{Emitter, Options, Removal};
    ///
    /// let emitter: Emitter<u8> = Emitter::with_options(Options::new().removal(Removal::Live));
    /// assert_eq!(emitter.emit(&1).unwrap(), 0);
    /// ```
    #[must_use]
    pub fn with_options(options: Options) -> Self {
        Emitter::with_bus_errors(options, None, false)
    }

    pub(super) fn with_bus_errors(
        options: Options,
        bus_errors: Option<Arc<Errors>>,
        carries_failures: bool,
    ) -> Self {
        Emitter::from_shared(Arc::new(EmitterShared {
            table: Snapshot::new(ListenerTable::new()),
            options,
            errors: OnceLock::new(),
            bus_errors,
            unhandled: AtomicU64::new(0),
            carries_failures,
        }))
    }

    /// Delivers an event to every listener, in order, and returns how many ran.
    ///
    /// Allocates only if a listener fails or the list of listeners changes during the
    /// emit. Listeners may add and remove listeners, including themselves, and emit
    /// again; an inner emit completes first. If a listener drops the last handle of
    /// the emitter, the emit still completes, and everything is freed afterwards.
    ///
    /// An [`AsyncEmitter`] has no such method, since its emits have to be awaited.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("a", |_| ()).detach();
    /// emitter.on("b", |n| if *n > 1 { Err("too much") } else { Ok(()) }).detach();
    /// assert_eq!(emitter.emit(&1).unwrap(), 2);
    /// assert_eq!(emitter.emit(&2).unwrap_err().failures().len(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the failures that had no observer, subject to the
    /// [`FailurePolicy`](super::FailurePolicy).
    ///
    /// # Panics
    ///
    /// If a listener panics. The panic propagates, later listeners do not run, and
    /// the emitter stays usable.
    #[inline]
    #[doc(alias("publish", "dispatch"))]
    pub fn emit(&self, event: &E) -> Result<usize, EmitError> {
        self.shared.table.with(|table| self.emit_to(table, event))
    }

    #[expect(
        clippy::inline_always,
        reason = "a call costs a third of an emit to one listener"
    )]
    #[inline(always)]
    pub(super) fn emit_to(&self, table: &ListenerTable<E>, event: &E) -> Result<usize, EmitError> {
        if !table.is_plain() {
            return self.emit_general(table, event);
        }
        let mut rest = table.listeners().iter();
        while let Some(entry) = rest.next() {
            if let Err(error) = entry.listen.call(event) {
                let index = table.listeners().len() - rest.len() - 1;
                return self.resume_after_failure(table, event, index, error);
            }
        }
        Ok(table.listeners().len())
    }
}

/// The mode of an [`Emitter`] or a [`Bus`](super::Bus) whose listeners are plain
/// functions. It has [`emit`](Emitter::emit) and no `on_async`.
///
/// ```
/// use highwater::events::{Emitter, Plain};
///
/// let emitter: Emitter<u8, Plain> = Emitter::new();
/// assert_eq!(emitter.emit(&1).unwrap(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Plain {}

/// The mode of an [`AsyncEmitter`] or an [`AsyncBus`](super::AsyncBus), which also
/// takes asynchronous listeners. It has no plain `emit`, which could not await them.
///
/// ```
/// use highwater::events::{Awaited, Emitter};
///
/// let emitter: Emitter<u8, Awaited> = Emitter::new_async();
/// emitter.on_async("store", async |_| {}).detach();
/// assert_eq!(emitter.listener_count(), 1);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Awaited {}

/// An [`Emitter`] that also takes asynchronous listeners. Its emits are awaited:
/// [`emit_serial`](Emitter::emit_serial) or
/// [`emit_concurrent`](Emitter::emit_concurrent). It has no plain
/// [`emit`](Emitter::emit):
///
/// ```compile_fail,E0599
/// use highwater::events::AsyncEmitter;
///
/// let emitter = AsyncEmitter::<u32>::new_async();
/// emitter.on_async("store", async |_| {}).detach();
/// emitter.emit(&7); // no method named `emit`: await `emit_serial(7)`
/// ```
///
/// and a plain [`Emitter`] has no `on_async`:
///
/// ```compile_fail,E0599
/// use highwater::events::Emitter;
///
/// let emitter = Emitter::<u32>::new();
/// emitter.on_async("store", async |_| {}).detach(); // needs `new_async`
/// ```
pub type AsyncEmitter<E> = Emitter<E, Awaited>;

impl<E: ?Sized + 'static> AsyncEmitter<E> {
    /// Creates an emitter for plain and asynchronous listeners.
    ///
    /// ```
    /// use highwater::events::AsyncEmitter;
    ///
    /// # futures::executor::block_on(async {
    /// let emitter = AsyncEmitter::<u32>::new_async();
    /// emitter.on_async("store", async |_| {}).detach();
    /// emitter.on("log", |_| ()).detach();
    /// assert_eq!(emitter.emit_serial(7).await.unwrap(), 2);
    /// # });
    /// ```
    #[must_use]
    pub fn new_async() -> Self {
        Emitter::new_async_with_options(Options::new())
    }

    /// Creates an emitter for plain and asynchronous listeners, with these options.
    ///
    /// ```
    /// use highwater::events::{AsyncEmitter, FailurePolicy, Options};
    ///
    /// let options = Options::new().policy(FailurePolicy::FailFast);
    /// let emitter = AsyncEmitter::<u32>::new_async_with_options(options);
    /// assert_eq!(emitter.listener_count(), 0);
    /// ```
    #[must_use]
    pub fn new_async_with_options(options: Options) -> Self {
        Emitter::<E>::with_options(options).in_mode()
    }
}

impl<E: ?Sized, M> Emitter<E, M> {
    pub(super) fn from_shared(shared: Arc<EmitterShared<E>>) -> Self {
        Emitter {
            shared,
            mode: PhantomData,
        }
    }

    /// Returns the same emitter in another mode.
    pub(super) fn in_mode<N>(&self) -> Emitter<E, N> {
        Emitter::from_shared(Arc::clone(&self.shared))
    }
}

impl<E: ?Sized + 'static, M> Emitter<E, M> {
    /// Adds a listener after the existing ones. It is called until the subscription
    /// is dropped.
    ///
    /// The name appears in errors and notices. It need not be unique: the
    /// subscription, not the name, identifies the listener.
    ///
    /// A listener that holds its own emitter, to emit again, keeps it alive for as
    /// long as it is subscribed; if detached, for ever. Let it hold a
    /// [`WeakEmitter`] instead.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let digit = emitter.on("digit", |n| if *n > 9 { Err("too much") } else { Ok(()) });
    /// assert_eq!(emitter.emit(&9).unwrap(), 1);
    /// let error = emitter.emit(&10).unwrap_err();
    /// assert_eq!(error.to_string(), "1 of 1 listeners failed: digit: too much");
    /// drop(digit);
    /// assert_eq!(emitter.emit(&10).unwrap(), 0);
    /// ```
    #[doc(alias("add_listener", "subscribe"))]
    #[track_caller]
    pub fn on<R: ListenerOutcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(ListenerPosition::Last, false, name.into(), listener)
    }

    /// Adds a listener before the existing ones. Of two, the one added later comes
    /// first.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let _work = emitter.on("work", |_| ());
    /// let _check = emitter.prepend("check", |_| ());
    /// let names: Vec<_> = emitter.listeners().into_iter().map(|l| l.name).collect();
    /// assert_eq!(names, ["check".into(), "work".into()]);
    /// ```
    #[track_caller]
    pub fn prepend<R: ListenerOutcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(ListenerPosition::First, false, name.into(), listener)
    }

    /// Adds a listener for one event. It is removed before it is called, so a nested
    /// emit does not call it again. If several threads emit, only one of them calls it.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let _ready = emitter.once("ready", |_| ());
    /// assert_eq!(emitter.emit(&1).unwrap(), 1);
    /// assert_eq!(emitter.emit(&2).unwrap(), 0);
    /// ```
    #[track_caller]
    pub fn once<R: ListenerOutcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(ListenerPosition::Last, true, name.into(), listener)
    }

    /// Adds a listener for one event before the existing ones. Combines
    /// [`prepend`](Self::prepend) and [`once`](Self::once).
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("work", |_| ()).detach();
    /// emitter.prepend_once("first of all", |_| ()).detach();
    /// assert_eq!(&*emitter.listeners()[0].name, "first of all");
    /// assert_eq!((emitter.emit(&1).unwrap(), emitter.emit(&2).unwrap()), (2, 1));
    /// ```
    #[track_caller]
    pub fn prepend_once<R: ListenerOutcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(ListenerPosition::First, true, name.into(), listener)
    }

    /// Removes a listener and returns whether it was present. A handle that is used
    /// twice or belongs to another emitter removes nothing.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let id = emitter.on("work", |_| ()).detach();
    /// assert!(emitter.off(id));
    /// assert!(!emitter.off(id), "a handle works once");
    /// ```
    #[allow(clippy::must_use_candidate, reason = "used for its effect")]
    #[doc(alias("remove_listener", "unsubscribe"))]
    pub fn off(&self, id: ListenerId) -> bool {
        self.shared.remove(id)
    }

    /// Removes every listener and returns how many there were. Monitors and observers
    /// of failures stay.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let id = emitter.on("a", |_| ()).detach();
    /// emitter.on("b", |_| ()).detach();
    /// assert_eq!(emitter.remove_all(), 2);
    /// assert_eq!(emitter.listener_count(), 0);
    /// # let _ = id;
    /// ```
    pub fn remove_all(&self) -> usize {
        let removed = self.shared.table.update(ListenerTable::take_listeners);
        for entry in &removed {
            entry.mark_removed();
        }
        removed.len()
    }

    #[track_caller]
    fn add_function<R: ListenerOutcome>(
        &self,
        position: ListenerPosition,
        is_once: bool,
        name: Arc<str>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add(position, is_once, name, Arc::new(FnListener::new(listener)))
    }

    #[track_caller]
    pub(super) fn add(
        &self,
        position: ListenerPosition,
        is_once: bool,
        name: Arc<str>,
        listen: Arc<dyn Listen<E>>,
    ) -> Subscription {
        let options = &self.shared.options;
        let registration = Registration {
            id: ListenerId::next(),
            name,
            location: Location::caller(),
            since: options.clock.as_ref().map(|clock| clock.now()),
            is_once,
        };
        let id = registration.id;
        let is_live = options.removal == Removal::Live;
        let entry = ListenerEntry::new(listen, registration, is_live);
        let leaking = self.shared.table.update(|table| {
            table.add(position, entry);
            let is_leaking = table.starts_leaking(options.max_listeners);
            is_leaking.then(|| table.registrations())
        });
        if let Some(listeners) = leaking {
            self.report(&Leak {
                event: std::any::type_name::<E>(),
                max_listeners: options.max_listeners,
                listeners,
            });
        }
        self.subscription(id)
    }

    #[cold]
    fn report(&self, leak: &Leak) {
        match &self.shared.options.on_leak {
            Some(report) => report(leak),
            None => log::warn!("{leak}"),
        }
    }
}

impl<E: ?Sized + 'static, M> Emitter<E, M> {
    /// Adds a function that is called for every emit, delivery and failure as it
    /// happens, until the subscription is dropped. It cannot change the outcome. It
    /// is not a listener: it is not counted, and it does not observe failures.
    ///
    /// ```
    /// use highwater::events::{Emitter, Notice};
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let _monitor = emitter.monitor(|event, notice| {
    ///     if let Notice::Failed { listener, error, .. } = notice {
    ///         eprintln!("{} failed on {event}: {error}", listener.name);
    ///     }
    /// });
    /// # assert_eq!(emitter.emit(&1).unwrap(), 0);
    /// ```
    pub fn monitor(
        &self,
        callback: impl Fn(&E, Notice<'_>) + Send + Sync + 'static,
    ) -> Subscription {
        let id = ListenerId::next();
        self.add_monitor(Monitor {
            id,
            callback: Arc::new(callback),
        });
        self.subscription(id)
    }

    /// Returns the emitter of this emitter's failures: listen on it to observe them.
    ///
    /// Under [`FailurePolicy::Isolate`](super::FailurePolicy::Isolate) observers are
    /// called for each failure as it happens. `emit` returns failures without an
    /// observer, and failures whose observer failed in turn, each followed by the
    /// error of the observer. Under
    /// [`FailurePolicy::FailFast`](super::FailurePolicy::FailFast) `emit` returns
    /// every failure, and only [raised](Self::raise) ones are observed.
    ///
    /// The returned emitter has the same [`Options`]. For an observer that has to
    /// wait, use an [`Inbox`](super::Inbox): an asynchronous one would not be
    /// awaited.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("disk", |_| Err("full")).detach();
    /// assert!(emitter.emit(&1).is_err());
    ///
    /// emitter.errors().on("log", |failure| eprintln!("{failure}")).detach();
    /// assert_eq!(emitter.emit(&1).unwrap(), 1, "the failure was observed");
    /// ```
    ///
    /// A failure names the type of its event. The event itself is borrowed for the
    /// emit only; a [monitor](Self::monitor), or a [tap](super::Bus::tap) of a bus,
    /// sees it together with the failure:
    ///
    /// ```
    /// use highwater::events::{Bus, Notice};
    ///
    /// struct OrderPaid(u64);
    ///
    /// let bus = Bus::new();
    /// bus.on("stock", |_: &OrderPaid| Err("none left")).detach();
    /// bus.errors().on("count", |failure| assert!(failure.event.is_some())).detach();
    /// let (report, reports) = std::sync::mpsc::channel();
    /// let _tap = bus.tap(move |tapped| {
    ///     if let (Notice::Failed { listener, error, .. }, Some(OrderPaid(order))) =
    ///         (tapped.notice, tapped.event.downcast_ref())
    ///     {
    ///         report.send(format!("order {order}: {}: {error}", listener.name)).unwrap();
    ///     }
    /// });
    /// bus.emit(&OrderPaid(7)).unwrap();
    /// assert_eq!(reports.try_recv().unwrap(), "order 7: stock: none left");
    /// ```
    pub fn errors(&self) -> &Emitter<Failure> {
        let options = &self.shared.options;
        let make = || Emitter::with_bus_errors(options.clone(), None, true);
        self.shared.errors.get_or_init(make)
    }

    /// Passes a failure to the observers of [`errors`](Self::errors), for work that a
    /// listener started and did not await.
    ///
    /// ```
    /// use highwater::events::{Emitter, Failure};
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let lost = || Failure::new("upload", "connection lost");
    /// assert!(emitter.raise(lost()).is_err(), "there is no observer");
    /// emitter.errors().on("log", |failure| eprintln!("{failure}")).detach();
    /// assert!(emitter.raise(lost()).is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the failure if there is no observer, or if one fails, followed by the
    /// errors of the observers.
    pub fn raise(&self, failure: Failure) -> Result<(), EmitError> {
        let mut unobserved = Vec::new();
        let ran = self
            .in_mode::<Plain>()
            .notify_observers(failure, &mut unobserved);
        if unobserved.is_empty() {
            Ok(())
        } else {
            Err(EmitError::new(ran, unobserved))
        }
    }

    /// Returns the number of emits without a listener.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.emit(&1).unwrap();
    /// emitter.on("work", |_| ()).detach();
    /// emitter.emit(&2).unwrap();
    /// assert_eq!(emitter.unhandled(), 1);
    /// ```
    pub fn unhandled(&self) -> u64 {
        self.shared.unhandled.load(Ordering::Relaxed)
    }

    /// Returns the number of listeners.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let _here = emitter.on("work", |_| ());
    /// assert_eq!(emitter.listener_count(), 1);
    /// ```
    pub fn listener_count(&self) -> usize {
        self.shared.table.get().listeners().len()
    }

    /// Returns the registrations of the listeners, in order.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.once("ready", |_| ()).detach();
    /// let ready = &emitter.listeners()[0];
    /// assert_eq!((&*ready.name, ready.is_once), ("ready", true));
    /// assert_eq!(ready.since, None, "the options have no clock");
    /// ```
    pub fn listeners(&self) -> Vec<Registration> {
        self.shared.table.get().registrations()
    }

    /// Returns a weak handle.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let (held, weak) = (emitter.downgrade(), emitter.downgrade());
    /// emitter.on("weak", move |_| assert!(held.upgrade().is_some())).detach();
    /// assert_eq!(emitter.emit(&1).unwrap(), 1);
    /// drop(emitter);
    /// assert!(weak.upgrade().is_none(), "the listener did not keep it alive");
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakEmitter<E, M> {
        WeakEmitter {
            shared: Arc::downgrade(&self.shared),
            mode: PhantomData,
        }
    }

    pub(super) fn add_monitor(&self, monitor: Monitor<E>) {
        let table = &self.shared.table;
        table.update(|table| table.add_monitor(monitor));
    }

    fn subscription(&self, id: ListenerId) -> Subscription {
        let shared: Weak<EmitterShared<E>> = Arc::downgrade(&self.shared);
        Subscription::new(id, shared)
    }
}

impl<E: ?Sized + 'static> Registry for EmitterShared<E> {
    fn remove(&self, id: ListenerId) -> bool {
        // Checked first, since an update copies the table.
        if !self.table.with(|table| table.has(id)) {
            return false;
        }
        let removed = self.table.update(|table| table.remove(id));
        let Some(removed) = removed else {
            return false;
        };
        if let Some(entry) = &removed.listener {
            entry.mark_removed();
        }
        true
    }
}

impl<E: ?Sized, M> Clone for Emitter<E, M> {
    fn clone(&self) -> Self {
        Emitter {
            shared: Arc::clone(&self.shared),
            mode: PhantomData,
        }
    }
}

impl<E: ?Sized + 'static, M> Default for Emitter<E, M> {
    fn default() -> Self {
        Emitter::<E>::new().in_mode()
    }
}

impl<E: ?Sized + 'static, M> fmt::Debug for Emitter<E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.listeners().into_iter().map(|listener| listener.name);
        f.debug_list().entries(names).finish()
    }
}

/// A weak handle of an [`Emitter`], for a listener that emits on its own emitter.
/// With a strong handle, the two would keep each other alive.
///
/// ```
/// use highwater::events::Emitter;
///
/// let emitter: Emitter<u32> = Emitter::new();
/// let weak = emitter.downgrade();
/// emitter.on("countdown", move |n: &u32| {
///     if let (Some(emitter), true) = (weak.upgrade(), *n > 0) {
///         emitter.emit(&(n - 1)).unwrap();
///     }
/// }).detach();
/// emitter.emit(&3).unwrap();
///
/// let weak = emitter.downgrade();
/// drop(emitter);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakEmitter<E: ?Sized, M = Plain> {
    shared: Weak<EmitterShared<E>>,
    mode: PhantomData<fn() -> M>,
}

impl<E: ?Sized, M> WeakEmitter<E, M> {
    /// Returns the emitter, if it still exists.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("work", |_| ()).detach();
    /// let weak = emitter.downgrade();
    /// assert_eq!(weak.upgrade().unwrap().emit(&1).unwrap(), 1, "the same emitter");
    /// drop(emitter);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Emitter<E, M>> {
        self.shared.upgrade().map(Emitter::from_shared)
    }
}

impl<E: ?Sized, M> Clone for WeakEmitter<E, M> {
    fn clone(&self) -> Self {
        WeakEmitter {
            shared: Weak::clone(&self.shared),
            mode: PhantomData,
        }
    }
}

impl<E: ?Sized, M> fmt::Debug for WeakEmitter<E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakEmitter")
    }
}
