//! The stream of a connection, which records its activity.

use super::{activity::ConnectionActivity, connection_limit::ConnectionLimit};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A stream that records reads and writes.
#[derive(Debug)]
pub(super) struct Socket<I> {
    inner: I,
    activity: Arc<ConnectionActivity>,
    connection_limit: Arc<ConnectionLimit>,
    /// True if hyper's own response to a malformed request was withheld.
    is_withheld: bool,
    /// True if the client may still be sending although no request was parsed.
    may_be_sending: bool,
    /// The timer until which input is discarded after the write side was closed.
    lingers: Option<Pin<Box<Sleep>>>,
}

impl<I> Socket<I> {
    pub(super) fn new(
        inner: I,
        activity: Arc<ConnectionActivity>,
        connection_limit: Arc<ConnectionLimit>,
    ) -> Self {
        Socket {
            inner,
            activity,
            connection_limit,
            is_withheld: false,
            may_be_sending: false,
            lingers: None,
        }
    }

    /// Returns true if hyper's response to a malformed request was withheld. Another one
    /// can then be written, after which the socket lingers while it shuts down.
    pub(super) fn take_withheld(&mut self) -> bool {
        self.may_be_sending = true;
        std::mem::take(&mut self.is_withheld)
    }

    /// Returns true if the bytes are withheld because they are hyper's response to a
    /// malformed request. That response is the last that hyper writes.
    fn withholds(&mut self, bytes: &[u8]) -> bool {
        self.is_withheld |= !self.activity.response_is_due() && is_hyper_error(bytes);
        self.is_withheld
    }

    fn record_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.activity.write_blocked(),
            Poll::Ready(Ok(bytes)) => {
                self.connection_limit.meter.bytes_written(*bytes);
                self.activity.write_progressed();
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Socket<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.connection_limit.meter.bytes_read(bytes);
            self.activity.bytes_received();
        }
        read
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.withholds(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.record_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let only = slices.first().filter(|_| slices.len() == 1);
        if self.withholds(only.map_or(&[], |slice| slice)) {
            return Poll::Ready(Ok(only.map_or(0, |slice| slice.len())));
        }
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.record_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    /// Closes the write side. If the client may still be sending, or has sent more than
    /// was read, the input is discarded for a grace period. Otherwise the system would
    /// reset the connection, and the client could lose the error response.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_withheld {
            // A replacement for the withheld response follows.
            return Poll::Ready(Ok(()));
        }
        if this.lingers.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            if !this.may_be_sending && !this.activity.may_be_sending() {
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                let read = Pin::new(&mut this.inner).poll_read(context, &mut byte);
                if read.is_pending() || byte.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let grace = this.connection_limit.limits().grace;
        let lingers = this.lingers.get_or_insert_with(|| Box::pin(sleep(grace)));
        let mut bytes = [0; 4096];
        while lingers.as_mut().poll(context).is_pending() {
            let mut bytes = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut this.inner).poll_read(context, &mut bytes));
            if read.is_err() || bytes.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns true for the complete head of an error response without a body, with only the
/// headers that hyper adds itself.
fn is_hyper_error(bytes: &[u8]) -> bool {
    let Some(head) = bytes.strip_prefix(b"HTTP/1.") else {
        return false;
    };
    let Some(head) = head.strip_suffix(b"\r\n\r\n") else {
        return false;
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    // The rest of the status line, such as "1 400 Bad Request".
    let is_error = lines
        .next()
        .is_some_and(|line| line.get(1..4).is_some_and(|it| it.starts_with(b" 4")));
    let is_from_hyper = |line: &[u8]| {
        [&b"connection: "[..], b"content-length: 0", b"date: "]
            .iter()
            .any(|header| line.starts_with(header))
    };
    is_error && lines.all(is_from_hyper)
}
