//! Predictions of queueing theory, to compare with runs.

use crate::workload::{ArrivalModel, TimeModel};
use std::time::Duration;

/// A waiting line with one or several servers, which take the next request when they
/// are free, in the order of arrival.
///
/// ```
/// use highwater::{analysis::{Prediction, WaitingLine}, workload::{ArrivalModel, TimeModel}};
/// use std::time::Duration;
///
/// let line = WaitingLine {
///     arrivals: ArrivalModel::Poisson,
///     interval: Duration::from_millis(30),
///     times: TimeModel::Exponential,
///     time: Duration::from_millis(25),
///     servers: 1,
///     places: None,
/// };
/// let Prediction::SteadyState(state) = line.predict() else { panic!() };
/// assert_eq!(state.formula, "M/M/1");
/// assert_eq!(state.mean_latency.as_millis(), 150);
/// assert_eq!(state.p99.unwrap().as_millis(), 690);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WaitingLine {
    /// The model of the times between requests.
    pub arrivals: ArrivalModel,
    /// The mean time between requests.
    pub interval: Duration,
    /// The model of the service times.
    pub times: TimeModel,
    /// The mean service time.
    pub time: Duration,
    /// The number of servers; 0 counts as 1.
    pub servers: u32,
    /// The number of requests that can wait. Any more are rejected. `None` means no
    /// limit.
    pub places: Option<u32>,
}

/// The prediction for a waiting line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Prediction {
    /// The line has a steady state, and there is a formula for it.
    SteadyState(SteadyState),
    /// Requests arrive faster than the servers can work: the line grows without end.
    Overloaded {
        /// The work that arrives, as a share of what the servers can do; at least 1.
        utilization: f64,
    },
    /// There is no exact formula, for this reason.
    NoFormula(&'static str),
}

/// The figures of a line that has run for long, by a formula.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SteadyState {
    /// The line in Kendall's notation: arrivals, service times, servers, and the
    /// largest number of requests inside.
    pub formula: &'static str,
    /// The origin of the formula.
    pub source: &'static str,
    /// The work that arrives, as a share of what the servers can do.
    pub utilization: f64,
    /// The mean time in the queue.
    pub mean_wait: Duration,
    /// The mean time from arrival to completion.
    pub mean_latency: Duration,
    /// The median latency, where a formula is known.
    pub p50: Option<Duration>,
    /// The 99th percentile of latency, where a formula is known.
    pub p99: Option<Duration>,
    /// The share of requests that are rejected.
    pub loss: f64,
}

impl WaitingLine {
    /// Returns the work that arrives, as a share of what the servers can do.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.offered_load() / f64::from(self.servers.max(1))
    }

    /// Predicts waits and latencies after a long time.
    ///
    /// | line | formula | conditions |
    /// |---|---|---|
    /// | M/M/1, M/M/c | Erlang (1917) | utilization below 1 |
    /// | M/M/c/K | birth and death process, Erlang (1917) | none |
    /// | M/D/1 | Pollaczek and Khinchine; percentiles: Franx (2001) | utilization below 1 |
    /// | M/G/1 | Pollaczek (1930) and Khinchine (1932), means only | utilization below 1 |
    ///
    /// Formulas for other lines are unknown or only approximate, so none is used.
    #[must_use]
    pub fn predict(&self) -> Prediction {
        let utilization = self.utilization();
        if self.arrivals != ArrivalModel::Poisson {
            return Prediction::NoFormula("formulas exist for Poisson arrivals only");
        }
        let is_exponential = self.times == TimeModel::Exponential;
        if let Some(places) = self.places {
            if !is_exponential {
                return Prediction::NoFormula(
                    "with a bounded queue, formulas exist for exponential times only",
                );
            }
            return Prediction::SteadyState(self.bounded(places));
        }
        if utilization >= 1.0 || utilization.is_nan() {
            return Prediction::Overloaded { utilization };
        }
        if is_exponential {
            return Prediction::SteadyState(self.exponential());
        }
        if self.servers > 1 {
            return Prediction::NoFormula(
                "with several servers, formulas exist for exponential times only",
            );
        }
        Prediction::SteadyState(self.pollaczek_khinchine())
    }

    /// Returns the mean number of busy servers if there were enough of them.
    fn offered_load(&self) -> f64 {
        self.time.as_secs_f64() / self.interval.as_secs_f64()
    }

    fn steady_state(
        &self,
        (formula, source): (&'static str, &'static str),
        mean_wait: f64,
        tail: Option<&dyn Fn(f64) -> f64>,
    ) -> SteadyState {
        let time = self.time.as_secs_f64();
        let quantile = |share| tail.map(|tail| seconds(time * quantile(share, tail)));
        SteadyState {
            formula,
            source,
            utilization: self.utilization(),
            mean_wait: seconds(time * mean_wait),
            mean_latency: seconds(time * (mean_wait + 1.0)),
            p50: quantile(0.5),
            p99: quantile(0.99),
            loss: 0.0,
        }
    }

    /// M/M/c, in units of the mean service time.
    fn exponential(&self) -> SteadyState {
        let servers = f64::from(self.servers.max(1));
        let load = self.offered_load();
        // Erlang's B by recursion, then C: the probability to wait.
        let blocking = (1..=self.servers.max(1)).fold(1.0, |blocking, n| {
            load * blocking / (f64::from(n) + load * blocking)
        });
        let waits = blocking / (1.0 - self.utilization() * (1.0 - blocking));
        // The rate at which the wait of those who wait ends.
        let rate = servers - load;
        let tail = |t: f64| {
            // The wait, if any, is exponential, and so is the service.
            let both = if (rate - 1.0).abs() < 1e-9 {
                libm::exp(-t) * (1.0 + t)
            } else {
                (rate * libm::exp(-t) - libm::exp(-rate * t)) / (rate - 1.0)
            };
            (1.0 - waits) * libm::exp(-t) + waits * both
        };
        let name = if self.servers > 1 { "M/M/c" } else { "M/M/1" };
        self.steady_state((name, "Erlang (1917)"), waits / rate, Some(&tail))
    }

    /// M/M/c/K, in units of the mean service time.
    fn bounded(&self, places: u32) -> SteadyState {
        let count = self.servers.max(1);
        let servers = f64::from(count);
        let load = self.offered_load();
        // Relative to the state with all servers busy and an empty queue, which
        // keeps all numbers small.
        let mut weights = vec![1.0];
        for n in (1..=count).rev() {
            weights.insert(0, weights[0] * f64::from(n) / load);
        }
        for _ in 0..places {
            weights.push(weights[weights.len() - 1] * load / servers);
        }
        let sum: f64 = weights.iter().sum();
        let probabilities: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let (loss, accepted) = probabilities
            .split_last()
            .map_or((0.0, &[][..]), |(loss, rest)| (*loss, rest));
        // A request that finds all servers busy and n waiting waits for n + 1 of them.
        let (free, busy) = accepted.split_at(accepted.len().min(count as usize));
        let free: f64 = free.iter().sum::<f64>() / (1.0 - loss);
        let steps = (1..).map(f64::from);
        let mean_steps: f64 = busy.iter().zip(steps).map(|(p, step)| p * step).sum();
        let tail = |t: f64| {
            let waiting: f64 = busy
                .iter()
                .zip(1..)
                .map(|(p, steps)| p * erlang_and_service_tail(steps, servers, t))
                .sum();
            free * libm::exp(-t) + waiting / (1.0 - loss)
        };
        let mean_wait = mean_steps / servers / (1.0 - loss);
        let state = self.steady_state(("M/M/c/K", "Erlang (1917)"), mean_wait, Some(&tail));
        SteadyState { loss, ..state }
    }

    /// M/G/1 and M/D/1, in units of the mean service time.
    fn pollaczek_khinchine(&self) -> SteadyState {
        let load = self.offered_load();
        let cv = self.times.coefficient_of_variation();
        let mean_wait = load * (1.0 + cv * cv) / (2.0 * (1.0 - load));
        if self.times != TimeModel::Fixed {
            let source = "Pollaczek (1930) and Khinchine (1932)";
            return self.steady_state(("M/G/1", source), mean_wait, None);
        }
        let tail = |latency: f64| fixed_time_tail(load, latency);
        let source = "Pollaczek (1930) and Khinchine (1932); percentiles: Franx (2001)";
        self.steady_state(("M/D/1", source), mean_wait, Some(&tail))
    }
}

/// Returns the probability that `steps` exponential times with rate `rate`, and then one
/// with rate 1, take longer than `t`.
fn erlang_and_service_tail(steps: u32, rate: f64, t: f64) -> f64 {
    if rate <= 1.0 {
        return poisson_at_most(steps, t);
    }
    // Either the steps take longer, or they end before `t` and the service does not.
    let ended = 1.0 - poisson_at_most(steps - 1, (rate - 1.0) * t);
    let factor = libm::pow(rate / (rate - 1.0), f64::from(steps));
    poisson_at_most(steps - 1, rate * t) + libm::exp(-t) * factor * ended
}

/// Returns the probability that a Poisson variable with this mean is at most `limit`.
fn poisson_at_most(limit: u32, mean: f64) -> f64 {
    let mut term = libm::exp(-mean);
    let mut sum = term;
    for n in 1..=limit {
        term *= mean / f64::from(n);
        sum += term;
    }
    sum
}

/// Returns the probability that a request of M/D/1 takes longer than `latency`, in
/// units of the service time.
///
/// The formula of Franx, "A simple solution for the M/D/c waiting time distribution"
/// (2001): its terms are positive, so it stays exact at a high load.
fn fixed_time_tail(load: f64, latency: f64) -> f64 {
    let wait = latency - 1.0;
    if wait < 0.0 {
        return 1.0;
    }
    // The number of service times, the last of them partial, that the wait covers.
    let mut slots = 1;
    while slots as f64 <= wait {
        slots += 1;
    }
    let arrivals = poisson_terms(load, slots + 2);
    let more_than = |n: usize| (1.0 - arrivals[..=n].iter().sum::<f64>()).max(0.0);
    let more: Vec<f64> = (0..slots + 2).map(more_than).collect();
    // The probability of each number of requests inside. Between n and n + 1, the line
    // grows as often as it shrinks.
    let mut inside = vec![1.0 - load];
    for n in 0..slots {
        let from_empty = inside[0] * more[n];
        let grows = (1..=n).map(|i| inside[i] * more[n + 1 - i]);
        inside.push((from_empty + grows.sum::<f64>()) / arrivals[0]);
    }
    let at_most = |n: usize| inside[..=n].iter().sum::<f64>();
    let rest = load * (slots as f64 - wait);
    let terms = poisson_terms(rest, slots);
    let sum: f64 = (0..slots).map(|j| at_most(slots - j) * terms[j]).sum();
    1.0 - sum
}

/// Returns the probabilities of the first `count` values of a Poisson variable.
fn poisson_terms(mean: f64, count: usize) -> Vec<f64> {
    let mut terms = vec![libm::exp(-mean)];
    for n in 1..count {
        terms.push(terms[n - 1] * mean / n as f64);
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

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
