//! A bus: many event types behind one handle.

use super::{
    Awaited, EmitError, Emitter, Failure, ListenerId, ListenerOutcome, Notice, Options, Plain,
    Subscription, emitter::Errors, monitor::Monitor, snapshot::Snapshot, subscription::Registry,
};
use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    marker::PhantomData,
    sync::{Arc, Weak},
};

/// One [`Emitter`] per event type, created on first use.
///
/// Services share a bus instead of referring to each other: the emitting service
/// names an event type, not its listeners. A clone is the same bus.
///
/// ```
/// use highwater::events::Bus;
///
/// struct OrderPaid(u64);
/// struct OrderShipped(u64);
///
/// let bus = Bus::new();
/// let _stock = bus.on("Stock", |order: &OrderPaid| assert_eq!(order.0, 7));
///
/// assert_eq!(bus.emit(&OrderPaid(7)).unwrap(), 1);
/// assert_eq!(bus.emit(&OrderShipped(7)).unwrap(), 0, "no listener, no error");
/// ```
#[doc(alias = "EventBus")]
pub struct Bus<M = Plain> {
    shared: Arc<BusShared>,
    mode: PhantomData<fn() -> M>,
}

struct BusShared {
    table: Snapshot<EmitterTable>,
    options: Options,
    /// Created on first use.
    errors: Arc<Errors>,
}

#[derive(Clone)]
struct EmitterTable {
    /// A list, since a program has a handful of event types.
    emitters: Vec<(TypeId, Arc<dyn AnyEmitter>)>,
    taps: Vec<Tap>,
}

impl Bus {
    /// Creates a bus without listeners.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// assert!(bus.event_types().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Bus::with_options(Options::new())
    }

    /// Creates a bus whose emitters have these options.
    ///
    /// ```
    /// use highwater::events::{Bus, FailurePolicy, Options};
    ///
    /// let bus = Bus::with_options(Options::new().policy(FailurePolicy::FailFast));
    /// bus.on("a", |_: &u8| Err("out")).detach();
    /// bus.on("b", |_: &u8| ()).detach();
    /// assert_eq!(bus.emit(&1_u8).unwrap_err().delivered(), 1);
    /// ```
    #[must_use]
    pub fn with_options(options: Options) -> Self {
        Bus::from_shared(Arc::new(BusShared {
            table: Snapshot::new(EmitterTable {
                emitters: Vec::new(),
                taps: Vec::new(),
            }),
            options,
            errors: Arc::default(),
        }))
    }

    /// Delivers an event to every listener for its type: [`Emitter::emit`].
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.on("words", |word: &&str| assert_eq!(*word, "hello")).detach();
    /// assert_eq!(bus.emit(&"hello").unwrap(), 1);
    /// assert_eq!(bus.emit(&5_u8).unwrap(), 0, "another type");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the failures that had no observer.
    pub fn emit<E: 'static>(&self, event: &E) -> Result<usize, EmitError> {
        self.shared.table.with(|table| match table.emitter::<E>() {
            Some(emitter) => emitter.emit(event),
            None => self.emitter().emit(event),
        })
    }
}

/// A [`Bus`] that also takes asynchronous listeners. Its emits are awaited:
/// [`emit_serial`](Bus::emit_serial) or [`emit_concurrent`](Bus::emit_concurrent). It
/// has no plain [`emit`](Bus::emit), and a plain [`Bus`] has no `on_async`. It is made by
/// [`Bus::new_async`].
///
/// ```
/// use highwater::events::{AsyncBus, Bus};
/// use std::sync::Arc;
///
/// struct SignedUp {
///     email: String,
/// }
///
/// # futures::executor::block_on(async {
/// let bus: AsyncBus = Bus::new_async();
/// bus.on("audit", |event: &SignedUp| println!("{}", event.email)).detach();
/// bus.on_async("mail", async |event: Arc<SignedUp>| {
///     if event.email.is_empty() { Err("no address") } else { Ok(()) }
/// }).detach();
/// let email = "ada@example.com".to_owned();
/// assert_eq!(bus.emit_concurrent(SignedUp { email }, 8).await.unwrap(), 2);
/// # });
/// ```
///
/// Code that forgets to await does not compile:
///
/// ```compile_fail,E0599
/// use highwater::events::Bus;
///
/// let bus = Bus::new_async();
/// bus.emit(&7_u32); // no method named `emit`: await `emit_serial(7_u32)`
/// ```
///
/// ```compile_fail,E0599
/// use highwater::events::Bus;
///
/// let bus = Bus::new();
/// bus.on_async("mail", async |_: std::sync::Arc<u32>| {}).detach(); // `Bus::new_async`
/// ```
pub type AsyncBus = Bus<Awaited>;

impl AsyncBus {
    /// Creates a bus for plain and asynchronous listeners.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// # futures::executor::block_on(async {
    /// let bus = Bus::new_async();
    /// bus.on_async("store", async |_: std::sync::Arc<u32>| {}).detach();
    /// assert_eq!(bus.emit_serial(7_u32).await.unwrap(), 1);
    /// # });
    /// ```
    #[must_use]
    pub fn new_async() -> Self {
        Bus::new_async_with_options(Options::new())
    }

    /// Creates a bus for plain and asynchronous listeners, with these options.
    ///
    /// ```
    /// use highwater::events::{Bus, FailurePolicy, Options};
    ///
    /// let bus = Bus::new_async_with_options(Options::new().policy(FailurePolicy::FailFast));
    /// assert!(bus.event_types().is_empty());
    /// ```
    #[must_use]
    pub fn new_async_with_options(options: Options) -> Self {
        Bus::from_shared(Bus::with_options(options).shared)
    }

    /// Adds an asynchronous listener for events of type `E`:
    /// [`Emitter::on_async`].
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// # futures::executor::block_on(async {
    /// let bus = Bus::new_async();
    /// bus.on_async("store", async |id: std::sync::Arc<u32>| assert_eq!(*id, 7)).detach();
    /// assert_eq!(bus.emit_serial(7_u32).await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn on_async<E: Send + Sync + 'static, F, R>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(Arc<E>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = R> + Send + 'static,
        R: ListenerOutcome,
    {
        self.emitter().on_async(name, listener)
    }
}

impl<M> Bus<M> {
    fn from_shared(shared: Arc<BusShared>) -> Self {
        Bus {
            shared,
            mode: PhantomData,
        }
    }

    /// Adds a listener for one event of type `E`: [`Emitter::once`].
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.once("first", |n: &u32| assert_eq!(*n, 7)).detach();
    /// assert_eq!(bus.emit(&7_u32).unwrap(), 1);
    /// assert_eq!(bus.emit(&8_u32).unwrap(), 0);
    /// ```
    #[track_caller]
    pub fn once<E: 'static, R: ListenerOutcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.emitter().once(name, listener)
    }

    /// Adds a listener for events of type `E` before the existing ones:
    /// [`Emitter::prepend`].
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.on("store", |_: &u32| ()).detach();
    /// bus.prepend("check", |_: &u32| ()).detach();
    /// assert_eq!(&*bus.emitter::<u32>().listeners()[0].name, "check");
    /// ```
    #[track_caller]
    pub fn prepend<E: 'static, R: ListenerOutcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.emitter().prepend(name, listener)
    }

    /// Adds a listener for events of type `E`: [`Emitter::on`].
    ///
    /// A listener that uses the bus should hold a [`WeakBus`].
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// let _sum = bus.on("sum", |n: &u32| assert_eq!(*n, 7));
    /// assert_eq!(bus.emit(&7_u32).unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn on<E: 'static, R: ListenerOutcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.emitter().on(name, listener)
    }

    /// Removes a listener or a tap, of any event type, and returns whether it was
    /// present.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// let id = bus.on("a", |_: &u8| ()).detach();
    /// assert!(bus.off(id));
    /// assert_eq!(bus.emit(&1_u8).unwrap(), 0);
    /// ```
    #[allow(clippy::must_use_candidate, reason = "used for its effect")]
    pub fn off(&self, id: ListenerId) -> bool {
        let emitters = self.shared.table.get();
        let mut emitters = emitters.emitters.iter();
        self.shared.remove(id) || emitters.any(|(_, emitter)| emitter.remove(id))
    }

    /// Returns the emitter of failures of listeners of every event type, including
    /// types first used later. It receives the failures that are not observed through
    /// the [`errors`](Emitter::errors) of their own emitter: the place for a central
    /// handler.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// struct OrderPaid(u64);
    ///
    /// let bus = Bus::new();
    /// let _handler = bus.errors().on("central", |failure| eprintln!("{failure}"));
    /// let _stock = bus.on("Stock", |_: &OrderPaid| Err("none left"));
    /// assert_eq!(bus.emit(&OrderPaid(7)).unwrap(), 1, "the failure was observed");
    /// ```
    pub fn errors(&self) -> &Emitter<Failure> {
        let options = &self.shared.options;
        let make = || Emitter::with_bus_errors(options.clone(), None, true);
        self.shared.errors.get_or_init(make)
    }

    /// Returns a weak handle, for a listener or tap that uses its own bus. With a
    /// strong handle, the two would keep each other alive.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// struct OrderPaid(u64);
    /// struct OrderShipped(u64);
    ///
    /// let bus = Bus::new();
    /// let weak = bus.downgrade();
    /// bus.on("Warehouse", move |order: &OrderPaid| {
    ///     let bus = weak.upgrade().expect("the bus is emitting");
    ///     bus.emit(&OrderShipped(order.0)).map(drop)
    /// }).detach();
    /// assert_eq!(bus.emit(&OrderPaid(7)).unwrap(), 1);
    ///
    /// let weak = bus.downgrade();
    /// drop(bus);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakBus<M> {
        WeakBus {
            shared: Arc::downgrade(&self.shared),
            mode: PhantomData,
        }
    }

    /// Delivers an event to every listener for its type, each after the one before
    /// has completed: [`Emitter::emit_serial`].
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// # futures::executor::block_on(async {
    /// let bus = Bus::new_async();
    /// bus.on_async("store", async |_: std::sync::Arc<u32>| {}).detach();
    /// assert_eq!(bus.emit_serial(7_u32).await.unwrap(), 1);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the failures that had no observer.
    pub fn emit_serial<E: Send + Sync + 'static>(
        &self,
        event: E,
    ) -> impl Future<Output = Result<usize, EmitError>> + Send + use<E, M> {
        self.emitter::<E>().emit_serial(event)
    }

    /// Delivers an event to every listener for its type, at most `limit` at a time:
    /// [`Emitter::emit_concurrent`].
    ///
    /// ```
    /// use highwater::events::Bus;
    /// use std::sync::Arc;
    ///
    /// # futures::executor::block_on(async {
    /// let bus = Bus::new_async();
    /// bus.on_async("mail", async |_: Arc<u32>| Err("no route")).detach();
    /// bus.on_async("store", async |_: Arc<u32>| {}).detach();
    /// let error = bus.emit_concurrent(7_u32, 2).await.unwrap_err();
    /// assert_eq!((error.delivered(), error.failures().len()), (2, 1));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the failures that had no observer.
    pub fn emit_concurrent<E: Send + Sync + 'static>(
        &self,
        event: E,
        limit: usize,
    ) -> impl Future<Output = Result<usize, EmitError>> + Send + use<E, M> {
        self.emitter::<E>().emit_concurrent(event, limit)
    }

    /// Returns the number of listeners for events of type `E`.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.on("a", |_: &u8| ()).detach();
    /// assert_eq!((bus.listener_count::<u8>(), bus.listener_count::<u16>()), (1, 0));
    /// ```
    pub fn listener_count<E: 'static>(&self) -> usize {
        let known = |table: &Arc<EmitterTable>| table.emitter::<E>().map(Emitter::listener_count);
        self.shared.table.with(known).unwrap_or(0)
    }

    /// Returns the number of emits without a listener for each event type, in the
    /// order of first use. Types without any are omitted.
    ///
    /// This reveals an event of a mistaken type:
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.on("sum", |_: &u64| ()).detach();
    /// bus.emit(&7).unwrap(); // an i32
    /// bus.emit(&7_u64).unwrap();
    /// assert_eq!(bus.unhandled(), [("i32", 1)]);
    /// ```
    pub fn unhandled(&self) -> Vec<(&'static str, u64)> {
        let table = self.shared.table.get();
        let emitters = table.emitters.iter();
        let counted = emitters.map(|(_, emitter)| (emitter.event_type(), emitter.unhandled()));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the names of the event types, in the order of first use.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.on("a", |_: &u8| ()).detach();
    /// assert_eq!(bus.event_types(), ["u8"]);
    /// ```
    pub fn event_types(&self) -> Vec<&'static str> {
        let table = self.shared.table.get();
        let emitters = table.emitters.iter();
        emitters.map(|(_, emitter)| emitter.event_type()).collect()
    }

    /// Returns the emitter of one event type, which has further methods, such as
    /// [`monitor`](Emitter::monitor), [`off`](Emitter::off) and
    /// [`cached`](Emitter::cached).
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.emitter::<u8>().once("first", |_| ()).detach();
    /// assert_eq!((bus.emit(&1_u8).unwrap(), bus.emit(&2_u8).unwrap()), (1, 0));
    /// ```
    #[must_use]
    pub fn emitter<E: 'static>(&self) -> Emitter<E, M> {
        let known = |table: &Arc<EmitterTable>| table.emitter().map(Emitter::in_mode);
        if let Some(known) = self.shared.table.with(known) {
            return known;
        }
        self.shared.table.update(|table| {
            // Another thread may have been faster.
            if let Some(known) = table.emitter() {
                return known.in_mode();
            }
            let errors = Arc::clone(&self.shared.errors);
            let emitter =
                Emitter::with_bus_errors(self.shared.options.clone(), Some(errors), false);
            for tap in &table.taps {
                emitter.add_tap(tap.clone());
            }
            let emitter_in_mode = emitter.in_mode();
            table.emitters.push((TypeId::of::<E>(), Arc::new(emitter)));
            emitter_in_mode
        })
    }
}

impl EmitterTable {
    fn emitter<E: 'static>(&self) -> Option<&Emitter<E>> {
        let mut emitters = self.emitters.iter();
        let (_, typed) = emitters.find(|(event_type, _)| *event_type == TypeId::of::<E>())?;
        typed.as_any().downcast_ref()
    }
}

impl Registry for BusShared {
    fn remove(&self, id: ListenerId) -> bool {
        // Checked first, since an update copies the table.
        let is_tap = |table: &Arc<EmitterTable>| table.taps.iter().any(|tap| tap.id == id);
        if !self.table.with(is_tap) {
            return false;
        }
        let (tap, emitters) = self.table.update(|table| {
            let tap = table.taps.iter().position(|tap| tap.id == id);
            let tap = tap.map(|index| table.taps.remove(index));
            let emitters = tap.is_some().then(|| table.emitters.clone());
            (tap, emitters.unwrap_or_default())
        });
        for (_, emitter) in emitters {
            emitter.remove(id);
        }
        tap.is_some()
    }
}

impl<M> Default for Bus<M> {
    fn default() -> Self {
        Bus::from_shared(Bus::new().shared)
    }
}

impl<M> Clone for Bus<M> {
    fn clone(&self) -> Self {
        Bus::from_shared(Arc::clone(&self.shared))
    }
}

impl<M> fmt::Debug for Bus<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("event_types", &self.event_types())
            .finish_non_exhaustive()
    }
}

/// A weak handle of a [`Bus`], for a listener that uses its own bus. See
/// [`Bus::downgrade`].
///
/// ```
/// use highwater::events::Bus;
///
/// let bus = Bus::new();
/// let weak = bus.downgrade();
/// bus.on("double", move |n: &u8| {
///     let bus = weak.upgrade().expect("the bus is emitting");
///     bus.emit(&(u16::from(*n) * 2)).map(drop)
/// }).detach();
/// bus.on("doubled", |n: &u16| assert_eq!(*n, 14)).detach();
/// assert_eq!(bus.emit(&7_u8).unwrap(), 1);
/// ```
pub struct WeakBus<M = Plain> {
    shared: Weak<BusShared>,
    mode: PhantomData<fn() -> M>,
}

impl<M> WeakBus<M> {
    /// Returns the bus, if it still exists.
    ///
    /// ```
    /// use highwater::events::Bus;
    ///
    /// let bus = Bus::new();
    /// bus.on("work", |_: &u8| ()).detach();
    /// let weak = bus.downgrade();
    /// assert_eq!(weak.upgrade().unwrap().emit(&1_u8).unwrap(), 1, "the same bus");
    /// drop(bus);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Bus<M>> {
        self.shared.upgrade().map(Bus::from_shared)
    }
}

impl<M> Clone for WeakBus<M> {
    fn clone(&self) -> Self {
        WeakBus {
            shared: Weak::clone(&self.shared),
            mode: PhantomData,
        }
    }
}

impl<M> fmt::Debug for WeakBus<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakBus")
    }
}

/// A step of an emit on a bus, passed to [taps](Bus::tap).
///
/// ```
/// use highwater::events::{Bus, Notice, Tapped};
///
/// struct Paid(u64);
///
/// let bus = Bus::new();
/// let _audit = bus.tap(|Tapped { event, event_type, notice, .. }| {
///     if let (Notice::Emitting { .. }, Some(Paid(cents))) = (notice, event.downcast_ref()) {
///         assert!(event_type.ends_with("Paid"));
///         println!("paid: {cents}");
///     }
/// });
/// bus.emit(&Paid(999)).unwrap();
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Tapped<'a> {
    /// The event, of the type named by [`event_type`](Self::event_type).
    pub event: &'a dyn Any,
    /// The name of the event's type.
    pub event_type: &'static str,
    /// The step of the emit.
    pub notice: Notice<'a>,
}

type TapFn = dyn Fn(Tapped<'_>) + Send + Sync;

#[derive(Clone)]
struct Tap {
    id: ListenerId,
    callback: Arc<TapFn>,
}

/// An emitter of any event type.
trait AnyEmitter: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn event_type(&self) -> &'static str;
    fn unhandled(&self) -> u64;
    fn add_tap(&self, tap: Tap);
    fn remove(&self, id: ListenerId) -> bool;
}

impl<M> Bus<M> {
    /// Adds a function that is called for every event of every type, including types
    /// first used later. It is [`Emitter::monitor`] for a whole bus.
    ///
    /// ```
    /// use highwater::events::{Bus, Notice};
    /// use std::sync::mpsc;
    ///
    /// struct OrderPaid(u64);
    ///
    /// let bus = Bus::new();
    /// let (log, logged) = mpsc::channel();
    /// let _tap = bus.tap(move |tapped| {
    ///     if let Notice::Emitting { listeners, .. } = tapped.notice {
    ///         let order = tapped.event.downcast_ref::<OrderPaid>().map(|paid| paid.0);
    ///         log.send((order, listeners)).unwrap();
    ///     }
    /// });
    /// bus.emit(&OrderPaid(7)).unwrap();
    /// bus.emit(&"anything").unwrap();
    /// # drop(_tap);
    /// assert_eq!(logged.iter().collect::<Vec<_>>(), [(Some(7), 0), (None, 0)]);
    /// ```
    pub fn tap(&self, callback: impl Fn(Tapped<'_>) + Send + Sync + 'static) -> Subscription {
        let tap = Tap {
            id: ListenerId::next(),
            callback: Arc::new(callback),
        };
        let id = tap.id;
        let known = self.shared.table.update(|table| {
            table.taps.push(tap.clone());
            table.emitters.clone()
        });
        // Outside the lock: a change may drop removed listeners and so run user code.
        // Emitters created since then have the tap already.
        for (_, emitter) in known {
            emitter.add_tap(tap.clone());
        }
        let shared: Weak<BusShared> = Arc::downgrade(&self.shared);
        Subscription::new(id, shared)
    }
}

impl<E: 'static> AnyEmitter for Emitter<E> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn event_type(&self) -> &'static str {
        std::any::type_name::<E>()
    }

    fn unhandled(&self) -> u64 {
        Emitter::unhandled(self)
    }

    fn add_tap(&self, Tap { id, callback }: Tap) {
        self.add_monitor(Monitor {
            id,
            callback: Arc::new(move |event: &E, notice| {
                callback(Tapped {
                    event,
                    event_type: std::any::type_name::<E>(),
                    notice,
                });
            }),
        });
    }

    fn remove(&self, id: ListenerId) -> bool {
        self.off(id)
    }
}

impl fmt::Debug for Tapped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tapped")
            .field("event_type", &self.event_type)
            .field("notice", &self.notice)
            .finish_non_exhaustive()
    }
}
