//! Results and targets of the scaling comparison.

use std::fmt;

use serde_json::{Value, json};

use super::super::outcome::{Outcome, Target, or_dash};
use super::super::rounds::{BestResults, HIGHWATER};
use super::super::statistics::median_of_sorted;
use super::http::HttpResult;
use super::node::{LoopDelay, PISCINA};
use super::pool::{SLOW_JOB, TINY_JOB};
use super::restarts::Restarts;
use super::servers::Contestant;
use super::serving::ServingOutcome;

pub(super) const HTTP_ROUNDS: usize = 5;
pub(super) const POOL_ROUNDS: usize = 3;

pub(super) struct ScalingOutcome {
    versions: Vec<String>,
    generator: &'static str,
    /// Requests per second.
    rates: BestResults<&'static str>,
    /// 99th percentile latency, in milliseconds.
    latencies: BestResults<&'static str>,
    /// Event loop delays, from the round with the lowest 99th percentile.
    delays: Vec<(&'static str, LoopDelay)>,
    /// Small tasks per second.
    tasks: BestResults<&'static str>,
    /// Times to replace a killed worker, in milliseconds, in ascending order.
    kills: Vec<(&'static str, Vec<f64>)>,
    restarts: Vec<(&'static str, Restarts)>,
    serving: ServingOutcome,
}

impl ScalingOutcome {
    pub(super) fn new(
        versions: Vec<String>,
        generator: &'static str,
        serving: ServingOutcome,
    ) -> Self {
        ScalingOutcome {
            versions,
            generator,
            rates: BestResults::highest(),
            latencies: BestResults::lowest(),
            delays: Vec::new(),
            tasks: BestResults::highest(),
            kills: Vec::new(),
            restarts: Vec::new(),
            serving,
        }
    }

    pub(super) fn http(&mut self, contestant: Contestant, result: &HttpResult) {
        self.rates.add(contestant.name(), result.per_second);
        self.latencies.add(contestant.name(), result.p99_ms);
    }

    pub(super) fn delay(&mut self, contestant: &'static str, delay: LoopDelay) {
        let known = self.delays.iter_mut().find(|(name, _)| *name == contestant);
        match known {
            Some((_, best)) if delay.p99 < best.p99 => *best = delay,
            Some(_) => {}
            None => self.delays.push((contestant, delay)),
        }
    }

    pub(super) fn tasks(&mut self, contestant: &'static str, per_second: f64) {
        self.tasks.add(contestant, per_second);
    }

    pub(super) fn kills(&mut self, contestant: Contestant, milliseconds: Vec<f64>) {
        self.kills.push((contestant.name(), milliseconds));
    }

    pub(super) fn restarts(&mut self, contestant: Contestant, restarts: Restarts) {
        self.restarts.push((contestant.name(), restarts));
    }
}

impl Outcome for ScalingOutcome {
    fn figures(&self) -> Value {
        let http = self.rates.iter().map(|(contestant, rate)| {
            json!({
                "contestant": contestant,
                "requests_per_second": rate,
                "p99_ms": self.latencies.get(contestant),
            })
        });
        let delays = self.delays.iter().map(|(contestant, delay)| {
            json!({
                "contestant": contestant,
                "p50_ms": delay.p50,
                "p99_ms": delay.p99,
                "max_ms": delay.max,
            })
        });
        let tasks = self.tasks.iter().map(
            |(contestant, rate)| json!({ "contestant": contestant, "tasks_per_second": rate }),
        );
        let kills = self.kills.iter().map(|(contestant, all)| {
            json!({
                "contestant": contestant,
                "kills": all.len(),
                "median_ms": median_of_sorted(all),
                "longest_ms": all.last(),
            })
        });
        let restarts = self.restarts.iter().map(|(contestant, found)| {
            json!({
                "contestant": contestant,
                "restarts": found.restart_count,
                "requests": found.sent,
                "failed": found.failed,
            })
        });
        json!({
            "peers": self.versions,
            "load": self.generator,
            "http": http.collect::<Value>(),
            "loop_delay": delays.collect::<Value>(),
            "small_tasks": tasks.collect::<Value>(),
            "kill_to_replacement": kills.collect::<Value>(),
            "rolling_restart": restarts.collect::<Value>(),
            "serving": self.serving.figures(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let at_least = |text: &str, least, found: Option<f64>| match found {
            Some(found) => Target::at_least(text.to_owned(), least, found),
            None => Target::not_measured(text.to_owned()),
        };
        let at_most = |text: &str, most, found: Option<f64>| match found {
            Some(found) => Target::at_most(text.to_owned(), most, found),
            None => Target::not_measured(text.to_owned()),
        };
        let cluster = Contestant::NodeCluster.name();
        let delay = find(&self.delays, HIGHWATER).map(|delay| delay.p99);
        let kill = find(&self.kills, HIGHWATER).and_then(|all| median_of_sorted(all));
        let failed = find(&self.restarts, HIGHWATER).map(|found| found.failed as f64);
        let service = Contestant::Service.name();
        let service_kill = find(&self.kills, service).and_then(|all| median_of_sorted(all));
        let mut targets = vec![
            at_least(
                "2 workers: request rate vs Node cluster",
                2.0,
                self.rates.ratio(&HIGHWATER, &cluster),
            ),
            at_most(
                &format!("p99 event loop delay with two fib({SLOW_JOB}) on the pool, ms"),
                5.0,
                delay,
            ),
            at_least(
                "small tasks: rate vs piscina",
                10.0,
                self.tasks.ratio(&HIGHWATER, &PISCINA),
            ),
            at_most(
                "kill -9 until the replacement has responded, ms",
                30.0,
                kill,
            ),
            at_most("failed requests during rolling reloads", 0.0, failed),
            at_most(
                "highwater-server: kill -9 until the replacement has responded, ms",
                10.0,
                service_kill,
            ),
        ];
        targets.extend(self.serving.targets());
        targets
    }
}

impl fmt::Display for ScalingOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = self.versions.join(", ");
        writeln!(
            f,
            "Best of {HTTP_ROUNDS} rounds for requests and {POOL_ROUNDS} rounds for pools. {peers}\n"
        )?;
        let cluster = Contestant::NodeCluster.name();
        writeln!(
            f,
            "SERVER               REQUESTS/S  P99 MS  ÷ NODE CLUSTER     load by {}",
            self.generator
        )?;
        for (contestant, rate) in self.rates.iter() {
            writeln!(
                f,
                "{contestant:<19}  {rate:>10.0}  {:>6.2}  {:>14}",
                self.latencies.get(contestant).unwrap_or(f64::NAN),
                or_dash(self.rates.ratio(contestant, &cluster)),
            )?;
        }
        writeln!(
            f,
            "\nLOOP UNDER 2 FIB({SLOW_JOB})  P50 MS LATE  P99 MS LATE  MAX MS LATE"
        )?;
        for (contestant, delay) in &self.delays {
            writeln!(
                f,
                "{contestant:<19}  {:>11.1}  {:>11.1}  {:>11.1}",
                delay.p50, delay.p99, delay.max
            )?;
        }
        writeln!(f, "\nFIB({TINY_JOB}) BY 2 THREADS    TASKS/S")?;
        for (contestant, rate) in self.tasks.iter() {
            writeln!(f, "{contestant:<19}  {rate:>9.0}")?;
        }
        writeln!(
            f,
            "\nKILL -9              KILLS  MEDIAN MS TO A REPLACEMENT  LONGEST MS"
        )?;
        for (contestant, all) in &self.kills {
            writeln!(
                f,
                "{contestant:<19}  {:>5}  {:>26.1}  {:>10.1}",
                all.len(),
                median_of_sorted(all).unwrap_or(f64::NAN),
                all.last().unwrap_or(&f64::NAN)
            )?;
        }
        writeln!(f, "\nROLLING RESTART      RESTARTS  REQUESTS  FAILED")?;
        for (contestant, found) in &self.restarts {
            let Restarts {
                restart_count,
                sent,
                failed,
            } = found;
            writeln!(
                f,
                "{contestant:<19}  {restart_count:>8}  {sent:>8}  {failed:>6}"
            )?;
        }
        writeln!(f)?;
        self.serving.write_table(f)?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        writeln!(
            f,
            "\nTicks that a blocked loop has missed count as late from their due time. On a busy\n\
             machine all ticks are late. Node's cluster starts a worker before it stops the old one.\n\
             Servers share their cores with the load generator: only the order of their latencies counts."
        )
    }
}

fn find<'a, T>(all: &'a [(&'static str, T)], contestant: &str) -> Option<&'a T> {
    let found = all.iter().find(|(name, _)| *name == contestant)?;
    Some(&found.1)
}

#[cfg(test)]
mod tests {
    use super::super::node::Execution;
    use super::*;

    #[test]
    fn without_node_only_its_targets_are_missed() {
        let mut outcome = ScalingOutcome::new(Vec::new(), "wrk", ServingOutcome::default());
        outcome.http(
            Contestant::Highwater,
            &HttpResult {
                per_second: 100_000.0,
                p99_ms: 1.0,
            },
        );
        let delay = LoopDelay {
            p50: 0.5,
            p99: 2.0,
            max: 4.0,
        };
        outcome.delay(HIGHWATER, delay);
        outcome.delay(Execution::Loop.name(), delay);
        outcome.tasks(HIGHWATER, 1e6);
        outcome.kills(Contestant::Highwater, vec![10.0, 20.0, 90.0]);
        outcome.kills(Contestant::Service, vec![4.0, 5.0, 90.0]);
        let serving_targets = outcome.serving.missed_target_count();
        let restarts = Restarts {
            restart_count: 3,
            sent: 1_000,
            failed: 0,
        };
        outcome.restarts(Contestant::Highwater, restarts);
        let missed_count = outcome.missed_target_count() - serving_targets;
        assert_eq!(missed_count, 2, "{outcome}");
        assert_eq!(outcome.json()["kill_to_replacement"][0]["median_ms"], 20.0);
        outcome.restarts.clear();
        outcome.restarts(
            Contestant::Highwater,
            Restarts {
                failed: 1,
                ..restarts
            },
        );
        let missed_count = outcome.missed_target_count() - serving_targets;
        assert_eq!(missed_count, 3, "{outcome}");
    }

    #[test]
    fn measurement_with_lowest_p99_is_kept() {
        let mut outcome = ScalingOutcome::new(Vec::new(), "wrk", ServingOutcome::default());
        for (p99, max) in [(3.0, 9.0), (2.0, 10.0), (4.0, 5.0)] {
            let p50 = 1.0;
            outcome.delay(HIGHWATER, LoopDelay { p50, p99, max });
        }
        let delay = find(&outcome.delays, HIGHWATER).unwrap();
        assert_eq!((delay.p99, delay.max), (2.0, 10.0));
    }
}
