//! Weak handles of emitters and buses.

use super::{Bus, Emitter, Plain, bus, emitter::EmitterShared};
use std::{fmt, marker::PhantomData, sync::Weak};

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
    pub(super) shared: Weak<EmitterShared<E>>,
    pub(super) mode: PhantomData<fn() -> M>,
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
    pub(super) shared: Weak<bus::BusShared>,
    pub(super) mode: PhantomData<fn() -> M>,
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
