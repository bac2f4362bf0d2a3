//! Streams a run's trace as server-sent events: `trace` events with new records, then one
//! `end` event with the verdicts.

use super::endpoints::WORKER_HEADER;
use crate::{panic_report::RunFailure, run_thread::RunThread};
use axum::response::{
    IntoResponse, Response, Sse,
    sse::{Event, KeepAlive},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{FutureExt, Stream, future::BoxFuture, stream};
use highwater::{
    scenario::Experiment,
    trace::{PackedBatch, RecordBatch, Trace},
};
use highwater_server::logging;
use serde::Deserialize;
use serde_json::json;
use std::{any::Any, mem, process, sync::Arc, time::Duration};
use tokio::time::{Interval, MissedTickBehavior};

/// The interval between events, which is short enough for a live view and costs little.
const EVENT_INTERVAL: Duration = Duration::from_millis(50);

/// The maximum number of records per event. It is limited because clients buffer whole
/// events.
const MAX_EVENT_RECORDS: usize = 1024;

/// Returns the response that streams a run. It ends after the `end` event, or without one
/// if the server stops. Dropping it aborts the run, for example when the client
/// disconnects.
pub(super) fn respond(trace_stream: TraceStream) -> Response {
    let events = Sse::new(trace_stream.into_events()).keep_alive(KeepAlive::default());
    let mut response = events.into_response();
    // A run's processes are children of this process.
    response
        .headers_mut()
        .insert(WORKER_HEADER, process::id().into());
    response
}

/// A run and its trace stream.
///
/// The stream advances as fast as the client reads, and the run's recorder buffers new
/// records. When the buffer is full, the recorder drops the oldest records, and the
/// client receives the number of dropped records.
pub(super) struct TraceStream {
    experiment: Experiment,
    run: RunThread,
    format: RecordFormat,
    /// All records sent so far, from which the verdicts are computed.
    trace: Trace,
    /// The records to send next, which are complete up to `complete_until`.
    next: RecordBatch,
    complete_until: Duration,
    ticks: Interval,
    state: StreamState,
    server_stopped: BoxFuture<'static, ()>,
    _permit: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq)]
enum StreamState {
    Running,
    /// The run has ended; the remaining records and the `end` event follow.
    RunEnded,
    /// The `end` event was sent.
    EndSent,
}

impl TraceStream {
    /// Creates a stream, which holds `permit` until it is dropped.
    pub(super) fn new(
        experiment: Experiment,
        run: RunThread,
        format: RecordFormat,
        permit: Arc<dyn Any + Send + Sync>,
        server_stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut ticks = tokio::time::interval(EVENT_INTERVAL);
        // A slow client receives larger events, not more frequent ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        TraceStream {
            trace: experiment.new_trace("native"),
            experiment,
            run,
            format,
            next: RecordBatch::default(),
            complete_until: Duration::ZERO,
            ticks,
            state: StreamState::Running,
            server_stopped: server_stopped.boxed(),
            _permit: permit,
        }
    }

    fn into_events(self) -> impl Stream<Item = Result<Event, serde_json::Error>> {
        stream::unfold(self, async |mut trace_stream| {
            let (name, data) = trace_stream.next().await?;
            let event = data.map(|data| Event::default().event(name).data(data));
            Some((event, trace_stream))
        })
    }

    /// Returns the name and the data of the next event.
    async fn next(&mut self) -> Option<(&'static str, Result<String, serde_json::Error>)> {
        while !self.has_records() && self.state == StreamState::Running {
            tokio::select! {
                biased;
                () = &mut self.server_stopped => return None,
                failure = self.run.ended() => {
                    self.trace.died =
                        failure.map(|failure| log_failure(&self.experiment, &failure));
                    self.state = StreamState::RunEnded;
                }
                _ = self.ticks.tick() => {}
            }
            // The clock is read first, so that the drained batch is complete up to that
            // time.
            self.complete_until = self.run.now();
            self.next = self.run.recorder().drain();
            if self.format.sends_empty_batches() {
                return Some(("trace", self.take_batch()));
            }
        }
        if self.has_records() {
            return Some(("trace", self.take_batch()));
        }
        if mem::replace(&mut self.state, StreamState::EndSent) == StreamState::EndSent {
            return None;
        }
        let end = json!({
            "died": self.trace.died,
            "verdicts": self.experiment.scenario().judge(&self.trace),
        });
        Some(("end", Ok(end.to_string())))
    }

    /// Returns true if there is a batch to send. A name may precede its first record.
    fn has_records(&self) -> bool {
        !self.next.events.is_empty() || !self.next.names.is_empty()
    }

    fn take_batch(&mut self) -> Result<String, serde_json::Error> {
        let rest = self.next.split_off(MAX_EVENT_RECORDS);
        let batch = mem::replace(&mut self.next, rest);
        let complete_until = if self.next.events.is_empty() {
            self.complete_until
        } else {
            Duration::ZERO
        };
        let data = self.format.encode(&batch, complete_until)?;
        self.trace.append(batch);
        Ok(data)
    }
}

/// Logs a run's failure with its source location, and returns the message for the client.
fn log_failure(experiment: &Experiment, failure: &RunFailure) -> String {
    logging::line(&format!(
        "run failed ({}): {failure}",
        experiment.fragment()
    ));
    failure.message.clone()
}

/// The format of records in `trace` events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordFormat {
    /// One JSON object per record, with names instead of ids.
    #[default]
    Json,
    /// The page's internal format: 80 bytes per record, in base64. It is a third of the
    /// size of JSON and cheap to parse.
    Packed,
}

impl RecordFormat {
    /// Returns true if events are sent even without new records. The page needs them
    /// because it plays a run up to the time of the last event.
    fn sends_empty_batches(self) -> bool {
        self == RecordFormat::Packed
    }

    /// Encodes a batch that is complete up to `complete_until`.
    fn encode(
        self,
        batch: &RecordBatch,
        complete_until: Duration,
    ) -> Result<String, serde_json::Error> {
        if self == RecordFormat::Json {
            return serde_json::to_string(batch);
        }
        let PackedBatch { names, words } = batch.clone().into();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let packed = json!({
            "names": names,
            "words": BASE64_STANDARD.encode(bytes),
            "now_ms": u64::try_from(complete_until.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(packed.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};
    use highwater::{
        scenario::{self, TRACE_CAPACITY},
        trace::RecordKind,
    };
    use serde_json::Value;
    use std::future::pending;

    /// More records than the recorder buffers.
    const RECORD_COUNT: usize = TRACE_CAPACITY + 5000;

    /// Starts a run that produces all records immediately and never ends.
    fn start_flooding_run() -> RunThread {
        let run = |_, recorder: highwater::trace::Recorder| {
            async move {
                let source = recorder.name("flood");
                for subject in 0..RECORD_COUNT {
                    recorder.instant(RecordKind::Level, source, subject as u64);
                }
                pending::<()>().await;
            }
            .boxed_local()
        };
        RunThread::start_with(run, ()).unwrap()
    }

    #[tokio::test]
    async fn slow_client_is_limited_to_the_recorder_buffer() {
        let run = start_flooding_run();
        let recorder = run.recorder();
        while recorder.recorded() < RECORD_COUNT as u64 {
            tokio::task::yield_now().await;
        }
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let permit: Arc<()> = Arc::default();
        let format = RecordFormat::Json;
        let mut trace_stream =
            TraceStream::new(experiment, run, format, permit.clone(), pending::<()>());

        let mut received = 0;
        while received < TRACE_CAPACITY {
            let (name, batch) = trace_stream.next().await.unwrap();
            assert_eq!(name, "trace");
            let batch: Value = serde_json::from_str(&batch.unwrap()).unwrap();
            assert_eq!(batch["dropped"], 5000);
            let count = batch["events"].as_array().unwrap().len();
            assert!(count <= MAX_EVENT_RECORDS, "{count}");
            received += count;
        }
        assert_eq!(received, TRACE_CAPACITY);
        assert_eq!(Arc::strong_count(&permit), 2, "the permit is still held");
        let events = Box::pin(trace_stream.into_events());
        drop(events);
        assert_eq!(Arc::strong_count(&permit), 1);
    }

    #[tokio::test]
    async fn stopping_server_sends_no_end_event() {
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let stopped = async {};
        let trace_stream = TraceStream::new(
            experiment,
            start_flooding_run(),
            RecordFormat::Packed,
            Arc::new(()),
            stopped,
        );
        let events: Vec<_> = trace_stream.into_events().collect().await;
        assert_eq!(events.len(), 0);
    }
}
