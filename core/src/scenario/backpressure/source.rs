//! The fast source.

use super::{
    names::SOURCE,
    recorded_queue::{Chunk, RecordedQueue},
};
use crate::{
    scenario::{Context, load},
    stream::{SendError, Sender},
    trace::{NameId, RecordKind},
};
use std::time::Duration;

/// Number of chunks in a burst.
const BURST: u64 = 20;

/// Produces and writes all chunks, or stops when the destination closes.
pub(super) async fn read_all(context: Context, (sender, queue): (Sender<Chunk>, RecordedQueue)) {
    let params = &context.params;
    let chunks = params.integer("chunks");
    let source = ChunkSource {
        id: context.trace.name(SOURCE),
        heeds_signal: params.choice("heed") == "wait",
        context: &context,
        sender,
        queue,
    };
    let open = context.trace.begin(RecordKind::Open, source.id, 0);
    let mut times = load::work_times(&context, 1);
    let mut due = context.platform.now();
    for number in 1..=chunks {
        let span = context.trace.begin(RecordKind::Handle, source.id, number);
        let mut took = times.next_time(params.millis("read"));
        let is_in_burst = (1..=BURST).contains(&number.saturating_sub(chunks / 2));
        if params.choice("inject") == "burst" && is_in_burst {
            took = Duration::ZERO;
        }
        // The source does not catch up on time spent waiting for the queue.
        due = due.max(context.platform.now()) + took;
        let wait = due.saturating_sub(context.platform.now());
        context.platform.sleep(wait).await;
        span.succeed();
        let chunk = vec![0; params.kibibytes("chunk")];
        if source.write((number, chunk)).await.is_err() {
            break;
        }
    }
    source.sender.close();
    open.succeed();
}

struct ChunkSource<'a> {
    id: NameId,
    heeds_signal: bool,
    context: &'a Context,
    sender: Sender<Chunk>,
    queue: RecordedQueue,
}

/// The receiver was dropped.
struct DestinationClosed;

impl ChunkSource<'_> {
    async fn write(&self, chunk: Chunk) -> Result<(), DestinationClosed> {
        let trace = &self.context.trace;
        let number = chunk.0;
        let sent = if self.heeds_signal {
            self.send(chunk).await
        } else {
            // The full-queue signal is ignored.
            self.sender.force_send(chunk).map(drop)
        };
        match sent {
            Ok(()) => trace.send(RecordKind::Write, self.id, self.queue.id(), number),
            Err(SendError::Full(_)) => trace.instant(RecordKind::Reject, self.queue.id(), number),
            Err(SendError::Closed(_)) => return Err(DestinationClosed),
        }
        self.queue.record_changes(&self.sender.stats());
        Ok(())
    }

    /// Sends a chunk under the overflow policy and records any wait.
    async fn send(&self, chunk: Chunk) -> Result<(), SendError<Chunk>> {
        let chunk = match self.sender.try_send(chunk) {
            Err(SendError::Full(chunk)) if self.can_wait() => chunk,
            sent => return sent,
        };
        let trace = &self.context.trace;
        let stall = trace.begin(RecordKind::Stall, self.queue.id(), chunk.0);
        let is_ready = self.sender.ready().await;
        self.queue.record_changes(&self.sender.stats());
        match is_ready {
            Ok(()) => stall.succeed(),
            Err(_) => stall.fail("the destination is gone"),
        }
        self.sender.send(chunk).await
    }

    fn can_wait(&self) -> bool {
        self.context.params.choice("overflow") == "wait"
    }
}
