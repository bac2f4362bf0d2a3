//! The stage that copies items into a branch.

use super::{Meter, PipelineError};
use crate::{
    stream::{ChannelSink, SendError, Sender, Weigh},
    sync::Arc,
};
use futures_util::{SinkExt, Stream, StreamExt};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pub(super) struct Tee<S, T> {
    stream: S,
    /// `None` once its receiver is gone.
    branch: Option<ChannelSink<T>>,
    meter: Arc<Meter>,
}

impl<S, T> Tee<S, T> {
    pub(super) fn new(stream: S, branch: Sender<T>, meter: Arc<Meter>) -> Self {
        Tee {
            stream,
            branch: Some(branch.into_sink()),
            meter,
        }
    }

    /// Handles the result of a send. A dropped branch does not stop the run. A full
    /// branch fails the run under [`Overflow::Fail`](crate::Overflow::Fail).
    fn handle_result(&mut self, sent: Result<(), SendError>) -> Result<(), PipelineError> {
        match sent {
            Ok(()) => Ok(()),
            Err(SendError::Closed(())) => {
                self.branch = None;
                Ok(())
            }
            Err(full) => Err(self.meter.fail(full)),
        }
    }
}

impl<T, S> Stream for Tee<S, T>
where
    T: Weigh + Clone,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
{
    type Item = Result<T, PipelineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let own = &mut *self;
        if let Some(branch) = &mut own.branch {
            let is_ready = ready!(branch.poll_ready_unpin(context));
            own.handle_result(is_ready)?;
        }
        let Some(item) = ready!(own.stream.poll_next_unpin(context)).transpose()? else {
            if let Some(branch) = &mut own.branch {
                let _closed = ready!(branch.poll_close_unpin(context));
                own.branch = None;
            }
            return Poll::Ready(None);
        };
        let weight = item.weight();
        own.meter.record_input(weight);
        own.meter.record_held(weight);
        if let Some(branch) = &mut own.branch {
            let sent = branch.start_send_unpin(item.clone());
            if let Some(stats) = branch.stats() {
                own.meter.set_dropped(stats.dropped);
            }
            own.handle_result(sent)?;
        }
        own.meter.record_output(weight);
        Poll::Ready(Some(Ok(item)))
    }
}

// Items are not pinned.
impl<S: Unpin, T> Unpin for Tee<S, T> {}
