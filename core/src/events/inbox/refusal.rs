//! What an inbox answers when it will not take an event, or not be made.

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
