//! The bytes of a connection, and what they tell of it.

use super::{gate::Gate, pulse::Pulse};
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

/// A stream that notes what is read and written.
#[derive(Debug)]
pub(super) struct Socket<I> {
    inner: I,
    pulse: Arc<Pulse>,
    gate: Arc<Gate>,
    /// Until when it is read although it is closed.
    lingers: Option<Pin<Box<Sleep>>>,
}

impl<I> Socket<I> {
    pub(super) fn new(inner: I, pulse: Arc<Pulse>, gate: Arc<Gate>) -> Self {
        Socket {
            inner,
            pulse,
            gate,
            lingers: None,
        }
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.pulse.is_blocked(),
            Poll::Ready(Ok(bytes)) => {
                self.gate.meter.has_written(*bytes);
                self.pulse.has_written();
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
            self.gate.meter.has_read(bytes);
            self.pulse.has_read();
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
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    /// Closes our direction. If the client may still send what nobody reads, that is
    /// passed over for a while: the system would answer it with a reset, and the
    /// client might lose the answer that says why.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingers.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            if !this.pulse.may_be_sent() {
                return Poll::Ready(Ok(()));
            }
        }
        let grace = this.gate.limits().grace;
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
