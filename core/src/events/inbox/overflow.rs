//! What happens when an inbox is full.

/// What a full [`Inbox`](super::Inbox) does with another event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The emit waits for room, first come, first served: backpressure. Only an
    /// awaited emit can ([`emit_serial`], [`emit_concurrent`]); from a plain one
    /// the inbox refuses the event, as [`Fail`](Self::Fail) does.
    ///
    /// [`emit_serial`]: crate::events::Emitter::emit_serial
    /// [`emit_concurrent`]: crate::events::Emitter::emit_concurrent
    #[default]
    Wait,
    /// The oldest event makes room: for readings, of which the recent count.
    DropOldest,
    /// The new event is dropped: for work that had better be finished first.
    DropNewest,
    /// All that waits is dropped for the new event: for a state, of which only
    /// the latest counts.
    Latest,
    /// The inbox refuses the event: to the emit, its listener fails with
    /// [`InboxFull`].
    Fail,
}

/// What an inbox that had no room fails with, as the listener it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its inbox is full: all {capacity} places are taken")]
pub struct InboxFull {
    /// How many events it holds.
    pub capacity: usize,
}

/// An inbox for no events was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an inbox needs a capacity of at least 1")]
pub struct ZeroCapacity;
