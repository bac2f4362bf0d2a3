//! Queueing theory beside a run.

use super::{
    MeasureUnit::{self, Nanoseconds, PartsPerMillion, Thousandths},
    Prediction, QueueingModel, SteadyState,
    work::{self, WorkSpans, WorkTotals},
};
use crate::{
    latency::nanos,
    platform::MESSAGE_DELAY,
    scenario::Decimal,
    trace::{Event, Phase, RecordKind, TOTAL_SERVICE_TIME, Trace},
    workload::{ArrivalModel, TimeModel},
};
use std::{collections::BTreeMap, time::Duration};

/// The predictions of queueing theory for a run, beside the run's own figures.
///
/// For simulated runs, the prediction takes the mean service time from the settings. On
/// real threads and processes, work takes the time it takes on that machine, so the
/// prediction uses the mean service time of the run.
///
/// The example needs the feature `playground`, which has the scenarios.
///
/// ```
/// use highwater::{analysis::{Prediction, Theory}, scenario};
///
/// let mut experiment = scenario::find("blocking")?.experiment();
/// for (key, value) in [("every", "0"), ("interval", "30"), ("work", "25")] {
///     experiment.set(key, value)?;
/// }
/// for (key, value) in [("arrivals", "poisson"), ("times", "exponential")] {
///     experiment.set(key, value)?;
/// }
/// let theory = Theory::of(&experiment.simulate());
/// assert!(matches!(theory.prediction, Prediction::SteadyState(_)));
/// assert_eq!(theory.summary(), "M/M/1 at a utilization of 0.83: Erlang (1917)");
/// let wait = &theory.rows[0];
/// assert_eq!((wait.key, wait.theory), ("mean_wait", Some(125_000_000)));
/// # Ok::<(), scenario::InputError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Theory {
    /// The model of the scenario's queue, if it has one.
    pub model: Option<QueueingModel>,
    /// The prediction.
    pub prediction: Prediction,
    /// The mean service time of the run, if the prediction uses it instead of the
    /// setting.
    pub measured_service_time: Option<Duration>,
    /// Sentences about the comparison: a run too short for the steady state, or delays
    /// outside the model.
    pub notes: Vec<String>,
    /// The figures, the same for all runs.
    pub rows: Vec<TheoryRow>,
    /// The plural noun for the items, and the noun for the servers.
    nouns: (&'static str, &'static str),
}

/// A figure of a run and its prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TheoryRow {
    /// The stable name for programs.
    pub key: &'static str,
    /// The label for people.
    pub label: &'static str,
    /// The unit of both values.
    pub unit: MeasureUnit,
    /// The predicted value.
    pub theory: Option<u64>,
    /// The value in the run.
    pub run: Option<u64>,
}

impl TheoryRow {
    /// Returns by how much the run exceeds the prediction, in thousandths of the
    /// prediction.
    #[must_use]
    pub fn gap_permille(&self) -> Option<i64> {
        gap_permille(self.run?, self.theory?)
    }

    /// Returns the [gap](gap_text) as text.
    #[must_use]
    pub fn gap(&self) -> Option<String> {
        self.gap_permille().map(gap_text)
    }
}

/// Returns by how much a value exceeds another one, in thousandths of that, rounded.
///
/// ```
/// use highwater::analysis::{gap_permille, gap_text};
///
/// assert_eq!(gap_permille(1_995, 2_000), Some(-3));
/// assert_eq!(gap_permille(1, 0), None);
/// assert_eq!(gap_text(-3), "−0.3 %");
/// assert_eq!(gap_text(108_000), "×109");
/// ```
#[must_use]
pub fn gap_permille(value: u64, to: u64) -> Option<i64> {
    let difference = 1000 * (i128::from(value) - i128::from(to));
    let half = i128::from(to) / 2 * difference.signum();
    i64::try_from((difference + half).checked_div(i128::from(to))?).ok()
}

/// Formats a gap in percent, `+1.2 %`; above 1,000 % as a factor, `×109`.
#[must_use]
pub fn gap_text(permille: i64) -> String {
    let size = permille.unsigned_abs();
    if permille > 10_000 {
        return ["×", &Thousandths.text(size.saturating_add(1000))].concat();
    }
    let sign = if permille < 0 { "−" } else { "+" };
    format!("{sign}{}.{} %", size / 10, size % 10)
}

impl Theory {
    /// Predicts the figures of a run from its settings, and compares them.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let queue = ScenarioQueue::of(trace);
        let facts = RunFacts::of(trace);
        let is_simulated = matches!(trace.world.as_str(), "" | "virtual");
        let measured_service_time = facts
            .mean_service_time
            .filter(|_| !is_simulated && queue.is_ok());
        let (model, nouns, prediction) = match queue {
            Ok(mut queue) => {
                if let Some(time) = measured_service_time {
                    queue.model.service_time = time;
                }
                let is_growing =
                    queue.model.queue_capacity.is_none() && queue.model.is_overloaded();
                let prediction = match queue.obstacle {
                    Some(reason) if !is_growing => Prediction::NoFormula(reason),
                    _ => queue.model.predict(),
                };
                (Some(queue.model), queue.nouns, prediction)
            }
            Err(reason) => (None, ("", ""), Prediction::NoFormula(reason.to_owned())),
        };
        let state = match &prediction {
            Prediction::SteadyState(state) => Some(state),
            _ => None,
        };
        let servers = model.map(|model| f64::from(model.servers));
        let is_bounded = model.is_some_and(|model| model.queue_capacity.is_some());
        let mut notes = Vec::new();
        if let (Some(model), Some(_)) = (model, state) {
            notes.extend(facts.shortness(&model));
            if is_simulated && trace.param("balance") == "shared_queue" {
                notes.extend(message_delays(&model));
            }
        }
        notes.extend(facts.littles_law());
        let rows = facts.rows(state, servers, is_bounded);
        Theory {
            model,
            prediction,
            measured_service_time,
            notes,
            rows,
            nouns,
        }
    }

    /// Predicts the figures of a run from its settings alone.
    #[must_use]
    pub fn of_settings(trace: &Trace) -> Self {
        Theory::of(&Trace {
            scenario: trace.scenario.clone(),
            params: trace.params.clone(),
            ..Trace::default()
        })
    }

    /// Returns the prediction if there is one.
    #[must_use]
    pub fn steady_state(&self) -> Option<&SteadyState> {
        match &self.prediction {
            Prediction::SteadyState(state) => Some(state),
            _ => None,
        }
    }

    /// Returns one sentence without a full stop: the model and its load, or the reason that
    /// there is no formula; and the [overload](Self::overload), if there is one.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut summary = match (&self.prediction, self.model) {
            (Prediction::NoFormula(reason), _) => ["no formula: ", reason].concat(),
            (Prediction::SteadyState(state), Some(model)) => {
                let load = hundredths(model.utilization());
                let load = match model.queue_capacity {
                    // Rejected requests are offered and not carried.
                    Some(_) => [" at an offered load of ", &load, " per server"].concat(),
                    None => [" at a utilization of ", &load].concat(),
                };
                let time = self.at_service_time();
                [&state.model, &load, &time, ": ", state.source].concat()
            }
            _ => String::new(),
        };
        if let Some(overload) = self.overload() {
            if !summary.is_empty() {
                summary.push_str("; ");
            }
            summary.push_str(&overload);
        }
        summary
    }

    /// Returns a sentence if requests arrive as fast as the servers can handle them, or
    /// faster.
    ///
    /// ```
    /// use highwater::{analysis::Theory, scenario};
    ///
    /// let mut experiment = scenario::find("cluster")?.experiment();
    /// for (key, value) in [("workers", "1"), ("interval", "20"), ("work", "24")] {
    ///     experiment.set(key, value)?;
    /// }
    /// let overload = Theory::of_settings(&experiment.new_trace("native")).overload();
    /// assert_eq!(
    ///     overload.unwrap(),
    ///     "offered load is 1.20: requests arrive faster than the workers can handle \
    ///      them, so the queue grows until the last request",
    /// );
    /// # Ok::<(), scenario::InputError>(())
    /// ```
    #[must_use]
    pub fn overload(&self) -> Option<String> {
        let model = self.model.filter(QueueingModel::is_overloaded)?;
        let load = if model.utilization().is_finite() {
            hundredths(model.utilization())
        } else {
            "infinite".to_owned()
        };
        let (items, servers) = self.nouns;
        let at = self.at_service_time();
        let arrive = if model.utilization() > 1.0 {
            " arrive faster than "
        } else {
            " arrive as fast as "
        };
        let effect = match model.queue_capacity {
            Some(_) => "so the queue fills up and the rest are rejected",
            None if items == "chunks" => "so the queue grows until the last chunk",
            None => "so the queue grows until the last request",
        };
        let load = ["offered load is ", &load, &at, ": "].concat();
        let cause = [items, arrive, servers, " can handle them, "].concat();
        Some([load, cause, effect.to_owned()].concat())
    }

    fn at_service_time(&self) -> String {
        let text = |time| Nanoseconds.text(nanos(time));
        let sentence = |time| [" with the measured mean service time of ", &text(time)].concat();
        self.measured_service_time
            .map_or_else(String::new, sentence)
    }
}

/// Returns a note if the messages between two requests of a worker take much of its time.
fn message_delays(model: &QueueingModel) -> Option<String> {
    let idle = 2 * MESSAGE_DELAY;
    let is_long = 100 * idle >= model.service_time;
    is_long.then(|| {
        let text = Nanoseconds.text(nanos(idle));
        [
            "With balance=shared_queue, a worker is idle for ",
            &text,
            " between two requests; theory assumes 0",
        ]
        .concat()
    })
}

/// The queue of a scenario, as its settings describe it.
struct ScenarioQueue {
    model: QueueingModel,
    /// The reason that the model is not exact.
    obstacle: Option<String>,
    nouns: (&'static str, &'static str),
}

impl ScenarioQueue {
    /// Returns the queue, or the reason that the scenario has no such queue.
    fn of(trace: &Trace) -> Result<Self, &'static str> {
        let number = |key| trace.param(key).parse::<u64>().unwrap_or(0);
        let millis = |key| Duration::from_millis(number(key));
        let is = |key, value| trace.param(key) == value;
        let has = |test: fn(&Event) -> bool| trace.events.iter().filter(|it| test(it)).count();
        let changes = trace.params.iter().any(|(key, _)| key.contains('@'))
            || has(|event| event.kind == RecordKind::Change) > 0;
        let obstacle = |first: Option<&'static str>| {
            if changes {
                return Some("parameters change during the run".to_owned());
            }
            let failed = has(|event| event.kind == RecordKind::Exit && event.failure.is_some());
            let first = first.map(str::to_owned);
            first.or_else(|| match failed {
                0 => None,
                1 => Some("a worker failed during the run".to_owned()),
                _ => Some([&failed.to_string(), " workers failed during the run"].concat()),
            })
        };
        let model = |interval, service_time, servers| QueueingModel {
            arrivals: ArrivalModel::named(trace.param("arrivals"), |key| decimal(trace, key)),
            interval: millis(interval),
            times: TimeModel::named(trace.param("times"), |key| decimal(trace, key)),
            service_time: millis(service_time),
            servers,
            queue_capacity: None,
        };
        match trace.scenario.as_str() {
            "cluster" if number("users") > 0 => {
                Err("users wait for a response before they send the next request")
            }
            "cluster" => {
                let workers = u32::try_from(number("workers")).unwrap_or(1);
                let is_bounded =
                    number("queue") < number("requests") && !trace.param("queue").is_empty();
                let queue_capacity = is_bounded.then(|| number("queue"));
                let is_shared = workers == 1 || is("balance", "shared_queue");
                let reason = if !is("event", "none") {
                    Some("workers fail or reload during the run")
                } else if !is_shared {
                    Some(
                        "with several workers, Highwater has formulas for balance=shared_queue only",
                    )
                } else {
                    None
                };
                Ok(ScenarioQueue {
                    model: QueueingModel {
                        queue_capacity: queue_capacity.and_then(|it| u32::try_from(it).ok()),
                        ..model("interval", "work", workers)
                    },
                    obstacle: obstacle(reason),
                    nouns: ("requests", "the workers"),
                })
            }
            "blocking" if number("every") > 0 || !is("inject", "nothing") => {
                Err("jobs share the server with the requests")
            }
            "blocking" => Ok(ScenarioQueue {
                model: model("interval", "work", 1),
                obstacle: obstacle(None),
                nouns: ("requests", "the loop"),
            }),
            "backpressure" if is("heed", "wait") => {
                Err("the source does not send while the queue is full")
            }
            "backpressure" if !is("inject", "nothing") => {
                Err("an event disturbs the source or the destination")
            }
            "backpressure" => {
                let mut model = model("read", "write", 1);
                // The source sends a chunk when it has read it.
                model.arrivals = match model.times {
                    TimeModel::Exponential => ArrivalModel::Poisson,
                    TimeModel::Fixed => ArrivalModel::Regular,
                    _ => ArrivalModel::Jittered,
                };
                let is_poisson = model.arrivals == ArrivalModel::Poisson;
                let reason =
                    (!is_poisson).then_some("Highwater has formulas for times=exponential only");
                Ok(ScenarioQueue {
                    model,
                    obstacle: obstacle(reason),
                    nouns: ("chunks", "the destination"),
                })
            }
            "decoupling" => Err("several services handle each sign-up"),
            "taxonomy" => Err("requests do not wait for each other"),
            "handler" => Err("a worker starts other requests while one waits"),
            "pipeline" => Err("stages wait for each other"),
            "threads" => Err("all jobs arrive at once"),
            _ => Err("the scenario has no queue"),
        }
    }
}

fn decimal(trace: &Trace, key: &str) -> f64 {
    Decimal::parse(trace.param(key)).map_or(1.0, Decimal::to_f64)
}

/// The figures of a run that theory predicts.
#[derive(Default)]
struct RunFacts {
    mean_wait: Option<Duration>,
    mean_service_time: Option<Duration>,
    mean_latency: Option<Duration>,
    percentiles: [Option<u64>; 2],
    succeeded: u64,
    finished: u64,
    /// The number of rejected items; `None` if not all ends are recorded.
    rejected: Option<u64>,
    /// The time from the first arrival to the last completion.
    span: Duration,
    /// The mean number in the system, from each arrival and end.
    mean_inside: Option<f64>,
    /// The rate times the mean latency.
    little: Option<f64>,
}

impl RunFacts {
    fn of(trace: &Trace) -> Self {
        let work = WorkSpans::new(trace);
        let mut totals = WorkTotals::default();
        let mut arrivals = BTreeMap::new();
        let (mut waits, mut services) = (MeanTime::default(), MeanTime::default());
        let mut total_service_time = None;
        let rejection = trace.id("rejected");
        let mut rejected = 0;
        for event in &trace.events {
            totals.apply(&work, event);
            if let Some(at) = work.arrival(event) {
                arrivals.insert(event.subject, at);
            } else if work.is_service(event) {
                match event.phase {
                    Phase::Begin => {
                        if let Some(arrived) = arrivals.remove(&event.subject) {
                            waits.add(event.at.saturating_sub(arrived));
                        }
                    }
                    Phase::End if event.failure.is_none() => services.add(event.duration),
                    _ => {}
                }
            } else if work.has(event) && event.failure.is_some() && event.failure == rejection {
                rejected += 1;
            } else if let Some(target) = event.target
                && trace.name(target) == TOTAL_SERVICE_TIME
            {
                total_service_time = Some(Duration::from_nanos(event.subject));
            }
        }
        let done = totals.sum();
        let finished = done.succeeded + done.failed;
        let (_, [p50, p99, _]) = work::latencies(trace, done.succeeded);
        let (mut latencies, mut successes) = (MeanTime::default(), MeanTime::default());
        let (mut first, mut last) = (Duration::MAX, Duration::ZERO);
        for ended in work.ended(trace) {
            latencies.add(ended.took);
            if ended.succeeded {
                successes.add(ended.took);
            }
            first = first.min(ended.at.saturating_sub(ended.took));
            last = last.max(ended.at);
        }
        let has_all_ends = u64::from(latencies.count) == finished;
        let mut mean_wait = waits.mean();
        if let Some(sum) = total_service_time {
            services = MeanTime { sum, ..successes };
            // All ends are on record, but only some starts of service.
            mean_wait = successes
                .sum
                .saturating_sub(sum)
                .checked_div(successes.count);
        }
        let span = last.saturating_sub(first);
        let per_span = |sum: f64| (!span.is_zero()).then(|| sum / span.as_secs_f64());
        let mean_latency = latencies.mean().filter(|_| work.has_latency());
        let counts = work::in_flight(trace);
        let inside = counts.windows(2).map(|pair| {
            let [(at, count), (until, _)] = [pair[0], pair[1]];
            until.saturating_sub(at).as_secs_f64() * count as f64
        });
        RunFacts {
            mean_wait,
            mean_service_time: services.mean(),
            mean_latency,
            percentiles: [p50, p99],
            succeeded: done.succeeded,
            finished,
            rejected: has_all_ends.then_some(rejected),
            span,
            mean_inside: (has_all_ends && work.is_concurrent())
                .then(|| per_span(inside.sum()))
                .flatten(),
            little: mean_latency.and_then(|mean| per_span(finished as f64 * mean.as_secs_f64())),
        }
    }

    /// Returns a note if the run is too short for the steady state.
    fn shortness(&self, model: &QueueingModel) -> Option<String> {
        let needed = model.needed_requests();
        let is_short = self.finished > 0 && (self.finished as f64) < needed;
        is_short.then(|| {
            let mut needed = rounded(needed);
            let mut zeros = 1;
            while needed >= 100 {
                needed = needed.div_ceil(10);
                zeros *= 10;
            }
            [
                &self.finished.to_string(),
                " requests are few: at this load, the means of a run are close to theory from about ",
                &(needed * zeros).to_string(),
                " requests on",
            ]
            .concat()
        })
    }

    /// Returns both sides of Little's law, which holds for every run.
    fn littles_law(&self) -> Option<String> {
        let text = |value: f64| Thousandths.text(rounded(value * 1e3));
        let (latency, little) = (self.mean_latency?, self.little?);
        let rate = self.finished as f64 / self.span.as_secs_f64();
        Some(
            [
                "Little's law: ",
                &text(rate),
                " /s × ",
                &Nanoseconds.text(nanos(latency)),
                " = ",
                &text(little),
                "; mean number in system: ",
                &text(self.mean_inside?),
            ]
            .concat(),
        )
    }

    fn rows(
        &self,
        state: Option<&SteadyState>,
        servers: Option<f64>,
        is_bounded: bool,
    ) -> Vec<TheoryRow> {
        let time = |time: Option<Duration>| time.map(nanos);
        let of = |figure: fn(&SteadyState) -> f64| state.map(figure);
        let share = |part: u64| part as f64 / self.finished as f64;
        let loss = self.rejected.filter(|_| is_bounded && self.finished > 0);
        let utilization = servers
            .zip(self.mean_service_time)
            .and_then(|(servers, mean)| {
                let work = mean.as_secs_f64() * self.succeeded as f64;
                (!self.span.is_zero()).then(|| work / (servers * self.span.as_secs_f64()))
            });
        let [p50, p99] = self.percentiles;
        let row = |key, label, unit, theory, run| TheoryRow {
            key,
            label,
            unit,
            theory,
            run,
        };
        let number = |key, label, unit, theory: Option<f64>, run: Option<f64>| {
            let scale = if unit == PartsPerMillion { 1e6 } else { 1e3 };
            let whole = |value: Option<f64>| value.map(|value| rounded(value * scale));
            row(key, label, unit, whole(theory), whole(run))
        };
        vec![
            row(
                "mean_wait",
                "Mean wait",
                Nanoseconds,
                time(state.map(|it| it.mean_wait)),
                time(self.mean_wait.filter(|_| servers.is_some())),
            ),
            row(
                "p50",
                "Latency p50",
                Nanoseconds,
                time(state.and_then(|it| it.p50)),
                p50,
            ),
            row(
                "p99",
                "Latency p99",
                Nanoseconds,
                time(state.and_then(|it| it.p99)),
                p99,
            ),
            number(
                "loss",
                "Rejected",
                PartsPerMillion,
                of(|it| it.loss).filter(|_| is_bounded),
                loss.map(share),
            ),
            number(
                "utilization",
                "Utilization",
                Thousandths,
                of(|it| it.utilization),
                utilization,
            ),
            number(
                "mean_inside",
                "Mean number in system",
                Thousandths,
                of(|it| it.mean_inside),
                self.mean_inside.or(self.little),
            ),
        ]
    }
}

#[derive(Default)]
struct MeanTime {
    sum: Duration,
    count: u32,
}

impl MeanTime {
    fn add(&mut self, time: Duration) {
        self.sum += time;
        self.count += 1;
    }

    fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

/// Formats with two decimals, without the code for formatting `f64`.
fn hundredths(value: f64) -> String {
    let hundredths = match rounded(value * 100.0) {
        // Not 1.00, which is the limit.
        100 if value < 1.0 => 99,
        100 if value > 1.0 => 101,
        hundredths => hundredths,
    };
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn rounded(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and saturates"
    )]
    let whole = (value + 0.5) as u64;
    whole
}
