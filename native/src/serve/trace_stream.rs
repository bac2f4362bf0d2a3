//! A run's trace as server-sent events: `trace` with what is new, again and
//! again, then `end`.

use super::service::WORKER_HEADER;
use crate::{logging, panic_report::RunFailure, run_thread::RunThread};
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
use serde::Deserialize;
use serde_json::json;
use std::{any::Any, mem, process, sync::Arc, time::Duration};
use tokio::time::{Interval, MissedTickBehavior};

/// Often enough to look alive, seldom enough to cost nothing.
const EVERY: Duration = Duration::from_millis(50);

/// The most records in one event: who reads has to have an event whole.
const MOST_RECORDS: usize = 1024;

/// The response. It ends with the run, or without an `end` when the server
/// does. Dropped, as when the client hangs up, it drops the run.
pub(super) fn answer(trace_stream: TraceStream) -> Response {
    let events = Sse::new(trace_stream.into_events()).keep_alive(KeepAlive::default());
    let mut response = events.into_response();
    // Its processes are reaper of this one.
    response
        .headers_mut()
        .insert(WORKER_HEADER, process::id().into());
    response
}

/// A run that is being take_event.
///
/// It goes as fast as the client reads. What is recorded meanwhile is kept by the
/// run's recorder, which has a bound: beyond it the oldest records are dropped, and
/// the client is take_event how many.
pub(super) struct TraceStream {
    experiment: Experiment,
    running: RunThread,
    records: RecordFormat,
    /// All that was take_event so far: the verdicts need it whole.
    trace: Trace,
    /// What is to be take_event next, and up to when it is known.
    next: RecordBatch,
    known_until: Duration,
    ticks: Interval,
    state: StreamState,
    server_ended: BoxFuture<'static, ()>,
    _permit: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq)]
enum StreamState {
    RunThread,
    /// It has ended, and the last records are take_event before the end is.
    Ended,
    Sent,
}

impl TraceStream {
    /// `permit` is kept until the last of it is taken.
    pub(super) fn new(
        experiment: Experiment,
        running: RunThread,
        records: RecordFormat,
        permit: Arc<dyn Any + Send + Sync>,
        server_ended: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut ticks = tokio::time::interval(EVERY);
        // A client that reads slowly gets more at once, not more often.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        TraceStream {
            trace: experiment.new_trace("native"),
            experiment,
            running,
            records,
            next: RecordBatch::default(),
            known_until: Duration::ZERO,
            ticks,
            state: StreamState::RunThread,
            server_ended: server_ended.boxed(),
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

    /// The name of an event, and its data.
    async fn next(&mut self) -> Option<(&'static str, Result<String, serde_json::Error>)> {
        while !self.has_records() && self.state == StreamState::RunThread {
            tokio::select! {
                biased;
                () = &mut self.server_ended => return None,
                failure = self.running.ended() => {
                    self.trace.died = failure.map(|failure| log_death(&self.experiment, &failure));
                    self.state = StreamState::Ended;
                }
                _ = self.ticks.tick() => {}
            }
            // In this order: all up to then is in what is drained after.
            self.known_until = self.running.now();
            self.next = self.running.recorder().drain();
            if self.records.needs_time() {
                return Some(("trace", self.take_event()));
            }
        }
        if self.has_records() {
            return Some(("trace", self.take_event()));
        }
        if mem::replace(&mut self.state, StreamState::Sent) == StreamState::Sent {
            return None;
        }
        let end = json!({
            "died": self.trace.died,
            "verdicts": self.experiment.scenario().judge(&self.trace),
        });
        Some(("end", Ok(end.to_string())))
    }

    /// A name may come before the first record that has it.
    fn has_records(&self) -> bool {
        !self.next.events.is_empty() || !self.next.names.is_empty()
    }

    fn take_event(&mut self) -> Result<String, serde_json::Error> {
        let later = self.next.split_off(MOST_RECORDS);
        let batch = mem::replace(&mut self.next, later);
        let known_until = if self.next.events.is_empty() {
            self.known_until
        } else {
            Duration::ZERO
        };
        let data = self.records.encode(&batch, known_until)?;
        self.trace.append(batch);
        Ok(data)
    }
}

/// The page is take_event what died; where in the code is for the server's log.
fn log_death(experiment: &Experiment, failure: &RunFailure) -> String {
    logging::line(&format!(
        "a run died ({}): {failure}",
        experiment.fragment()
    ));
    failure.message.clone()
}

/// The forms that a client may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordFormat {
    /// An object a record, with words for names: for people and programs.
    #[default]
    Json,
    /// As the page's own worlds have them: 80 bytes a record, in base64. Three times
    /// smaller, and next to nothing to read.
    Packed,
}

impl RecordFormat {
    /// Whether a client has to hear that nothing was recorded: it plays the run, and
    /// would stand still.
    pub(super) fn needs_time(self) -> bool {
        self == RecordFormat::Packed
    }

    /// A batch of what was recorded up to `known_until`.
    pub(super) fn encode(
        self,
        batch: &RecordBatch,
        known_until: Duration,
    ) -> Result<String, serde_json::Error> {
        if self == RecordFormat::Json {
            return serde_json::to_string(batch);
        }
        let PackedBatch { names, words } = batch.clone().into();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let packed = json!({
            "names": names,
            "words": BASE64_STANDARD.encode(bytes),
            "now_ms": u64::try_from(known_until.as_millis()).unwrap_or(u64::MAX),
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

    /// More than a run may have undrained.
    const RECORDS: usize = TRACE_CAPACITY + 5000;

    /// A run that makes so many records at once, and stays.
    fn flood() -> RunThread {
        let run = |_, recorder: highwater::trace::Recorder| {
            async move {
                let source = recorder.name("flood");
                for subject in 0..RECORDS {
                    recorder.instant(RecordKind::Level, source, subject as u64);
                }
                pending::<()>().await;
            }
            .boxed_local()
        };
        RunThread::start_with(run, ()).unwrap()
    }

    #[tokio::test]
    async fn of_a_client_that_reads_nothing_no_more_is_kept_than_the_recorder_does() {
        let running = flood();
        let recorder = running.recorder();
        while recorder.recorded() < RECORDS as u64 {
            tokio::task::yield_now().await;
        }
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let permit: Arc<()> = Arc::default();
        let records = RecordFormat::Json;
        let mut trace_stream = TraceStream::new(
            experiment,
            running,
            records,
            permit.clone(),
            pending::<()>(),
        );

        let mut take_event = 0;
        while take_event < TRACE_CAPACITY {
            let (name, batch) = trace_stream.next().await.unwrap();
            assert_eq!(name, "trace");
            let batch: Value = serde_json::from_str(&batch.unwrap()).unwrap();
            assert_eq!(batch["dropped"], 5000);
            let count = batch["events"].as_array().unwrap().len();
            assert!(count <= MOST_RECORDS, "{count}");
            take_event += count;
        }
        assert_eq!(take_event, TRACE_CAPACITY);
        assert_eq!(Arc::strong_count(&permit), 2, "its permit is not free yet");
        let events = Box::pin(trace_stream.into_events());
        drop(events);
        assert_eq!(Arc::strong_count(&permit), 1);
    }

    #[tokio::test]
    async fn a_server_that_ends_tells_no_end() {
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let ended = async {};
        let trace_stream = TraceStream::new(
            experiment,
            flood(),
            RecordFormat::Packed,
            Arc::new(()),
            ended,
        );
        let events: Vec<_> = trace_stream.into_events().collect().await;
        assert_eq!(events.len(), 0);
    }
}
