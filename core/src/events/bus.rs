//! Many event types behind one handle.

use super::{
    EmitError, Emitter, ListenerId, Notice, Options, Outcome, Subscription, monitor::Monitor,
    snapshot::Snapshot, subscription::Registry,
};
use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    sync::{Arc, Weak},
};

/// An [`Emitter`] for each event type, made when first asked for.
///
/// Services share a bus instead of knowing each other: who emits names a type
/// of event, not who listens. A clone is the same bus.
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
/// assert_eq!(bus.emit(&OrderShipped(7)).unwrap(), 0, "nobody listens: no error");
/// ```
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

struct Shared {
    lists: Snapshot<Lists>,
    options: Options,
}

#[derive(Clone)]
struct Lists {
    /// A list: a program has a handful of event types, and each emit looks for
    /// one of them.
    emitters: Vec<(TypeId, Arc<dyn Typed>)>,
    taps: Vec<Tap>,
}

/// What a [tap](Bus::tap) is told.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Tapped<'a> {
    /// The event; [`event_type`](Self::event_type) names what it is.
    pub event: &'a dyn Any,
    /// The name of the event's type.
    pub event_type: &'static str,
    /// What happens to it.
    pub notice: Notice<'a>,
}

type TapFn = dyn Fn(Tapped<'_>) + Send + Sync;

#[derive(Clone)]
struct Tap {
    id: ListenerId,
    tell: Arc<TapFn>,
}

/// An emitter whose event type only its key tells.
trait Typed: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn event_type(&self) -> &'static str;
    fn add_tap(&self, tap: Tap);
    fn remove(&self, id: ListenerId) -> bool;
}

impl Bus {
    /// A bus without listeners.
    #[must_use]
    pub fn new() -> Self {
        Bus::with_options(Options::new())
    }

    /// A bus whose emitters behave as told.
    #[must_use]
    pub fn with_options(options: Options) -> Self {
        Bus {
            shared: Arc::new(Shared {
                lists: Snapshot::new(Lists {
                    emitters: Vec::new(),
                    taps: Vec::new(),
                }),
                options,
            }),
        }
    }

    /// Adds a listener for events of type `E`: [`Emitter::on`]. For the other
    /// ways to add one, see [`emitter`](Self::emitter).
    #[track_caller]
    pub fn on<E: 'static, R: Outcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.emitter().on(name, listener)
    }

    /// Adds an asynchronous listener for events of type `E`:
    /// [`Emitter::on_async`].
    #[track_caller]
    pub fn on_async<E: Send + Sync + 'static, F, R>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(Arc<E>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = R> + Send + 'static,
        R: Outcome,
    {
        self.emitter().on_async(name, listener)
    }

    /// Removes a listener or a tap, of whatever type of event, and says whether
    /// it was there.
    #[allow(clippy::must_use_candidate, reason = "used for its effect")]
    pub fn off(&self, id: ListenerId) -> bool {
        let emitters = self.shared.lists.get();
        let mut emitters = emitters.emitters.iter();
        self.shared.remove(id) || emitters.any(|(_, emitter)| emitter.remove(id))
    }

    /// Hands an event to every listener for its type: [`Emitter::emit`].
    ///
    /// # Errors
    ///
    /// [`EmitError`] holds what failed and nobody observed.
    pub fn emit<E: 'static>(&self, event: &E) -> Result<usize, EmitError> {
        self.shared.lists.with(|lists| match lists.emitter::<E>() {
            Some(emitter) => emitter.emit(event),
            None => self.emitter().emit(event),
        })
    }

    /// Hands an event to every listener for its type, each after the one before
    /// has completed: [`Emitter::emit_serial`].
    ///
    /// # Errors
    ///
    /// [`EmitError`] holds what failed and nobody observed.
    pub fn emit_serial<E: Send + Sync + 'static>(
        &self,
        event: E,
    ) -> impl Future<Output = Result<usize, EmitError>> + Send + use<E> {
        self.emitter::<E>().emit_serial(event)
    }

    /// Hands an event to every listener for its type, at most `limit` at a
    /// time: [`Emitter::emit_concurrent`].
    ///
    /// # Errors
    ///
    /// [`EmitError`] holds what failed and nobody observed.
    pub fn emit_concurrent<E: Send + Sync + 'static>(
        &self,
        event: E,
        limit: usize,
    ) -> impl Future<Output = Result<usize, EmitError>> + Send + use<E> {
        self.emitter::<E>().emit_concurrent(event, limit)
    }

    /// Adds a function that is told of every event of every type, of types yet
    /// to come as well: [`Emitter::monitor`] for all.
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
    pub fn tap(&self, tell: impl Fn(Tapped<'_>) + Send + Sync + 'static) -> Subscription {
        let tap = Tap {
            id: ListenerId::next(),
            tell: Arc::new(tell),
        };
        let id = tap.id;
        let known = self.shared.lists.update(|lists| {
            lists.taps.push(tap.clone());
            lists.emitters.clone()
        });
        // Not under the lock: a change may let go of what was removed before,
        // and so run a user's code. Emitters made since have it from the list.
        for (_, emitter) in known {
            emitter.add_tap(tap.clone());
        }
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        Subscription::new(id, shared)
    }

    /// How many listeners there are for events of type `E`.
    #[must_use]
    pub fn listener_count<E: 'static>(&self) -> usize {
        self.emitter::<E>().listener_count()
    }

    /// The names of the event types it has been asked for, in that order.
    #[must_use]
    pub fn event_types(&self) -> Vec<&'static str> {
        let lists = self.shared.lists.get();
        let emitters = lists.emitters.iter();
        emitters.map(|(_, emitter)| emitter.event_type()).collect()
    }

    /// The emitter of one event type, for all that an emitter can do: `once`,
    /// `prepend`, `monitor`, an inbox.
    #[must_use]
    pub fn emitter<E: 'static>(&self) -> Emitter<E> {
        if let Some(known) = self.shared.lists.with(|lists| lists.emitter().cloned()) {
            return known;
        }
        self.shared.lists.update(|lists| {
            // Somebody else may have been quicker.
            if let Some(known) = lists.emitter() {
                return known.clone();
            }
            let emitter = Emitter::with_options(self.shared.options.clone());
            for tap in &lists.taps {
                emitter.add_tap(tap.clone());
            }
            let typed = Arc::new(emitter.clone());
            lists.emitters.push((TypeId::of::<E>(), typed));
            emitter
        })
    }
}

impl Lists {
    fn emitter<E: 'static>(&self) -> Option<&Emitter<E>> {
        let mut emitters = self.emitters.iter();
        let (_, typed) = emitters.find(|(event_type, _)| *event_type == TypeId::of::<E>())?;
        typed.as_any().downcast_ref()
    }
}

impl<E: 'static> Typed for Emitter<E> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn event_type(&self) -> &'static str {
        std::any::type_name::<E>()
    }

    fn add_tap(&self, Tap { id, tell }: Tap) {
        self.add_monitor(Monitor {
            id,
            tell: Arc::new(move |event: &E, notice| {
                tell(Tapped {
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

impl Registry for Shared {
    fn remove(&self, id: ListenerId) -> bool {
        let (tap, emitters) = self.lists.update(|lists| {
            let tap = lists.taps.iter().position(|tap| tap.id == id);
            let tap = tap.map(|index| lists.taps.remove(index));
            let emitters = tap.is_some().then(|| lists.emitters.clone());
            (tap, emitters.unwrap_or_default())
        });
        for (_, emitter) in emitters {
            emitter.remove(id);
        }
        tap.is_some()
    }
}

impl Default for Bus {
    fn default() -> Self {
        Bus::new()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("event_types", &self.event_types())
            .finish_non_exhaustive()
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
