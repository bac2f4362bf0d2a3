//! A listener's place, to give up or keep.

use super::ListenerId;
use std::{fmt, sync::Weak};

/// A listener's place in an emitter. Dropping it removes the listener;
/// [`detach`](Self::detach) leaves it there.
///
/// What a listener holds is dropped with it: at once, or when the emits that
/// are running it have ended. (Should a listener panic in such an emit, or one
/// on another thread end in the very moment of the removal, then with the next
/// use of the emitter.)
///
/// It does not keep the emitter alive: once that is gone there is nothing to
/// remove.
///
/// ```
/// use highwater::events::Emitter;
///
/// let emitter: Emitter<u8> = Emitter::new();
/// let here = emitter.on("as long as this is in scope", |_| ());
/// let always = emitter.on("until it is turned off", |_| ()).detach();
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

/// Where listeners are removed from.
pub(super) trait Registry: Send + Sync {
    /// Whether it was there.
    fn remove(&self, id: ListenerId) -> bool;
}

impl Subscription {
    pub(super) fn new(id: ListenerId, registry: Weak<dyn Registry>) -> Self {
        Subscription {
            id,
            registry: Some(registry),
        }
    }

    /// The listener's handle.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let work = emitter.on("work", |_| ());
    /// assert_eq!(work.id(), emitter.listeners()[0].id);
    /// assert!(emitter.off(work.id()));
    /// ```
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// Removes the listener, as dropping this does.
    ///
    /// ```
    /// # use highwater::events::Emitter;
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

    /// Leaves the listener in place for as long as the emitter lives, or until
    /// it is turned [`off`](super::Emitter::off) by the handle returned.
    ///
    /// ```
    /// # use highwater::events::Emitter;
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
