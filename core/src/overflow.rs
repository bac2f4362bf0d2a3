//! What happens when a bounded queue is full.

/// What a full queue does with one more item: an
/// [inbox](crate::events::Inbox) with an event, a
/// [channel](crate::stream::channel) with whatever is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The sender waits for room, first come, first served: backpressure. A
    /// sender that cannot wait, such as a plain
    /// [`emit`](crate::events::Emitter::emit) or a
    /// [`try_send`](crate::stream::Sender::try_send), is refused, as with
    /// [`Fail`](Self::Fail).
    #[default]
    Wait,
    /// The oldest item makes room: for readings, of which the recent count.
    DropOldest,
    /// The new item is dropped: for work that had better be finished first.
    DropNewest,
    /// All that waits is dropped for the new item: for a state, of which only
    /// the latest counts.
    Latest,
    /// The item is refused, and the sender told.
    Fail,
}
