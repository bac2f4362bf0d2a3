//! What an inbox answers when it will not take an event, or not be made.

/// What an inbox that had no room fails with, as the listener it is.
///
/// ```
/// use highwater::events::{Emitter, InboxFull, Overflow};
///
/// let emitter = Emitter::new();
/// let _inbox = emitter.inbox("reader", 1, Overflow::Fail)?;
/// emitter.emit(&1).unwrap();
/// let error = emitter.emit(&2).unwrap_err();
/// let full: Option<&InboxFull> = error.failures()[0].error.downcast_ref();
/// assert_eq!(full, Some(&InboxFull { capacity: 1 }));
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its inbox is full: all {capacity} places are taken")]
pub struct InboxFull {
    /// How many events it holds.
    pub capacity: usize,
}

/// An inbox for no events was asked for.
///
/// ```
/// use highwater::events::{Emitter, Overflow, ZeroCapacity};
///
/// let refused = Emitter::<u8>::new().inbox("reader", 0, Overflow::Wait);
/// assert_eq!(refused.unwrap_err(), ZeroCapacity);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an inbox needs a capacity of at least 1")]
pub struct ZeroCapacity;
