//! The write thread, the sink of the pipeline.

use super::{
    buffers::Chunk,
    counters::Counters,
    destination::{OpenWriter, Writer},
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

/// A sink that sends chunks to the write thread. Closing it waits until all chunks are
/// written.
///
/// If the thread fails, the sink fails at once, even while no chunk arrives. Clones share
/// the thread. A failing pipeline drops its clone, and [`drain`](Self::drain) can still
/// write the queued chunks. When the last clone is dropped, the thread exits without
/// completing the output.
#[derive(Clone)]
pub(crate) struct WriteThread(Rc<RefCell<Inner>>);

struct Inner {
    chunks: ChannelSink<Chunk>,
    result: oneshot::Receiver<io::Result<()>>,
}

impl WriteThread {
    /// Starts the thread. The thread opens the writer, because opening a named pipe may
    /// block.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(crate) fn start(
        open: OpenWriter,
        bound: Bound<Chunk>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let (sender, mut receiver) = channel(bound, Overflow::Wait);
        let (result_sender, result) = oneshot::channel();
        thread::Builder::new()
            .name("write".to_owned())
            .spawn(move || {
                let result = open().and_then(|writer| write_all(writer, &mut receiver, &counters));
                // Sent before the channel closes, so that the sink reports this error.
                let _ = result_sender.send(result);
            })?;
        Ok(WriteThread(Rc::new(RefCell::new(Inner {
            chunks: sender.into_sink(),
            result,
        }))))
    }
}

impl WriteThread {
    /// Writes the queued chunks, without completing the output. The pipeline must have
    /// dropped its clone.
    pub(crate) async fn drain(mut self) {
        // The run has already failed, so a second error is ignored.
        let _ = self.flush().await;
        if let Some(inner) = Rc::into_inner(self.0) {
            let inner = inner.into_inner();
            drop(inner.chunks);
            let _ = inner.result.await;
        }
    }
}

impl Inner {
    /// Polls for the result of the thread.
    fn poll_result(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let panicked = || io::Error::other("the write thread panicked");
        self.result
            .poll_unpin(context)
            .map(|result| result.unwrap_or_else(|_| Err(panicked())))
    }

    /// Polls for the thread's error after the channel closed early.
    fn poll_error(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(self.poll_result(context));
        Poll::Ready(result.and_then(|()| Err(io::ErrorKind::BrokenPipe.into())))
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
        // This also wakes the task if the thread fails while no chunk arrives.
        if inner.poll_result(context)?.is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match ready!(inner.chunks.poll_ready_unpin(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_closed) => inner.poll_error(context),
        }
    }

    fn start_send(self: Pin<&mut Self>, chunk: Chunk) -> io::Result<()> {
        // If the channel is closed, the next poll returns the cause.
        let _ = self.0.borrow_mut().chunks.start_send_unpin(chunk);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        match ready!(inner.chunks.poll_flush_unpin(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_closed) => inner.poll_error(context),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        match ready!(inner.chunks.poll_close_unpin(context)) {
            // All chunks are queued: wait until they are written.
            Ok(()) => inner.poll_result(context),
            Err(_closed) => inner.poll_error(context),
        }
    }
}
