//! Subscriptions, which remove a listener when dropped.

use super::ListenerId;
use std::{fmt, sync::Weak};

/// The registration of a listener with an emitter. Dropping it removes the listener;
/// [`detach`](Self::detach) keeps the listener.
///
/// Values captured by a listener are dropped with it: at once, or when the emits that
/// are running it have ended. If the listener panics in such an emit, or an emit on
/// another thread ends at the moment of the removal, they are dropped with the next
/// use of the emitter.
///
/// A subscription does not keep the emitter alive.
///
/// ```
/// use highwater::events::Emitter;
///
/// let emitter: Emitter<u8> = Emitter::new();
/// let here = emitter.on("until the end of the scope", |_| ());
/// let always = emitter.on("until turned off", |_| ()).detach();
///
/// drop(here);
/// assert_eq!(emitter.listener_count(), 1);
/// assert!(emitter.off(always));
/// assert!(!emitter.off(always), "a handle works once");
/// ```
#[must_use = "dropping a subscription removes the listener at once"]
pub struct Subscription {
    id: ListenerId,
    registry: Option<Weak<dyn Registry>>,
}

/// A place that listeners are removed from.
pub(super) trait Registry: Send + Sync {
    /// Removes a listener and returns whether it was present.
    fn remove(&self, id: ListenerId) -> bool;
}

impl Subscription {
    pub(super) fn new(id: ListenerId, registry: Weak<dyn Registry>) -> Self {
        Subscription {
            id,
            registry: Some(registry),
        }
    }

    /// Returns the handle of the listener.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let work = emitter.on("work", |_| ());
    /// assert_eq!(work.id(), emitter.listeners()[0].id);
    /// assert!(emitter.off(work.id()));
    /// ```
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// Removes the listener, like dropping the subscription.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let work = emitter.on("work", |_| ());
    /// assert_eq!(emitter.emit(&1).unwrap(), 1);
    /// work.cancel();
    /// assert_eq!(emitter.emit(&2).unwrap(), 0);
    /// ```
    pub fn cancel(self) {}

    pub(super) fn remove(&self) {
        let registry = self.registry.as_ref().and_then(Weak::upgrade);
        if let Some(registry) = registry {
            registry.remove(self.id);
        }
    }

    /// Keeps the listener until the emitter is dropped, or until it is turned
    /// [`off`](super::Emitter::off) by the returned handle.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let id = emitter.on("work", |_| ()).detach();
    /// assert_eq!(emitter.emit(&1).unwrap(), 1);
    /// assert!(emitter.off(id));
    /// assert_eq!(emitter.emit(&2).unwrap(), 0);
    /// ```
    pub fn detach(mut self) -> ListenerId {
        self.registry = None;
        self.id
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.remove();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.id).finish()
    }
}
