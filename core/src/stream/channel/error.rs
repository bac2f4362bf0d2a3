//! The errors of a channel.

use crate::BoxError;
use std::fmt;

/// The error of a send. It contains the item.
///
/// `Debug` does not print the item, so the item type need not implement it.
///
/// ```
/// use highwater::{Overflow, stream::{Bound, SendError, channel}};
///
/// let (sender, receiver) = channel(Bound::items(1)?, Overflow::Fail);
/// sender.try_send("first")?;
/// match sender.try_send("second") {
///     Err(SendError::Full(item)) => assert_eq!(item, "second"),
///     other => panic!("unexpected: {other:?}"),
/// }
/// drop(receiver);
/// let closed = sender.try_send("third").unwrap_err();
/// assert_eq!(closed.to_string(), "the channel is closed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T = ()> {
    /// The channel is full. It may have room later.
    Full(T),
    /// The channel was closed, failed or aborted, or its receiver was dropped. It will
    /// never have room again.
    Closed(T),
}

impl<T> SendError<T> {
    /// Returns whether the channel was full, so that a later attempt may succeed.
    ///
    /// ```
    /// use highwater::stream::SendError;
    ///
    /// assert!(SendError::Full("item").is_full());
    /// assert!(!SendError::Closed("item").is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, SendError::Full(_))
    }

    /// Returns whether the channel has ended, so that no later attempt can succeed.
    ///
    /// ```
    /// use highwater::stream::SendError;
    ///
    /// assert!(SendError::Closed("item").is_closed());
    /// assert!(!SendError::Full("item").is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, SendError::Closed(_))
    }

    /// Returns the item.
    ///
    /// ```
    /// use highwater::stream::SendError;
    ///
    /// assert_eq!(SendError::Full("item").into_inner(), "item");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            SendError::Full(value) | SendError::Closed(value) => value,
        }
    }
}

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

/// The error of a channel that failed or was aborted. The items read so far are
/// incomplete.
///
/// ```
/// use futures::{TryStreamExt, executor::block_on};
/// use highwater::{Overflow, stream::{Bound, StreamError, channel}};
///
/// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
/// sender.try_send(1)?;
/// sender.fail("the disk is gone");
/// match block_on(receiver.try_collect::<Vec<_>>()) {
///     Err(StreamError::Failed(cause)) => assert_eq!(cause.to_string(), "the disk is gone"),
///     other => panic!("unexpected: {other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// A sender reported this error with [`fail`](super::Sender::fail).
    #[error("the sender failed")]
    Failed(#[source] BoxError),
    /// The channel was [aborted](super::Sender::abort) and its queued items dropped.
    #[error("the channel was aborted")]
    Aborted,
}

impl StreamError {
    /// Returns whether a sender reported an error.
    ///
    /// ```
    /// use highwater::stream::StreamError;
    ///
    /// assert!(StreamError::Failed("the disk is gone".into()).is_failed());
    /// assert!(!StreamError::Aborted.is_failed());
    /// ```
    pub fn is_failed(&self) -> bool {
        matches!(self, StreamError::Failed(_))
    }

    /// Returns whether the channel was aborted.
    ///
    /// ```
    /// use highwater::stream::StreamError;
    ///
    /// assert!(StreamError::Aborted.is_aborted());
    /// ```
    pub fn is_aborted(&self) -> bool {
        matches!(self, StreamError::Aborted)
    }
}

/// The error of [`Receiver::try_recv`](super::Receiver::try_recv).
///
/// ```
/// use highwater::{Overflow, stream::{Bound, TryRecvError, channel}};
///
/// let (sender, mut receiver) = channel::<u8>(Bound::items(2)?, Overflow::Wait);
/// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
/// sender.abort();
/// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Failed(_))));
/// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Closed)));
/// # Ok::<(), highwater::stream::InvalidBound>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum TryRecvError {
    /// No item is queued yet.
    #[error("the channel is empty")]
    Empty,
    /// The channel has ended and every item was read.
    #[error("the channel is closed")]
    Closed,
    /// The channel failed or was aborted. The items read so far are incomplete.
    #[error(transparent)]
    Failed(StreamError),
}

impl TryRecvError {
    /// Returns whether the channel was empty but still open.
    ///
    /// ```
    /// use highwater::stream::TryRecvError;
    ///
    /// assert!(TryRecvError::Empty.is_empty());
    /// assert!(!TryRecvError::Closed.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        matches!(self, TryRecvError::Empty)
    }

    /// Returns whether the channel has ended without an error, or has already returned
    /// its error.
    ///
    /// ```
    /// use highwater::stream::{StreamError, TryRecvError};
    ///
    /// assert!(TryRecvError::Closed.is_closed());
    /// assert!(!TryRecvError::Failed(StreamError::Aborted).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, TryRecvError::Closed)
    }
}

/// The error of a channel whose [`ChannelSink`](super::ChannelSink) was dropped before
/// it was closed.
///
/// ```
/// use futures::{StreamExt, executor::block_on};
/// use highwater::{Overflow, stream::{Bound, StreamError, Unfinished, channel}};
///
/// let (sender, mut receiver) = channel::<u8>(Bound::items(2)?, Overflow::Wait);
/// drop(sender.into_sink());
/// match block_on(receiver.next()) {
///     Some(Err(StreamError::Failed(cause))) => assert!(cause.is::<Unfinished>()),
///     other => panic!("unexpected: {other:?}"),
/// }
/// # Ok::<(), highwater::stream::InvalidBound>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sink was dropped before it was closed")]
pub struct Unfinished;
