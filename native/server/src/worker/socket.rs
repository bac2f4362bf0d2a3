//! A connection's stream, which records its activity.

use super::{
    activity::ConnectionActivity,
    connection_limit::{ConnectionLimit, ConnectionPermit},
};
use futures_util::future::BoxFuture;
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
///
/// It outlives the connection's task if the client and the service change the protocol:
/// then the service owns it. Therefore it holds the connection's permit.
pub(super) struct Socket<I> {
    inner: I,
    activity: Arc<ConnectionActivity>,
    connection_limit: Arc<ConnectionLimit>,
    _permit: ConnectionPermit,
    /// Bytes that were read before, and are read again first.
    #[cfg(feature = "http2")]
    unread: bytes::Bytes,
    /// The tasks that read and write an upgraded connection wait for these.
    read_aborted: Option<BoxFuture<'static, ()>>,
    write_aborted: Option<BoxFuture<'static, ()>>,
    /// True if hyper's own response to a malformed request was withheld.
    has_withheld_response: bool,
    /// True if the client may still be sending although no request was parsed.
    is_input_possible: bool,
    /// After the write side is closed, input is discarded until this timer fires.
    discard_timer: Option<Pin<Box<Sleep>>>,
}

impl<I> Socket<I> {
    pub(super) fn new(
        inner: I,
        activity: Arc<ConnectionActivity>,
        connection_limit: Arc<ConnectionLimit>,
        permit: ConnectionPermit,
    ) -> Self {
        Socket {
            inner,
            activity,
            connection_limit,
            _permit: permit,
            #[cfg(feature = "http2")]
            unread: bytes::Bytes::new(),
            read_aborted: None,
            write_aborted: None,
            has_withheld_response: false,
            is_input_possible: false,
            discard_timer: None,
        }
    }

    /// Returns true if hyper's response to a malformed request was withheld. Another
    /// response can then be written, and the shutdown discards further input.
    pub(super) fn take_withheld_response(&mut self) -> bool {
        self.is_input_possible = true;
        std::mem::take(&mut self.has_withheld_response)
    }

    /// Reads these bytes again first, in another protocol.
    #[cfg(feature = "http2")]
    pub(super) fn unread(&mut self, bytes: bytes::Bytes) {
        self.has_withheld_response = false;
        self.unread = bytes;
    }

    /// Returns true if the bytes are withheld because they are hyper's response to a
    /// malformed request. hyper writes nothing after that response.
    fn should_withhold(&mut self, bytes: &[u8]) -> bool {
        self.has_withheld_response |= !self.activity.is_response_due()
            && is_hyper_error_response(bytes)
            && self.activity.is_http1();
        self.has_withheld_response
    }

    /// Fails once the worker aborts this connection, which must be upgraded.
    fn check_aborted(&mut self, direction: Direction, context: &mut Context<'_>) -> io::Result<()> {
        let aborted = match direction {
            Direction::Read => &mut self.read_aborted,
            Direction::Write => &mut self.write_aborted,
        };
        let waiting = aborted.get_or_insert_with(|| Box::pin(self.connection_limit.aborted()));
        if waiting.as_mut().poll(context).is_pending() {
            return Ok(());
        }
        // A completed future must not be polled again.
        *aborted = None;
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the server is shutting down",
        ))
    }

    fn record_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.activity.write_blocked(),
            Poll::Ready(Ok(bytes)) => {
                self.connection_limit.meter.bytes_written(*bytes);
                self.activity.write_progressed(*bytes);
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

/// A direction of an upgraded connection. Two tasks can use one each.
#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl<I> Drop for Socket<I> {
    fn drop(&mut self) {
        if self.activity.is_upgraded() {
            self.connection_limit.meter.upgraded_connection_closed();
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Socket<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.activity.is_upgraded() {
            self.check_aborted(Direction::Read, context)?;
        }
        #[cfg(feature = "http2")]
        if !self.unread.is_empty() {
            let bytes = buffer.remaining().min(self.unread.len());
            buffer.put_slice(&self.unread.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
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
        if self.activity.is_upgraded() {
            self.check_aborted(Direction::Write, context)?;
        }
        if self.should_withhold(bytes) {
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
        if self.activity.is_upgraded() {
            self.check_aborted(Direction::Write, context)?;
        }
        let single_slice = slices.first().filter(|_| slices.len() == 1);
        if self.should_withhold(single_slice.map_or(&[], |slice| slice)) {
            return Poll::Ready(Ok(single_slice.map_or(0, |slice| slice.len())));
        }
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.record_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_upgraded() {
            self.check_aborted(Direction::Write, context)?;
        }
        Pin::new(&mut self.inner).poll_flush(context)
    }

    /// Closes the write side. If the client may still be sending, or has sent more than
    /// was read, the input is discarded for a grace period. Otherwise the system would
    /// reset the connection, and the client could lose the error response.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.activity.is_upgraded() {
            // The client may go on sending.
            return Pin::new(&mut this.inner).poll_shutdown(context);
        }
        if this.has_withheld_response {
            // A replacement for the withheld response follows.
            return Poll::Ready(Ok(()));
        }
        if this.discard_timer.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            if !this.is_input_possible && !this.activity.is_input_possible() {
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                let read = Pin::new(&mut this.inner).poll_read(context, &mut byte);
                if read.is_pending() || byte.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let grace = this.connection_limit.limits().grace;
        let discard_timer = this
            .discard_timer
            .get_or_insert_with(|| Box::pin(sleep(grace)));
        let mut bytes = [0; 4096];
        while discard_timer.as_mut().poll(context).is_pending() {
            let mut bytes = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut this.inner).poll_read(context, &mut bytes));
            if read.is_err() || bytes.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns true if the bytes are the complete head of an error response that has no body
/// and only the headers that hyper adds itself.
fn is_hyper_error_response(bytes: &[u8]) -> bool {
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
