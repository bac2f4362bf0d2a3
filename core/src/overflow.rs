//! Overflow policies.

/// The policy for an item that arrives at a full queue: an event at an
/// [inbox](crate::events::Inbox) or an item at a [channel](crate::stream::channel).
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
    /// The oldest items are dropped until there is room. Suitable for sensor readings, where the most
    /// recent ones matter.
    DropOldest,
    /// The new item is dropped. Suitable for work where queued items take priority.
    DropNewest,
    /// All queued items are dropped and the new one is queued. Suitable for state
    /// updates, where only the latest value matters.
    Latest,
    /// The new item is rejected with an error.
    Fail,
}
