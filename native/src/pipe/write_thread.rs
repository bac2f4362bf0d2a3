//! The thread that writes, as a sink.

use super::{
    buffers::Chunk,
    counters::Counters,
    destination::{Open, Writer},
};
use futures::{FutureExt, Sink, SinkExt, StreamExt, executor::block_on};
use highwater::{
    Overflow,
    stream::{Bound, ChannelSink, Receiver, channel},
};
use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};
use tokio::sync::oneshot;

/// Hands chunks to a thread that writes them, and is closed when all of them
/// are written.
///
/// What the thread fails with is the sink's error, at once: even if nothing is
/// to be written for a long time. A clone is the same sink: a pipeline drops its
/// own when it fails, and what was handed over before can still be written. When
/// the last one is dropped, the thread ends without completing the output.
#[derive(Clone)]
pub(crate) struct WriteThread(Rc<RefCell<Inner>>);

struct Inner {
    chunks: ChannelSink<Chunk>,
    done: oneshot::Receiver<io::Result<()>>,
}

impl WriteThread {
    /// Starts the thread, which opens the writer first: to open a named pipe
    /// can take for ever, too.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub(crate) fn start(
        open: Open,
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
        Ok(WriteThread(Rc::new(RefCell::new(Inner {
            chunks: sender.into_sink(),
            done,
        }))))
    }
}

impl WriteThread {
    /// Has what was handed over be written, and leaves the output incomplete. The
    /// pipeline has to have dropped its clone.
    pub(crate) async fn deliver(mut self) {
        // Its error would only follow from the one that ended the run.
        let _ = self.flush().await;
        if let Some(inner) = Rc::into_inner(self.0) {
            let inner = inner.into_inner();
            drop(inner.chunks);
            let _ = inner.done.await;
        }
    }
}

impl Inner {
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
    mut writer: Writer,
    chunks: &mut Receiver<Chunk>,
    counters: &Counters,
) -> io::Result<()> {
    while let Some(chunk) = block_on(chunks.next()) {
        let chunk = chunk.map_err(io::Error::other)?;
        writer.write_all(&chunk)?;
        counters.add_written(chunk.len());
    }
    writer.finish()
}

impl Sink<Chunk> for WriteThread {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        // Also has the task woken if the thread fails while there is nothing
        // to write.
        if inner.poll_done(context)?.is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match ready!(inner.chunks.poll_ready_unpin(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_closed) => inner.poll_cause(context),
        }
    }

    fn start_send(self: Pin<&mut Self>, chunk: Chunk) -> io::Result<()> {
        // One that is not taken any more: the cause is told by what is asked
        // next.
        let _ = self.0.borrow_mut().chunks.start_send_unpin(chunk);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        match ready!(inner.chunks.poll_flush_unpin(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_closed) => inner.poll_cause(context),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        match ready!(inner.chunks.poll_close_unpin(context)) {
            // All is queued; now it has to be written.
            Ok(()) => inner.poll_done(context),
            Err(_closed) => inner.poll_cause(context),
        }
    }
}
