//! A run's trace as server-sent events: `trace` with what is new, again and
//! again, then `end`.

use super::{records::Records, service::WORKER};
use crate::{logging, panic_report::RunFailure, running::Running};
use axum::response::{
    IntoResponse, Response, Sse,
    sse::{Event, KeepAlive},
};
use futures::{FutureExt, Stream, future::BoxFuture, stream};
use highwater::{
    scenario::Experiment,
    trace::{Batch, Trace},
};
use serde_json::json;
use std::{any::Any, mem, process, sync::Arc, time::Duration};
use tokio::time::{Interval, MissedTickBehavior};

/// Often enough to look alive, seldom enough to cost nothing.
const EVERY: Duration = Duration::from_millis(50);

/// The most records in one event: who reads has to have an event whole.
const MOST_RECORDS: usize = 1024;

/// The response. It ends with the run, or without an `end` when the server
/// does. Dropped, as when the client hangs up, it drops the run.
pub(super) fn answer(telling: Telling) -> Response {
    let events = Sse::new(telling.into_events()).keep_alive(KeepAlive::default());
    let mut response = events.into_response();
    // Its processes are children of this one.
    response.headers_mut().insert(WORKER, process::id().into());
    response
}

/// A run that is being told.
///
/// It goes as fast as the client reads. What is recorded meanwhile is kept by the
/// run's recorder, which has a bound: beyond it the oldest records are dropped, and
/// the client is told how many.
pub(super) struct Telling {
    experiment: Experiment,
    running: Running,
    records: Records,
    /// All that was told so far: the verdicts need it whole.
    trace: Trace,
    /// What is to be told next, and up to when it is known.
    next: Batch,
    known_until: Duration,
    ticks: Interval,
    progress: Progress,
    server_ended: BoxFuture<'static, ()>,
    _place: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Runs,
    /// It has ended, and the last records are told before the end is.
    Ended,
    Told,
}

impl Telling {
    /// `place` is kept until the last of it is taken.
    pub(super) fn new(
        experiment: Experiment,
        running: Running,
        records: Records,
        place: Arc<dyn Any + Send + Sync>,
        server_ended: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut ticks = tokio::time::interval(EVERY);
        // A client that reads slowly gets more at once, not more often.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Telling {
            trace: experiment.new_trace("native"),
            experiment,
            running,
            records,
            next: Batch::default(),
            known_until: Duration::ZERO,
            ticks,
            progress: Progress::Runs,
            server_ended: server_ended.boxed(),
            _place: place,
        }
    }

    fn into_events(self) -> impl Stream<Item = Result<Event, serde_json::Error>> {
        stream::unfold(self, async |mut telling| {
            let (name, data) = telling.next().await?;
            let event = data.map(|data| Event::default().event(name).data(data));
            Some((event, telling))
        })
    }

    /// The name of an event, and its data.
    async fn next(&mut self) -> Option<(&'static str, Result<String, serde_json::Error>)> {
        while !self.has_news() && self.progress == Progress::Runs {
            tokio::select! {
                biased;
                () = &mut self.server_ended => return None,
                failure = self.running.ended() => {
                    self.trace.died = failure.map(|failure| tell(&self.experiment, &failure));
                    self.progress = Progress::Ended;
                }
                _ = self.ticks.tick() => {}
            }
            // In this order: all up to then is in what is drained after.
            self.known_until = self.running.now();
            self.next = self.running.recorder().drain();
            if self.records.tells_time() {
                return Some(("trace", self.told()));
            }
        }
        if self.has_news() {
            return Some(("trace", self.told()));
        }
        if mem::replace(&mut self.progress, Progress::Told) == Progress::Told {
            return None;
        }
        let end = json!({
            "died": self.trace.died,
            "verdicts": self.experiment.scenario().judge(&self.trace),
        });
        Some(("end", Ok(end.to_string())))
    }

    /// A name may come before the first record that has it.
    fn has_news(&self) -> bool {
        !self.next.events.is_empty() || !self.next.names.is_empty()
    }

    fn told(&mut self) -> Result<String, serde_json::Error> {
        let later = self.next.split_off(MOST_RECORDS);
        let batch = mem::replace(&mut self.next, later);
        let known_until = if self.next.events.is_empty() {
            self.known_until
        } else {
            Duration::ZERO
        };
        let data = self.records.write(&batch, known_until)?;
        self.trace.append(batch);
        Ok(data)
    }
}

/// The page is told what died; where in the code is for the server's log.
fn tell(experiment: &Experiment, failure: &RunFailure) -> String {
    logging::line(&format!(
        "a run died ({}): {failure}",
        experiment.fragment()
    ));
    failure.message.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};
    use highwater::{
        scenario::{self, TRACE_CAPACITY},
        trace::Kind,
    };
    use serde_json::Value;
    use std::future::pending;

    /// More than a run may have undrained.
    const RECORDS: usize = TRACE_CAPACITY + 5000;

    /// A run that makes so many records at once, and stays.
    fn flood() -> Running {
        let run = |_, recorder: highwater::trace::Recorder| {
            async move {
                let source = recorder.name("flood");
                for subject in 0..RECORDS {
                    recorder.instant(Kind::Level, source, subject as u64);
                }
                pending::<()>().await;
            }
            .boxed_local()
        };
        Running::start_with(run, ()).unwrap()
    }

    #[tokio::test]
    async fn of_a_client_that_reads_nothing_no_more_is_kept_than_the_recorder_does() {
        let running = flood();
        let recorder = running.recorder();
        while recorder.recorded() < RECORDS as u64 {
            tokio::task::yield_now().await;
        }
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let place: Arc<()> = Arc::default();
        let records = Records::Json;
        let mut telling =
            Telling::new(experiment, running, records, place.clone(), pending::<()>());

        let mut told = 0;
        while told < TRACE_CAPACITY {
            let (name, batch) = telling.next().await.unwrap();
            assert_eq!(name, "trace");
            let batch: Value = serde_json::from_str(&batch.unwrap()).unwrap();
            assert_eq!(batch["dropped"], 5000);
            let count = batch["events"].as_array().unwrap().len();
            assert!(count <= MOST_RECORDS, "{count}");
            told += count;
        }
        assert_eq!(told, TRACE_CAPACITY);
        assert_eq!(Arc::strong_count(&place), 2, "its place is not free yet");
        let events = Box::pin(telling.into_events());
        drop(events);
        assert_eq!(Arc::strong_count(&place), 1);
    }

    #[tokio::test]
    async fn a_server_that_ends_tells_no_end() {
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let ended = async {};
        let telling = Telling::new(experiment, flood(), Records::Packed, Arc::new(()), ended);
        let events: Vec<_> = telling.into_events().collect().await;
        assert_eq!(events.len(), 0);
    }
}
