//! Formulas of queueing theory, to compare with runs.

use crate::workload::{ArrivalModel, TimeModel};
use std::time::Duration;

/// A queue in front of one or several equal servers. A free server takes the request
/// that has waited longest.
///
/// ```
/// use highwater::{analysis::{Prediction, QueueingModel}, workload::{ArrivalModel, TimeModel}};
/// use std::time::Duration;
///
/// let model = QueueingModel {
///     arrivals: ArrivalModel::Poisson,
///     interval: Duration::from_millis(30),
///     times: TimeModel::Exponential,
///     service_time: Duration::from_millis(25),
///     servers: 1,
///     queue_capacity: None,
/// };
/// let Prediction::SteadyState(state) = model.predict() else { panic!() };
/// assert_eq!(state.model, "M/M/1");
/// assert_eq!(state.mean_latency.as_millis(), 150);
/// assert_eq!(state.p99.unwrap().as_millis(), 690);
///
/// // Twice as much work, on two servers and with a bounded queue.
/// let bounded = QueueingModel {
///     interval: Duration::from_millis(15),
///     servers: 2,
///     queue_capacity: Some(8),
///     ..model
/// };
/// let Prediction::SteadyState(state) = bounded.predict() else { panic!() };
/// assert_eq!(state.model, "M/M/2/10");
/// assert_eq!((100.0 * state.loss).round() as u32, 3, "percent");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueingModel {
    /// The model of the times between arrivals.
    pub arrivals: ArrivalModel,
    /// The mean time between arrivals.
    pub interval: Duration,
    /// The model of the service times.
    pub times: TimeModel,
    /// The mean service time.
    pub service_time: Duration,
    /// The number of servers; 0 counts as 1.
    pub servers: u32,
    /// The number of requests that can wait. Any more are rejected. `None` means no
    /// limit.
    pub queue_capacity: Option<u32>,
}

/// The prediction for a queue.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Prediction {
    /// The queue has a steady state, and there is a formula for it.
    SteadyState(SteadyState),
    /// Requests arrive as fast as the servers can handle them or faster, so the queue has
    /// no steady state: it grows until the last request.
    Overloaded,
    /// There is no formula here, for this reason.
    NoFormula(String),
}

/// The figures of a queue after a long time, by a formula.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SteadyState {
    /// The model in Kendall's notation: arrivals, service times, servers, and the
    /// largest number of requests waiting or in service if that is bounded: `M/M/4/14`.
    pub model: String,
    /// The origin of the formula.
    pub source: &'static str,
    /// The share of the time for which a server is busy.
    pub utilization: f64,
    /// The mean waiting time: from arrival to the start of service.
    pub mean_wait: Duration,
    /// The mean time from arrival to completion.
    pub mean_latency: Duration,
    /// The median latency, where a formula is known.
    pub p50: Option<Duration>,
    /// The 99th percentile of latency, where a formula is known.
    pub p99: Option<Duration>,
    /// The share of requests that are rejected.
    pub loss: f64,
    /// The mean number of requests waiting or in service, by Little's law.
    pub mean_inside: f64,
}

/// The highest utilization with percentiles of M/D/1. Their computation takes longer the
/// closer it is to 1.
const MAX_UTILIZATION: f64 = 0.9999;

/// Terms below this share of a sum do not change its digits.
const NEGLIGIBLE: f64 = 1e-17;

impl QueueingModel {
    /// Returns the offered load as a share of what the servers can do. From 1 on, an
    /// unbounded queue has no steady state. It is infinite if the interval is 0.
    ///
    /// ```
    /// # use highwater::{analysis::QueueingModel, workload::{ArrivalModel, TimeModel}};
    /// # use std::time::Duration;
    /// let model = QueueingModel {
    ///     arrivals: ArrivalModel::Poisson,
    ///     interval: Duration::from_millis(10),
    ///     times: TimeModel::Fixed,
    ///     service_time: Duration::from_millis(12),
    ///     servers: 2,
    ///     queue_capacity: None,
    /// };
    /// assert!((model.utilization() - 0.6).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn utilization(&self) -> f64 {
        if self.interval.is_zero() {
            return f64::INFINITY;
        }
        // Exactly 1 if the servers are exactly as fast as the arrivals.
        let interval = self.interval.as_nanos() as f64;
        self.service_time.as_nanos() as f64 / (interval * self.server_count())
    }

    /// Returns whether an unbounded queue would grow without end.
    pub(super) fn is_overloaded(&self) -> bool {
        let is_even = self.arrivals == ArrivalModel::Regular && self.times == TimeModel::Fixed;
        self.utilization() > 1.0 || self.utilization() >= 1.0 && !is_even
    }

    /// Returns the number of requests that a run needs until its means are close to those
    /// of the steady state: 100 times as many as arrive in a relaxation time, after which
    /// a queue has forgotten its start (Cohen, "The Single Server Queue", 1982).
    pub(super) fn needed_requests(&self) -> f64 {
        let load = self.utilization();
        let cv = self.times.coefficient_of_variation();
        let gap = 1.0 - load.sqrt();
        // 2 - 2 cos x is close to x², and a bounded queue forgets faster.
        let angle = self.queue_capacity.map_or(0.0, |capacity| {
            std::f64::consts::PI / (f64::from(capacity) + self.server_count() + 1.0)
        });
        let rate = gap * gap + load.sqrt() * angle * angle;
        100.0 * (load / rate).max(1.0) * f64::midpoint(1.0, cv * cv)
    }

    /// Predicts waits and latencies after a long time.
    ///
    /// | model | formula | conditions |
    /// |---|---|---|
    /// | M/M/1, M/M/c | Erlang (1917) | utilization below 1 |
    /// | M/M/c/K | Erlang (1917), as a birth-death process; percentiles: Gross et al., "Fundamentals of Queueing Theory" (2008), section 2.5 | none |
    /// | M/D/1 | mean: Pollaczek (1930) and Khinchine (1932); percentiles, up to a utilization of 0.9999: Franx (2001) | utilization below 1 |
    /// | M/G/1 | Pollaczek (1930) and Khinchine (1932), means only | utilization below 1 |
    ///
    /// All of them require Poisson arrivals, service in the order of arrival, and
    /// service times that are independent of each other and of the arrivals. Nothing is
    /// predicted for other models.
    #[must_use]
    pub fn predict(&self) -> Prediction {
        let is_exponential = self.times == TimeModel::Exponential;
        let reason = if self.interval.is_zero() {
            "all requests arrive at once"
        } else if self.queue_capacity.is_none() && self.is_overloaded() {
            return Prediction::Overloaded;
        } else if self.arrivals != ArrivalModel::Poisson {
            "Highwater has formulas for arrivals=poisson only"
        } else if let Some(capacity) = self.queue_capacity {
            if is_exponential {
                return Prediction::SteadyState(self.bounded(capacity));
            }
            "with a bounded queue, Highwater has formulas for times=exponential only"
        } else if is_exponential {
            return Prediction::SteadyState(self.exponential());
        } else if self.servers > 1 {
            "with several servers, Highwater has formulas for times=exponential only"
        } else {
            return Prediction::SteadyState(self.pollaczek_khinchine());
        };
        Prediction::NoFormula(reason.to_owned())
    }

    fn server_count(&self) -> f64 {
        f64::from(self.servers.max(1))
    }

    /// Returns the mean number of requests that arrive during a mean service time.
    fn offered_load(&self) -> f64 {
        self.utilization() * self.server_count()
    }

    /// Converts a mean wait and the tail of the latency, both in units of the mean
    /// service time.
    fn steady_state(
        &self,
        (model, source): (String, &'static str),
        mean_wait: f64,
        loss: f64,
        tail: Option<&dyn Fn(f64) -> f64>,
    ) -> SteadyState {
        let time = self.service_time.as_secs_f64();
        let quantile = |share| tail.map(|tail| seconds(time * quantile(share, tail)));
        let accepted = 1.0 - loss;
        SteadyState {
            model,
            source,
            utilization: (self.utilization() * accepted).min(1.0),
            mean_wait: seconds(time * mean_wait),
            mean_latency: seconds(time * (mean_wait + 1.0)),
            p50: quantile(0.5),
            p99: quantile(0.99),
            loss,
            mean_inside: self.offered_load() * accepted * (mean_wait + 1.0),
        }
    }

    /// M/M/c.
    fn exponential(&self) -> SteadyState {
        let load = self.offered_load();
        // Erlang's B by recursion, then his C: the probability that a request waits.
        let blocking = (1..=self.servers.max(1)).fold(1.0, |blocking, n| {
            load * blocking / (f64::from(n) + load * blocking)
        });
        let waits = blocking / (1.0 - self.utilization() * (1.0 - blocking));
        // A wait is exponential with this rate, if there is one. So is the service, with
        // rate 1.
        let rate = self.server_count() - load;
        let tail = |t: f64| {
            let wait_and_service = if (rate - 1.0).abs() < 1e-9 {
                libm::exp(-t) * (1.0 + t)
            } else {
                (rate * libm::exp(-t) - libm::exp(-rate * t)) / (rate - 1.0)
            };
            (1.0 - waits) * libm::exp(-t) + waits * wait_and_service
        };
        let model = ["M/M/", &self.servers.max(1).to_string()].concat();
        self.steady_state((model, "Erlang (1917)"), waits / rate, 0.0, Some(&tail))
    }

    /// M/M/c/K, where K is the number of servers plus the capacity of the queue.
    fn bounded(&self, capacity: u32) -> SteadyState {
        let count = self.servers.max(1);
        let (load, servers) = (self.offered_load(), self.server_count());
        // The weight of each number of requests inside, as a logarithm: a factorial or
        // a power of the load may exceed every number.
        let mut weights = vec![0.0];
        for n in 1..=u64::from(count) + u64::from(capacity) {
            let busy = n.min(u64::from(count)) as f64;
            weights.push(weights[weights.len() - 1] + libm::log(load / busy));
        }
        let greatest = weights.iter().copied().fold(f64::MIN, f64::max);
        let weights = weights.into_iter();
        let mut shares: Vec<f64> = weights.map(|it| libm::exp(it - greatest)).collect();
        let sum: f64 = shares.iter().sum();
        let loss = shares.pop().unwrap_or(0.0) / sum;
        let accepted: f64 = shares.iter().sum();
        // An accepted request waits until this many others have finished, while all
        // servers are busy.
        let places = shares.split_off(shares.len().min(count as usize));
        let mut at_least: Vec<f64> = places.iter().map(|share| share / accepted).collect();
        for n in (1..at_least.len()).rev() {
            at_least[n - 1] += at_least[n];
        }
        let mean_wait = at_least.iter().sum::<f64>() / servers;
        let logarithms = LogFactorials::new(at_least.len() + 40 * count as usize);
        let tail = |t: f64| delayed_tail(&at_least, servers, t, &logarithms);
        let places = u64::from(count) + u64::from(capacity);
        let model = ["M/M/", &count.to_string(), "/", &places.to_string()].concat();
        let source = "Erlang (1917) and Gross et al. (2008)";
        self.steady_state((model, source), mean_wait, loss, Some(&tail))
    }

    /// M/G/1, and M/D/1 if all times are equal.
    fn pollaczek_khinchine(&self) -> SteadyState {
        let load = self.offered_load();
        let cv = self.times.coefficient_of_variation();
        let mean_wait = load * (1.0 + cv * cv) / (2.0 * (1.0 - load));
        if self.times != TimeModel::Fixed {
            let model = ("M/G/1".to_owned(), "Pollaczek (1930) and Khinchine (1932)");
            return self.steady_state(model, mean_wait, 0.0, None);
        }
        let waits = FixedTimeWaits::new(load);
        let tail = |latency: f64| 1.0 - waits.at_most(latency - 1.0);
        let tail: Option<&dyn Fn(f64) -> f64> = (load <= MAX_UTILIZATION).then_some(&tail);
        let source = "Pollaczek (1930), Khinchine (1932) and Franx (2001)";
        self.steady_state(("M/D/1".to_owned(), source), mean_wait, 0.0, tail)
    }
}

/// Returns the probability that an M/M/c/K latency exceeds `t`. `at_least[n]` is the
/// probability that the request waits for more than `n` others to finish, which `servers`
/// servers do one after the other.
///
/// With a Poisson process that starts after the service time, the latency exceeds `t` if
/// the service alone does, or if fewer events than the request waits for lie in the rest
/// of `t`.
fn delayed_tail(at_least: &[f64], servers: f64, t: f64, logarithms: &LogFactorials) -> f64 {
    let mut sum = libm::exp(-t);
    let mean = servers * t;
    let log_mean = libm::log(mean);
    // Terms are negligible beyond ten standard deviations, and so is what the recursion
    // forgets in this many steps.
    let far = 10.0 * mean.sqrt() + 50.0;
    let last = index(mean + far + 40.0 * servers).min(logarithms.0.len() - 1);
    let first = index(mean - far);
    // The probability that the service takes less than `t` and that exactly `n` events
    // follow within it, by integration by parts. The recursion downwards adds positive
    // terms only. It may start anywhere, since it forgets its start.
    let mut exactly = 0.0;
    for n in (0..last).rev() {
        if n < first && exactly < NEGLIGIBLE {
            break;
        }
        // The Poisson probability of `n + 1`.
        let term = libm::exp((n + 1) as f64 * log_mean - mean - logarithms.0[n + 1]);
        exactly = (term + (servers - 1.0) * exactly) / servers;
        sum += exactly * at_least.get(n).unwrap_or(&0.0);
    }
    sum
}

/// The logarithms of the first factorials.
struct LogFactorials(Vec<f64>);

impl LogFactorials {
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let logarithms = (0..count).map(|n| {
            sum += libm::log(n.max(1) as f64);
            sum
        });
        LogFactorials(logarithms.collect())
    }
}

/// The waiting times of M/D/1, in units of the service time.
///
/// The formula of Franx, "A simple solution for the M/D/c waiting time distribution"
/// (2001). Its terms are positive, so it remains exact at a high load.
struct FixedTimeWaits {
    load: f64,
    /// The probabilities of at most each number of requests inside, as far as needed for
    /// the highest percentile.
    at_most: Vec<f64>,
}

impl FixedTimeWaits {
    fn new(load: f64) -> Self {
        let arrivals = poisson_terms(load);
        // The probability that more than `n` requests arrive in a service time.
        let mut more = arrivals.clone();
        for n in (0..more.len()).rev() {
            more[n] = more.get(n + 1).unwrap_or(&0.0) + arrivals.get(n + 1).unwrap_or(&0.0);
        }
        let mut inside = vec![1.0 - load];
        let mut at_most = inside.clone();
        // Between n and n + 1 requests, the number grows as often as it shrinks.
        while load <= MAX_UTILIZATION && at_most[at_most.len() - 1] < 0.999 {
            let n = inside.len() - 1;
            let first = (n + 2).saturating_sub(more.len()).max(1);
            let grows = (first..=n)
                .map(|i| inside[i] * more[n + 1 - i])
                .sum::<f64>();
            let from_empty = inside[0] * more.get(n).unwrap_or(&0.0);
            inside.push((from_empty + grows) / arrivals[0]);
            at_most.push(at_most[n] + inside[n + 1]);
        }
        FixedTimeWaits { load, at_most }
    }

    /// Returns the probability of a wait of at most `wait`; 1 beyond the highest
    /// percentile.
    fn at_most(&self, wait: f64) -> f64 {
        if wait < 0.0 {
            return 0.0;
        }
        // The number of service times, the last of them partial, that the wait covers.
        let slots = index(wait).saturating_add(1);
        if slots >= self.at_most.len() {
            return 1.0;
        }
        let terms = poisson_terms(self.load * (slots as f64 - wait));
        let terms = terms.iter().take(slots).enumerate();
        terms.map(|(n, term)| term * self.at_most[slots - n]).sum()
    }
}

/// Returns the probabilities of the values of a Poisson variable with a mean of at most
/// 1, up to the last that is not negligible.
fn poisson_terms(mean: f64) -> Vec<f64> {
    let mut terms = vec![libm::exp(-mean)];
    while terms[terms.len() - 1] > NEGLIGIBLE {
        terms.push(terms[terms.len() - 1] * mean / terms.len() as f64);
    }
    terms
}

/// Returns the time that a `share` of the requests does not exceed.
fn quantile(share: f64, tail: &dyn Fn(f64) -> f64) -> f64 {
    let mut high = 1.0;
    while tail(high) > 1.0 - share {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..f64::MANTISSA_DIGITS {
        let middle = f64::midpoint(low, high);
        if tail(middle) > 1.0 - share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Returns the whole part; 0 for negative numbers.
fn index(number: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let index = number as usize;
    index
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
