//! What a channel answers when it takes nothing, or gives nothing.

use crate::BoxError;
use std::fmt;

/// An item was not taken, and is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T = ()> {
    /// There is no room for it now.
    Full(T),
    /// The channel was closed, failed or aborted, or nobody reads it any more:
    /// there will never be room.
    Closed(T),
}

impl<T> SendError<T> {
    /// Whether there may be room later.
    pub fn is_full(&self) -> bool {
        matches!(self, SendError::Full(_))
    }

    /// Whether the channel takes nothing any more.
    pub fn is_closed(&self) -> bool {
        matches!(self, SendError::Closed(_))
    }

    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            SendError::Full(value) | SendError::Closed(value) => value,
        }
    }

    pub(super) fn without_value(self) -> SendError {
        match self {
            SendError::Full(_) => SendError::Full(()),
            SendError::Closed(_) => SendError::Closed(()),
        }
    }
}

// The value is not shown, so that it can be of any type.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full(_) => "Full(..)",
            SendError::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full(_) => "the channel is full",
            SendError::Closed(_) => "the channel is closed",
        })
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why a channel ended before its time: what was read is not the whole.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// A sender said so, with [`fail`](super::Sender::fail).
    #[error("the sender failed")]
    Failed(#[source] BoxError),
    /// It was [aborted](super::Sender::abort): what was queued is lost.
    #[error("the channel was aborted")]
    Aborted,
}

impl StreamError {
    /// Whether a sender failed.
    pub fn is_failed(&self) -> bool {
        matches!(self, StreamError::Failed(_))
    }

    /// Whether the channel was aborted.
    pub fn is_aborted(&self) -> bool {
        matches!(self, StreamError::Aborted)
    }
}

/// The reason why [`Receiver::try_recv`](super::Receiver::try_recv) returned no item.
#[derive(Debug, thiserror::Error)]
pub enum TryRecvError {
    /// Nothing is queued yet.
    #[error("the channel is empty")]
    Empty,
    /// The channel has ended, and everything was read.
    #[error("the channel is closed")]
    Closed,
    /// The channel failed or was aborted: what was read is not the whole.
    #[error(transparent)]
    Failed(StreamError),
}

impl TryRecvError {
    /// Returns whether there may be an item later.
    pub fn is_empty(&self) -> bool {
        matches!(self, TryRecvError::Empty)
    }

    /// Returns whether the channel ended, and not with an error.
    pub fn is_closed(&self) -> bool {
        matches!(self, TryRecvError::Closed)
    }
}

/// What a channel fails with when a [`ChannelSink`](super::ChannelSink) is
/// dropped before it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its sink was dropped before it was closed")]
pub struct Unfinished;
