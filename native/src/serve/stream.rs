//! A run's trace as server-sent events: `trace` with what is new, again and
//! again, then `end`.

use crate::{death::Death, running::Running};
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
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// Often enough to look alive, seldom enough to cost nothing.
const EVERY: Duration = Duration::from_millis(50);

/// The response. It ends with the run, or without an `end` when the server
/// does. Dropped, as when the client hangs up, it drops the run.
pub(super) fn answer(
    experiment: Experiment,
    running: Running,
    server_ended: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let mut ticks = tokio::time::interval(EVERY);
    // A client that reads slowly gets more at once, not more often.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let telling = Telling {
        trace: experiment.new_trace("native"),
        experiment,
        running,
        ticks,
        progress: Progress::Runs,
        server_ended: server_ended.boxed(),
    };
    Sse::new(telling.into_events())
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// A run that is being told.
struct Telling {
    experiment: Experiment,
    running: Running,
    /// All that was told so far: the verdicts need it whole.
    trace: Trace,
    ticks: Interval,
    progress: Progress,
    server_ended: BoxFuture<'static, ()>,
}

enum Progress {
    Runs,
    /// It has ended, and the last records are told before the end is.
    Ended,
    Told,
}

impl Telling {
    fn into_events(self) -> impl Stream<Item = Result<Event, serde_json::Error>> {
        stream::unfold(self, async |mut telling| {
            let event = telling.next().await?;
            Some((event, telling))
        })
    }

    async fn next(&mut self) -> Option<Result<Event, serde_json::Error>> {
        while let Progress::Runs = self.progress {
            tokio::select! {
                biased;
                () = &mut self.server_ended => return None,
                death = self.running.ended() => {
                    self.trace.died = death.map(|death| tell(&self.experiment, &death));
                    self.progress = Progress::Ended;
                }
                _ = self.ticks.tick() => {}
            }
            let batch = self.running.recorder().drain();
            if !batch.events.is_empty() {
                return Some(self.told(batch));
            }
        }
        if let Progress::Told = self.progress {
            return None;
        }
        self.progress = Progress::Told;
        let end = json!({
            "died": self.trace.died,
            "verdicts": self.experiment.scenario().judge(&self.trace),
        });
        Some(Ok(Event::default().event("end").data(end.to_string())))
    }

    fn told(&mut self, batch: Batch) -> Result<Event, serde_json::Error> {
        let json = serde_json::to_string(&batch)?;
        self.trace.append(batch);
        Ok(Event::default().event("trace").data(json))
    }
}

/// The page is told what died; where in the code is for the server's log.
fn tell(experiment: &Experiment, death: &Death) -> String {
    anstream::eprintln!("a run died ({}): {death}", experiment.fragment());
    death.message.clone()
}
