//! The output file, partial until it is committed.

use super::{
    names::{COMPRESS, WRITE},
    steps,
};
use crate::{
    platform::Timer,
    scenario::{Context, Values, load},
    trace::{NameId, RecordKind, Recorder, Span},
    workload::Times,
};
use futures_util::{FutureExt, Sink, future::LocalBoxFuture};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};

/// An output file, open until it is dropped.
///
/// It replaces the previous output only when [committed](commit).
pub(super) struct OutputFile {
    id: NameId,
    trace: Recorder,
    timer: Arc<dyn Timer>,
    params: Values,
    times: Times,
    failing_batch: Option<u64>,
    open: Option<Span>,
}

impl OutputFile {
    pub(super) fn open(context: &Context) -> Self {
        let trace = context.trace.clone();
        let id = trace.name(WRITE);
        let fails = context.params.choice("fail") == "write";
        OutputFile {
            id,
            open: Some(trace.begin(RecordKind::Open, id, 0)),
            trace,
            timer: context.platform.timer(),
            params: context.params.clone(),
            times: load::work_times(context, 2),
            failing_batch: fails.then_some(steps::middle_batch(context)),
        }
    }

    pub(super) async fn write(&mut self, batch: &steps::LineBatch) -> io::Result<()> {
        let span = self.trace.begin(RecordKind::Handle, self.id, batch.0);
        let took = self.times.next_time(self.params.millis("write"));
        self.timer.sleep(took).await;
        if self.failing_batch == Some(batch.0) {
            span.fail("no space left");
            return Err(io::ErrorKind::StorageFull.into());
        }
        span.succeed();
        Ok(())
    }

    /// Closes the file after the last batch.
    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.succeed();
        }
    }
}

/// The output as a sink.
pub(super) struct OutputSink {
    trace: Recorder,
    output: Option<OutputFile>,
    writing: Option<LocalBoxFuture<'static, (OutputFile, io::Result<()>)>>,
}

impl OutputSink {
    pub(super) fn open(context: &Context) -> Self {
        OutputSink {
            trace: context.trace.clone(),
            output: Some(OutputFile::open(context)),
            writing: None,
        }
    }
}

impl Sink<steps::LineBatch> for OutputSink {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }

    fn start_send(mut self: Pin<&mut Self>, batch: steps::LineBatch) -> io::Result<()> {
        let mut output = self.output.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let [compress, write] = [COMPRESS, WRITE].map(|name| self.trace.name(name));
        self.trace.send(RecordKind::Write, compress, write, batch.0);
        let writing = async move {
            let written = output.write(&batch).await;
            (output, written)
        };
        self.writing = Some(writing.boxed_local());
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let (output, written) = ready!(writing.as_mut().poll(context));
        self.writing = None;
        self.output = Some(output);
        Poll::Ready(written)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        if let Some(output) = &mut self.output {
            output.close();
        }
        Poll::Ready(Ok(()))
    }
}

/// Records that the output replaced the previous one.
pub(super) fn commit(trace: &Recorder) {
    trace.instant(RecordKind::Commit, trace.name(WRITE), 0);
}

/// Records that the partial output was discarded.
pub(super) fn discard(trace: &Recorder) {
    trace.instant(RecordKind::Discard, trace.name(WRITE), 0);
}
