//! The slow destination.

use super::{
    names::DESTINATION,
    recorded_queue::{Chunk, RecordedQueue},
};
use crate::{
    scenario::{Context, load},
    stream::Receiver,
    trace::RecordKind,
};
use futures_util::StreamExt;
use std::time::Duration;

/// Duration of the injected stall.
const STALL: Duration = Duration::from_secs(1);

/// Receives and writes chunks until the channel closes or a write fails.
pub(super) async fn write_all(
    context: Context,
    (mut receiver, queue): (Receiver<Chunk>, RecordedQueue),
) {
    let (params, trace) = (&context.params, &context.trace);
    let id = trace.name(DESTINATION);
    let open = trace.begin(RecordKind::Open, id, 0);
    let middle = params.integer("chunks").div_ceil(2);
    let inject = params.choice("inject");
    let mut has_injected = inject == "nothing";
    let mut times = load::work_times(&context, 2);
    while let Some(chunk) = receiver.next().await {
        let Ok((number, _bytes)) = chunk else { break };
        trace.send(RecordKind::Write, queue.id(), id, number);
        queue.record_changes(&receiver.stats());
        let span = trace.begin(RecordKind::Handle, id, number);
        let mut took = times.next_time(params.millis("write"));
        // `>=` because the middle chunk may have been dropped.
        let is_due = !has_injected && number >= middle;
        has_injected |= is_due;
        if is_due && inject == "stall" {
            took += STALL;
        }
        context.platform.sleep(took).await;
        if is_due && inject == "error" {
            span.fail("no space left");
            open.fail("no space left");
            // Dropping the receiver returns pending chunks to the source.
            return;
        }
        span.succeed();
    }
    open.succeed();
}
