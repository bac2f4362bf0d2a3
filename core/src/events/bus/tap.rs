//! What sees every event of a bus, whatever its type.

use super::{
    super::{Emitter, ListenerId, Notice, Subscription, monitor::Monitor},
    Bus, Shared,
};
use std::{
    any::Any,
    fmt,
    sync::{Arc, Weak},
};

/// What a [tap](Bus::tap) is told.
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
    /// The event; [`event_type`](Self::event_type) names what it is.
    pub event: &'a dyn Any,
    /// The name of the event's type.
    pub event_type: &'static str,
    /// What happens to it.
    pub notice: Notice<'a>,
}

pub(super) type TapFn = dyn Fn(Tapped<'_>) + Send + Sync;

#[derive(Clone)]
pub(super) struct Tap {
    pub(super) id: ListenerId,
    pub(super) tell: Arc<TapFn>,
}

/// An emitter whose event type only its key tells.
pub(super) trait Typed: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn event_type(&self) -> &'static str;
    fn unhandled(&self) -> u64;
    fn add_tap(&self, tap: Tap);
    fn remove(&self, id: ListenerId) -> bool;
}

impl<M> Bus<M> {
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
}

impl<E: 'static> Typed for Emitter<E> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn event_type(&self) -> &'static str {
        std::any::type_name::<E>()
    }

    fn unhandled(&self) -> u64 {
        Emitter::unhandled(self)
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

impl fmt::Debug for Tapped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tapped")
            .field("event_type", &self.event_type)
            .field("notice", &self.notice)
            .finish_non_exhaustive()
    }
}
