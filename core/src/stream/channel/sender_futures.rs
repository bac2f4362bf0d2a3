//! The futures of a sender, and the permit to send one item.

use super::{
    SendError,
    queue::{ChannelQueue, QueuedItem},
};
use crate::bounded_queue::{SendAttempt, WaitTicket};
use futures_util::future::FusedFuture;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// The future returned by [`Sender::send`](super::Sender::send).
///
/// Dropping it drops the item without queueing it. It panics if it is polled after
/// completion; [`FusedFuture::is_terminated`] returns whether it has completed.
///
/// ```
/// use futures::{FutureExt, future::FusedFuture};
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, mut receiver) = channel(Bound::items(1)?, Overflow::Wait);
/// sender.try_send("first")?;
/// let mut send = sender.send("second");
/// assert!((&mut send).now_or_never().is_none(), "it waits for room");
/// receiver.try_recv()?;
/// assert_eq!((&mut send).now_or_never(), Some(Ok(())));
/// assert!(send.is_terminated());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct SendFuture<'a, T> {
    queue: &'a ChannelQueue<T>,
    /// The item before the first poll.
    value: Option<T>,
    /// The item while it waits for room.
    slot: Option<QueuedItem<T>>,
    ticket: WaitTicket,
}

/// The future returned by [`Sender::ready`](super::Sender::ready).
///
/// Polling it again after completion checks for room again.
///
/// ```
/// use futures::FutureExt;
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, _receiver) = channel(Bound::items(1)?, Overflow::Wait);
/// let mut ready = sender.ready();
/// assert_eq!((&mut ready).now_or_never(), Some(Ok(())));
/// sender.try_send("item")?;
/// assert_eq!(ready.now_or_never(), None, "the channel is full");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct ReadyFuture<'a, T> {
    queue: &'a ChannelQueue<T>,
    ticket: WaitTicket,
}

/// The future returned by [`Sender::reserve`](super::Sender::reserve).
///
/// It panics if it is polled after completion; [`FusedFuture::is_terminated`] returns
/// whether it has completed.
///
/// ```
/// use futures::{FutureExt, future::FusedFuture};
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, mut receiver) = channel(Bound::items(1)?, Overflow::Wait);
/// sender.try_send("first")?;
/// let mut reserve = sender.reserve();
/// assert!((&mut reserve).now_or_never().is_none(), "it waits for a slot");
/// receiver.try_recv()?;
/// let permit = (&mut reserve).now_or_never().unwrap()?;
/// permit.send("second")?;
/// assert!(reserve.is_terminated());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct ReserveFuture<'a, T> {
    queue: &'a ChannelQueue<T>,
    ticket: WaitTicket,
    has_completed: bool,
}

/// The future returned by [`Sender::closed`](super::Sender::closed).
///
/// It can be polled again after completion and completes immediately.
///
/// ```
/// use futures::FutureExt;
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, receiver) = channel::<u8>(Bound::items(1)?, Overflow::Wait);
/// let mut closed = sender.closed();
/// assert_eq!((&mut closed).now_or_never(), None);
/// receiver.close();
/// assert_eq!((&mut closed).now_or_never(), Some(()));
/// assert_eq!(closed.now_or_never(), Some(()));
/// # Ok::<(), highwater::stream::InvalidBound>(())
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct ClosedFuture<'a, T> {
    queue: &'a ChannelQueue<T>,
    ticket: WaitTicket,
}

/// A slot in a [`channel`](super::channel), reserved for one item by
/// [`Sender::reserve`](super::Sender::reserve).
///
/// An unused permit counts as one item of weight 1. Dropping it releases the slot and
/// wakes the next waiting sender. It does not delay the end of the channel.
///
/// ```
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, mut receiver) = channel(Bound::items(1)?, Overflow::Wait);
/// let permit = sender.try_reserve()?;
/// assert!(sender.is_full() && sender.is_empty());
/// permit.send("item")?;
/// assert_eq!(receiver.try_recv()?, "item");
///
/// drop(sender.try_reserve()?);
/// assert!(!sender.is_full());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a permit releases its slot"]
pub struct SendPermit<'a, T> {
    queue: &'a ChannelQueue<T>,
}

impl<'a, T> SendFuture<'a, T> {
    pub(super) fn new(queue: &'a ChannelQueue<T>, value: T) -> Self {
        SendFuture {
            queue,
            value: Some(value),
            slot: None,
            ticket: WaitTicket::default(),
        }
    }
}

impl<'a, T> ReadyFuture<'a, T> {
    pub(super) fn new(queue: &'a ChannelQueue<T>) -> Self {
        ReadyFuture {
            queue,
            ticket: WaitTicket::default(),
        }
    }
}

impl<'a, T> ReserveFuture<'a, T> {
    pub(super) fn new(queue: &'a ChannelQueue<T>) -> Self {
        ReserveFuture {
            queue,
            ticket: WaitTicket::default(),
            has_completed: false,
        }
    }
}

impl<'a, T> ClosedFuture<'a, T> {
    pub(super) fn new(queue: &'a ChannelQueue<T>) -> Self {
        ClosedFuture {
            queue,
            ticket: WaitTicket::default(),
        }
    }
}

impl<'a, T> SendPermit<'a, T> {
    /// Creates a permit for an already reserved slot.
    pub(super) fn new(queue: &'a ChannelQueue<T>) -> Self {
        SendPermit { queue }
    }

    /// Sends an item of any weight in the reserved slot. Never waits.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], which contains the item, if the channel has ended since.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, SendError, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// let (first, second) = (sender.try_reserve()?, sender.try_reserve()?);
    /// first.send("first")?;
    /// drop(receiver);
    /// assert_eq!(second.send("second"), Err(SendError::Closed("second")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let queue = self.queue;
        let item = queue.weigh(value);
        // The item takes over the slot, so the permit must not release it.
        std::mem::forget(self);
        let sent = queue.send_reserved(item);
        sent.map_err(|item| SendError::Closed(item.value))
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        if let Some(value) = own.value.take() {
            // The common case: the item fits, and no ticket is needed.
            match own.queue.send(own.queue.weigh(value), true) {
                SendAttempt::Sent => return Poll::Ready(Ok(())),
                SendAttempt::Full(item) => return Poll::Ready(Err(SendError::Full(item.value))),
                SendAttempt::Closed(item) => {
                    return Poll::Ready(Err(SendError::Closed(item.value)));
                }
                SendAttempt::NoRoom(item) => own.slot = Some(item),
            }
        }
        assert!(own.slot.is_some(), "`SendFuture` polled after completion");
        let sent = own.queue.poll_send(&mut own.ticket, &mut own.slot, context);
        sent.map_err(|item| SendError::Closed(item.value))
    }
}

impl<T> FusedFuture for SendFuture<'_, T> {
    fn is_terminated(&self) -> bool {
        self.value.is_none() && self.slot.is_none()
    }
}

impl<T> Future for ReadyFuture<'_, T> {
    type Output = Result<(), SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        let ready = own.queue.poll_ready(&mut own.ticket, context);
        ready.map(|is_ready| is_ready.then_some(()).ok_or(SendError::Closed(())))
    }
}

impl<'a, T> Future for ReserveFuture<'a, T> {
    type Output = Result<SendPermit<'a, T>, SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        assert!(
            !own.has_completed,
            "`ReserveFuture` polled after completion"
        );
        let polled = own.queue.poll_reserve(&mut own.ticket, context);
        own.has_completed = polled.is_ready();
        polled.map(|is_reserved| {
            let permit = is_reserved.then(|| SendPermit::new(own.queue));
            permit.ok_or(SendError::Closed(()))
        })
    }
}

impl<T> FusedFuture for ReserveFuture<'_, T> {
    fn is_terminated(&self) -> bool {
        self.has_completed
    }
}

impl<T> Future for ClosedFuture<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let own = self.get_mut();
        own.queue.poll_closed(&mut own.ticket, context)
    }
}

// No field is pinned.
impl<T> Unpin for SendFuture<'_, T> {}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        self.queue.cancel_wait(&mut self.ticket);
    }
}

impl<T> Drop for ReadyFuture<'_, T> {
    fn drop(&mut self) {
        self.queue.cancel_wait(&mut self.ticket);
    }
}

impl<T> Drop for ReserveFuture<'_, T> {
    fn drop(&mut self) {
        self.queue.cancel_wait(&mut self.ticket);
    }
}

impl<T> Drop for ClosedFuture<'_, T> {
    fn drop(&mut self) {
        self.queue.cancel_closed(&mut self.ticket);
    }
}

impl<T> Drop for SendPermit<'_, T> {
    fn drop(&mut self) {
        self.queue.release();
    }
}

impl<T> fmt::Debug for SendPermit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendPermit").finish_non_exhaustive()
    }
}
