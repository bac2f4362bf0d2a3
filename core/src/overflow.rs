//! What happens when a bounded queue is full.

/// What a full queue does with one more item: an
/// [inbox](crate::events::Inbox) with an event, a
/// [channel](crate::stream::channel) with whatever is sent.
///
/// ```
/// use highwater::events::{Emitter, Overflow};
///
/// let emitter = Emitter::new();
/// let mut recent = emitter.inbox("recent", 2, Overflow::DropOldest)?;
/// let mut first = emitter.inbox("first", 2, Overflow::DropNewest)?;
/// let mut latest = emitter.inbox("latest", 2, Overflow::Latest)?;
/// for reading in 1..=3 {
///     emitter.emit(&reading).unwrap();
/// }
/// assert_eq!((recent.try_next(), recent.try_next()), (Some(2), Some(3)));
/// assert_eq!((first.try_next(), first.try_next()), (Some(1), Some(2)));
/// assert_eq!((latest.try_next(), latest.try_next()), (Some(3), None));
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
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
