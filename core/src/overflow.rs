//! The policies of full queues.

/// The policy of a full queue for one more item: an event for an
/// [inbox](crate::events::Inbox) or an item for a [channel](crate::stream::channel).
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
    /// The sender waits for room, in first-come, first-served order: backpressure. A
    /// sender that cannot wait, such as a plain
    /// [`emit`](crate::events::Emitter::emit) or a
    /// [`try_send`](crate::stream::Sender::try_send), gets an error, as with
    /// [`Fail`](Self::Fail).
    #[default]
    Wait,
    /// The oldest item is dropped. For readings, of which recent ones matter.
    DropOldest,
    /// The new item is dropped. For work that should be finished first.
    DropNewest,
    /// All queued items are dropped. For a state, of which only the latest value
    /// matters.
    Latest,
    /// The new item is rejected with an error.
    Fail,
}
