//! The thread that writes, as a sink.

use super::{buffers::Chunk, counters::Counters};
use futures::{FutureExt, Sink, SinkExt, StreamExt, executor::block_on};
use highwater::{
    Overflow,
    stream::{Bound, ChannelSink, Receiver, channel},
};
use std::{
    io::{self, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};
use tokio::sync::oneshot;

/// Hands chunks to a thread that writes them, and is closed when all of them
/// are written.
///
/// What the thread fails with is the sink's error, at once: even if nothing is
/// to be written for a long time. Dropped before it was closed, it lets the
/// thread end after what is queued.
pub(crate) struct Writing {
    chunks: ChannelSink<Chunk>,
    done: oneshot::Receiver<io::Result<()>>,
}

impl Writing {
    /// Starts the thread, which opens the writer first: to open a named pipe
    /// can take for ever, too.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub(crate) fn start(
        open: impl FnOnce() -> io::Result<Box<dyn Write>> + Send + 'static,
        bound: Bound<Chunk>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let (sender, mut receiver) = channel(bound, Overflow::Wait);
        let (send_done, done) = oneshot::channel();
        thread::Builder::new()
            .name("write".to_owned())
            .spawn(move || {
                let result = open().and_then(|writer| write_all(writer, &mut receiver, &counters));
                // Told before the channel ends, so that this is the error.
                let _nobody_waits = send_done.send(result);
            })?;
        Ok(Writing {
            chunks: sender.into_sink(),
            done,
        })
    }

    /// What the thread answers when it ends.
    fn poll_done(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let lost = || io::Error::other("the thread that writes has ended");
        self.done
            .poll_unpin(context)
            .map(|done| done.unwrap_or_else(|_| Err(lost())))
    }

    /// Where the channel has ended too early, the thread knows why.
    fn poll_cause(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let cause = ready!(self.poll_done(context));
        Poll::Ready(cause.and_then(|()| Err(io::ErrorKind::BrokenPipe.into())))
    }
}

fn write_all(
    mut writer: Box<dyn Write>,
    chunks: &mut Receiver<Chunk>,
    counters: &Counters,
) -> io::Result<()> {
    while let Some(chunk) = block_on(chunks.next()) {
        let chunk = chunk.map_err(io::Error::other)?;
        writer.write_all(&chunk)?;
        counters.add_written(chunk.len());
    }
    writer.flush()
}

impl Sink<Chunk> for Writing {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Also has the task woken if the thread fails while there is nothing
        // to write.
        if self.poll_done(context)?.is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match ready!(self.chunks.poll_ready_unpin(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_closed) => self.poll_cause(context),
        }
    }

    fn start_send(mut self: Pin<&mut Self>, chunk: Chunk) -> io::Result<()> {
        // One that is not taken any more: the cause is told by what is asked
        // next.
        let _ = self.chunks.start_send_unpin(chunk);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.chunks.poll_flush_unpin(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_closed) => self.poll_cause(context),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.chunks.poll_close_unpin(context)) {
            // All is queued; now it has to be written.
            Ok(()) => self.poll_done(context),
            Err(_closed) => self.poll_cause(context),
        }
    }
}
