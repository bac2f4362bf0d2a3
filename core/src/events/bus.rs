//! Many event types behind one handle.

use super::{BoxError, EmitError, Emitter, Notice, Subscription};
use std::{
    any::{Any, TypeId},
    fmt,
    sync::{Arc, Mutex, PoisonError},
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
/// let _stock = bus.on("Stock", |order: &OrderPaid| {
///     assert_eq!(order.0, 7);
///     Ok(())
/// });
///
/// assert_eq!(bus.emit(&OrderPaid(7)).unwrap(), 1);
/// assert_eq!(bus.emit(&OrderShipped(7)).unwrap(), 0, "nobody listens: no error");
/// ```
#[derive(Clone, Default)]
pub struct Bus {
    /// A list: a program has a handful of event types, and each emit looks for
    /// one of them.
    emitters: Arc<Mutex<Vec<Typed>>>,
}

/// An emitter whose event type only its key tells.
type Typed = (TypeId, Box<dyn Any + Send + Sync>);

impl Bus {
    /// A bus without listeners.
    #[must_use]
    pub fn new() -> Self {
        Bus::default()
    }

    /// Adds a listener for events of type `E`: [`Emitter::on`].
    pub fn on<E: 'static>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Subscription {
        self.emitter().on(name, listener)
    }

    /// Hands an event to every listener for its type: [`Emitter::emit`].
    ///
    /// # Errors
    ///
    /// [`EmitError`] holds what failed; all other listeners ran.
    pub fn emit<E: 'static>(&self, event: &E) -> Result<usize, EmitError> {
        self.emitter().emit(event)
    }

    /// Sets the one monitor for events of type `E`: [`Emitter::set_monitor`].
    pub fn set_monitor<E: 'static>(
        &self,
        monitor: impl Fn(&E, Notice<'_>) + Send + Sync + 'static,
    ) {
        self.emitter().set_monitor(monitor);
    }

    /// How many listeners there are for events of type `E`.
    #[must_use]
    pub fn listener_count<E: 'static>(&self) -> usize {
        self.emitter::<E>().listener_count()
    }

    /// The emitter of one event type. Keep it where the look-up, one lock and
    /// one search, is too much for each emit.
    #[must_use]
    pub fn emitter<E: 'static>(&self) -> Emitter<E> {
        let mut emitters = self.emitters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = emitters.iter();
        let known = known.find(|(event_type, _)| *event_type == TypeId::of::<E>());
        if let Some(emitter) = known.and_then(|(_, known)| known.downcast_ref::<Emitter<E>>()) {
            return emitter.clone();
        }
        let emitter = Emitter::new();
        emitters.push((TypeId::of::<E>(), Box::new(emitter.clone())));
        emitter
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let emitters = self.emitters.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Bus")
            .field("event_types", &emitters.len())
            .finish()
    }
}
