//! Overload control: decides which requests are rejected, by their measured delay.
//!
//! | queue | measured by | when overloaded |
//! |---|---|---|
//! | of the event loop, for services that occupy it | probes, which wait like a request that arrives when they are due | rejects requests that have waited for longer than the target |
//! | in the service, such as for a connection pool | the latency of responses | limits the requests in service to those that can be served within the target |
//!
//! Only a *standing* queue counts as an overload: a delay above the target for
//! [`INTERVAL`] that does not shrink. This is the rule of `CoDel` (RFC 8289), in the form
//! that servers use (Maurer, "Fail at Scale", ACM Queue 13(8), 2015). A queue that is left
//! by a pause or by a slow request shrinks, and is served.
//!
//! The limit on requests in service follows from Little's law: the rate of responses times
//! the accepted latency. The latency without a queue, the baseline, is learnt, as by
//! Netflix' concurrency-limits and Envoy's adaptive concurrency. Unlike those, a limit
//! that does not lower the latency is lifted, because then there is no queue: the service
//! has become slower, or it waits on purpose.
//!
//! The controller reads no clock. Times are relative to its start.

use std::time::Duration;

/// The time for which a queue stands before requests are rejected, and the time without
/// rejections after which the overload has ended.
const INTERVAL: Duration = Duration::from_millis(500);

/// The minimum number of requests admitted while a queue stands. It prevents a few slow
/// requests from looking like an overload.
const MIN_ADMITTED: u32 = 100;

/// The minimum number of requests that wait in an overload. Fewer can be delayed on a
/// machine that is busy with other processes.
const MIN_WAITING: f64 = 16.0;

/// A longer time without any activity is a pause of the process or a slow request, and not a
/// queue.
const MAX_INACTIVITY: Duration = Duration::from_millis(150);

/// The minimum duration of a latency sample, and its minimum number of responses.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
const MIN_SAMPLE_RESPONSES: u32 = 10;

/// The number of consecutive samples of a queue that stands in the service.
const STANDING_SAMPLES: u32 = 3;

/// Slower responses are ignored: they are slow on purpose, such as long polling.
const MAX_LATENCY: Duration = Duration::from_secs(1);

/// The minimum limit on requests in service.
const MIN_IN_SERVICE: f64 = 10.0;

/// A queue in which requests are delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// The queue of the event loop.
    Loop,
    /// A queue in the service.
    Service,
}

/// A request that was admitted. It is passed back when it leaves the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    at: Duration,
}

/// Decides which requests are rejected.
#[derive(Debug)]
pub(crate) struct OverloadController {
    loop_queue: LoopQueue,
    service_queue: ServiceQueue,
}

impl OverloadController {
    /// Creates a controller that accepts this queueing delay.
    pub(crate) fn new(target: Duration) -> Self {
        OverloadController {
            loop_queue: LoopQueue {
                target,
                served_until: Duration::ZERO,
                last_activity: Duration::ZERO,
                standing: None,
                last_rejection: None,
            },
            service_queue: ServiceQueue {
                target,
                in_service: InService::default(),
                sample: None,
                previous: None,
                baseline: None,
                standing_samples: 0,
                limit: None,
            },
        }
    }

    /// Records that the event loop has run a probe that was due at `due`.
    pub(crate) fn probe_completed(&mut self, due: Duration, now: Duration) {
        self.loop_queue.probe_completed(due, now);
    }

    /// Admits a request when its turn comes.
    ///
    /// # Errors
    ///
    /// The queue that stands, if the request must be rejected.
    pub(crate) fn admit(&mut self, now: Duration) -> Result<Admitted, Queue> {
        if !self.loop_queue.admits(now) {
            return Err(Queue::Loop);
        }
        if !self.service_queue.admits(now) {
            return Err(Queue::Service);
        }
        self.loop_queue.count_admitted();
        self.service_queue.in_service.enter(now);
        Ok(Admitted { at: now })
    }

    /// Records that the service has started its response.
    pub(crate) fn responded(&mut self, request: Admitted, now: Duration) {
        self.service_queue.leave(request, now);
        self.service_queue.add_latency(request, now);
    }

    /// Records that a request has left the service without a response.
    pub(crate) fn abandoned(&mut self, request: Admitted, now: Duration) {
        self.service_queue.leave(request, now);
    }
}

/// The queue of the event loop.
#[derive(Debug)]
struct LoopQueue {
    target: Duration,
    /// The due time of the last probe that has completed. Requests that arrived earlier
    /// have been served.
    served_until: Duration,
    /// The time of the last probe or request.
    last_activity: Duration,
    /// The first part of a period in which the delay is above the target.
    standing: Option<StandingQueue>,
    /// The last rejection during an overload.
    last_rejection: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct StandingQueue {
    /// The due time and the completion of the first probe.
    due: Duration,
    completed: Duration,
    admitted: u32,
}

impl LoopQueue {
    fn probe_completed(&mut self, due: Duration, now: Duration) {
        self.record_activity(now);
        if due <= self.served_until {
            return;
        }
        self.served_until = due;
        let delay = now.saturating_sub(due);
        if delay <= self.target {
            self.standing = None;
            return;
        }
        let first = *self.standing.get_or_insert(StandingQueue {
            due,
            completed: now,
            admitted: 0,
        });
        let service_time = now.saturating_sub(first.completed);
        if service_time < INTERVAL || first.admitted < MIN_ADMITTED {
            return;
        }
        // A queue shrinks if its requests are served in less time than they arrived in.
        let arrival_time = due.saturating_sub(first.due);
        let waiting = f64::from(first.admitted) * delay.div_duration_f64(service_time);
        if service_time >= arrival_time.mul_f64(0.9) && waiting >= MIN_WAITING {
            self.last_rejection.get_or_insert(now);
        }
        self.standing = None;
    }

    fn admits(&mut self, now: Duration) -> bool {
        self.record_activity(now);
        let Some(last_rejection) = self.last_rejection else {
            return true;
        };
        if now.saturating_sub(last_rejection) >= INTERVAL {
            self.last_rejection = None;
            return true;
        }
        let admits = now.saturating_sub(self.served_until) <= self.target;
        if !admits {
            self.last_rejection = Some(now);
        }
        admits
    }

    fn record_activity(&mut self, now: Duration) {
        let last_activity = std::mem::replace(&mut self.last_activity, now);
        if now.saturating_sub(last_activity) > MAX_INACTIVITY {
            self.standing = None;
        }
    }

    fn count_admitted(&mut self) {
        if let Some(standing) = &mut self.standing {
            standing.admitted = standing.admitted.saturating_add(1);
        }
    }
}

/// The queue in the service.
#[derive(Debug)]
struct ServiceQueue {
    target: Duration,
    in_service: InService,
    sample: Option<LatencySample>,
    /// The start and the minimum latency of the previous sample.
    previous: Option<(Duration, Duration)>,
    /// The latency without a queue, once known.
    baseline: Option<Duration>,
    /// The number of consecutive samples in which the queue stood.
    standing_samples: u32,
    /// The limit during an overload.
    limit: Option<ServiceLimit>,
}

/// The latencies of the responses in a sampling interval.
#[derive(Clone, Copy, Debug)]
struct LatencySample {
    started: Duration,
    responses: u32,
    min: Duration,
}

#[derive(Clone, Copy, Debug)]
struct ServiceLimit {
    since: Duration,
    last_rejection: Duration,
    /// True once requests within the limit were served with a lower latency.
    has_effect: bool,
    /// The maximum number of requests in service, except slow ones.
    max_in_service: f64,
    /// The responses per second.
    rate: f64,
    /// The requests that were in service before the overload and are slow on purpose.
    slow: u32,
}

impl ServiceQueue {
    fn admits(&mut self, now: Duration) -> bool {
        let Some(limit) = &mut self.limit else {
            return true;
        };
        if limit.has_effect && now.saturating_sub(limit.last_rejection) >= INTERVAL {
            self.limit = None;
            return true;
        }
        let in_service = self.in_service.total().saturating_sub(limit.slow);
        let admits = f64::from(in_service) < limit.max_in_service;
        if !admits {
            limit.last_rejection = now;
        }
        admits
    }

    fn leave(&mut self, request: Admitted, now: Duration) {
        self.in_service.leave(request.at, now);
        if let Some(limit) = &mut self.limit
            && InService::is_slow(request.at, limit.since)
        {
            limit.slow = limit.slow.saturating_sub(1);
        }
    }

    fn add_latency(&mut self, request: Admitted, now: Duration) {
        let latency = now.saturating_sub(request.at);
        // During an overload, only requests that were admitted within the limit count.
        let is_limited = |limit: ServiceLimit| request.at >= limit.since;
        if latency > MAX_LATENCY || !self.limit.is_none_or(is_limited) {
            return;
        }
        let sample = self.sample.get_or_insert(LatencySample {
            started: now,
            responses: 0,
            min: latency,
        });
        let duration = now.saturating_sub(sample.started);
        if duration > MAX_LATENCY {
            // There are too few responses for a queue.
            self.previous = None;
            self.standing_samples = 0;
            *sample = LatencySample {
                started: now,
                responses: 1,
                min: latency,
            };
            return;
        }
        sample.responses += 1;
        sample.min = sample.min.min(latency);
        if duration >= SAMPLE_INTERVAL && sample.responses >= MIN_SAMPLE_RESPONSES {
            let sample = *sample;
            self.sample = None;
            self.evaluate(sample, now);
        }
    }

    /// Evaluates a complete sample.
    fn evaluate(&mut self, sample: LatencySample, now: Duration) {
        let LatencySample { started, min, .. } = sample;
        let previous = self.previous.replace((started, min));
        let baseline = *self.baseline.get_or_insert(min);
        // A longer latency is a queue. The limit is lower, to tell whether it has an effect.
        let accepted = (2 * baseline).saturating_add(self.target);
        let limited = (3 * baseline).saturating_add(self.target) / 2;
        let rate = f64::from(sample.responses) / now.saturating_sub(started).as_secs_f64();
        if let Some(limit) = &mut self.limit {
            if min > (accepted + limited) / 2 {
                // The limit has no effect, so there is no queue.
                self.baseline = Some(min);
                self.limit = None;
            } else {
                limit.has_effect = true;
                limit.rate += (rate - limit.rate) / 4.0;
                limit.max_in_service = max_in_service(limit.rate, limited);
            }
            return;
        }
        // The delay of a queue cannot grow faster than time passes.
        let is_shift =
            previous.is_some_and(|(at, previous)| min > previous + now.saturating_sub(at));
        if is_shift {
            self.baseline = Some(min);
        }
        if is_shift || min <= accepted {
            self.standing_samples = 0;
            let weight = if min < baseline {
                1.0 / 8.0
            } else {
                1.0 / 256.0
            };
            let learnt = baseline.mul_f64(1.0 - weight) + min.mul_f64(weight);
            self.baseline = Some(if is_shift { min } else { learnt });
            return;
        }
        let is_shrinking = previous.is_some_and(|(_, previous)| min < previous.mul_f64(0.9));
        self.standing_samples = if is_shrinking {
            0
        } else {
            self.standing_samples + 1
        };
        if self.standing_samples >= STANDING_SAMPLES && accepted <= MAX_LATENCY {
            self.standing_samples = 0;
            self.previous = None;
            self.limit = Some(ServiceLimit {
                since: now,
                last_rejection: now,
                has_effect: false,
                max_in_service: max_in_service(rate, limited),
                rate,
                slow: self.in_service.slow(now),
            });
        }
    }
}

/// Little's law.
fn max_in_service(rate: f64, latency: Duration) -> f64 {
    (rate * latency.as_secs_f64()).max(MIN_IN_SERVICE)
}

/// The number of requests in service, by age.
#[derive(Clone, Copy, Debug, Default)]
struct InService {
    /// The current period of [`MAX_LATENCY`].
    period: u32,
    /// The requests that arrived in the current period, in the previous one, and earlier.
    counts: [u32; 3],
}

impl InService {
    fn enter(&mut self, now: Duration) {
        self.advance(now);
        self.counts[0] += 1;
    }

    fn leave(&mut self, arrived_at: Duration, now: Duration) {
        self.advance(now);
        let age = self.period.saturating_sub(period(arrived_at)).min(2);
        let count = &mut self.counts[age as usize];
        *count = count.saturating_sub(1);
    }

    fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// Returns the number of requests that are older than [`MAX_LATENCY`].
    fn slow(&mut self, now: Duration) -> u32 {
        self.advance(now);
        self.counts[2]
    }

    /// Returns true if a request counted as slow at this time.
    fn is_slow(arrived_at: Duration, at: Duration) -> bool {
        period(at).saturating_sub(period(arrived_at)) >= 2
    }

    fn advance(&mut self, now: Duration) {
        let current = period(now);
        while self.period < current {
            let [new, previous, old] = self.counts;
            self.counts = [0, new, previous + old];
            // Idle periods change nothing.
            self.period = if new + previous == 0 {
                current
            } else {
                self.period + 1
            };
        }
    }
}

fn period(at: Duration) -> u32 {
    u32::try_from(at.as_nanos() / MAX_LATENCY.as_nanos()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const TARGET: Duration = Duration::from_millis(50);
    const PROBE_INTERVAL: Duration = Duration::from_millis(20);
    const REJECTION_COST: Duration = Duration::from_micros(10);
    const SECOND: Duration = Duration::from_secs(1);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A sequence of pseudo-random numbers.
    struct Random(u64);

    impl Random {
        /// Returns an exponentially distributed duration.
        fn exponential(&mut self, mean: Duration) -> Duration {
            // Weyl sequence with a mixing function.
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = mixed ^ (mixed >> 27);
            let uniform = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            mean.mul_f64(-uniform.ln())
        }
    }

    /// The outcome of a request.
    #[derive(Clone, Copy, Debug)]
    struct Outcome {
        arrived: Duration,
        /// The time until the response. `None` if the request was rejected.
        latency: Option<Duration>,
    }

    /// A service and its load.
    struct Simulation {
        controller: OverloadController,
        random: Random,
        now: Duration,
        next_arrival: Duration,
        next_probe: Duration,
        outcomes: Vec<Outcome>,
    }

    impl Simulation {
        fn new(seed: u64) -> Self {
            Simulation {
                controller: OverloadController::new(TARGET),
                random: Random(seed),
                now: Duration::ZERO,
                next_arrival: Duration::ZERO,
                next_probe: PROBE_INTERVAL,
                outcomes: Vec::new(),
            }
        }

        /// Serves on the event loop, for this long: requests arrive with this mean
        /// interval, and occupy the loop one after the other.
        fn occupy_loop(
            &mut self,
            duration: Duration,
            interval: Duration,
            mut service_time: impl FnMut(&mut Random) -> Duration,
        ) {
            let end = self.now + duration;
            while self.now < end {
                if self.next_probe <= self.next_arrival {
                    self.now = self.now.max(self.next_probe);
                    self.controller.probe_completed(self.next_probe, self.now);
                    self.next_probe += PROBE_INTERVAL;
                    continue;
                }
                let arrived = self.next_arrival;
                self.next_arrival += self.random.exponential(interval);
                self.now = self.now.max(arrived);
                let mut latency = None;
                match self.controller.admit(self.now) {
                    Ok(admitted) => {
                        self.now += service_time(&mut self.random);
                        self.controller.responded(admitted, self.now);
                        latency = Some(self.now.saturating_sub(arrived));
                    }
                    Err(queue) => {
                        assert_eq!(queue, Queue::Loop);
                        self.now += REJECTION_COST;
                    }
                }
                self.outcomes.push(Outcome { arrived, latency });
            }
        }

        /// Serves with a pool of servers, for this long.
        fn wait_for_pool(
            &mut self,
            duration: Duration,
            interval: Duration,
            servers: usize,
            mut service_time: impl FnMut(&mut Random) -> Duration,
        ) {
            let end = self.now + duration;
            let mut free_at = VecDeque::from(vec![self.now; servers]);
            let mut in_service: VecDeque<(Duration, Admitted)> = VecDeque::new();
            while self.next_arrival < end {
                self.now = self.next_arrival;
                self.next_arrival += self.random.exponential(interval);
                while let Some((completion, admitted)) = in_service.front().copied() {
                    if completion > self.now {
                        break;
                    }
                    in_service.pop_front();
                    self.controller.responded(admitted, completion);
                }
                let mut latency = None;
                match self.controller.admit(self.now) {
                    Ok(admitted) => {
                        let start = free_at.pop_front().unwrap().max(self.now);
                        let completion = start + service_time(&mut self.random);
                        free_at.push_back(completion);
                        free_at.make_contiguous().sort();
                        let index = in_service.partition_point(|(at, _)| *at <= completion);
                        in_service.insert(index, (completion, admitted));
                        latency = Some(completion.saturating_sub(self.now));
                    }
                    Err(queue) => assert_eq!(queue, Queue::Service),
                }
                let arrived = self.now;
                self.outcomes.push(Outcome { arrived, latency });
            }
            for (completion, admitted) in in_service {
                self.controller.responded(admitted, completion);
            }
            self.now = end;
        }

        /// Returns the number of requests rejected since this time.
        fn rejected_since(&self, since: Duration) -> usize {
            let outcomes = self.outcomes.iter();
            let rejected = outcomes.filter(|it| it.arrived >= since && it.latency.is_none());
            rejected.count()
        }

        /// Returns the number of requests served since this time, and the maximum latency.
        fn served_since(&self, since: Duration) -> (u32, Duration) {
            let outcomes = self.outcomes.iter().filter(|it| it.arrived >= since);
            let latencies = outcomes.filter_map(|it| it.latency);
            latencies.fold((0, Duration::ZERO), |(count, max), latency| {
                (count + 1, max.max(latency))
            })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn delays_below_the_target_never_reject(
            delays in prop::collection::vec(0..=50_u64, 1..500),
            latencies in prop::collection::vec(0..=50_u64, 1..500),
        ) {
            let mut controller = OverloadController::new(TARGET);
            let mut now = Duration::ZERO;
            for delay in delays {
                now += ms(10);
                controller.probe_completed(now.saturating_sub(ms(delay)), now);
                prop_assert!(controller.admit(now).is_ok());
            }
            let mut controller = OverloadController::new(TARGET);
            for latency in latencies {
                for _ in 0..20 {
                    let request = controller.admit(now);
                    prop_assert!(request.is_ok());
                    controller.responded(request.unwrap(), now + ms(latency));
                }
                now += ms(50);
            }
        }

        #[test]
        fn light_load_on_the_loop_is_never_rejected(
            seed: u64,
            service_micros in 500..20_000_u64,
            utilization in 0.05..0.5_f64,
            pauses in prop::collection::vec(1..10_000_u64, 0..5),
        ) {
            let mean = Duration::from_micros(service_micros);
            let mut simulation = Simulation::new(seed);
            for pause in pauses {
                simulation.occupy_loop(3 * SECOND, mean.div_f64(utilization), |random| {
                    random.exponential(mean)
                });
                // Nothing runs, as after SIGSTOP or during a slow request.
                simulation.now += ms(pause);
            }
            simulation.occupy_loop(10 * SECOND, mean.div_f64(utilization), |random| {
                random.exponential(mean)
            });
            prop_assert_eq!(simulation.rejected_since(Duration::ZERO), 0);
        }

        #[test]
        fn overload_of_the_loop_is_shed_and_ends(
            seed: u64,
            service_micros in 500..2_000_u64,
            overload in 1.5..12.0_f64,
        ) {
            let service_time = Duration::from_micros(service_micros);
            let mut simulation = Simulation::new(seed);
            simulation.occupy_loop(8 * SECOND, service_time.div_f64(overload), |_| service_time);
            let (served, latency) = simulation.served_since(3 * SECOND);
            prop_assert!(latency <= 2 * TARGET, "{latency:?}");
            let rejection_cost = REJECTION_COST.as_secs_f64() * overload / service_time.as_secs_f64();
            let goodput = (served * service_time).div_duration_f64(5 * SECOND);
            prop_assert!(goodput > 0.97 - rejection_cost, "{goodput}");
            let end = simulation.now;
            simulation.occupy_loop(5 * SECOND, service_time * 2, |_| service_time);
            prop_assert_eq!(simulation.rejected_since(end + ms(100)), 0);
        }

        #[test]
        fn light_load_of_a_pool_is_never_rejected(
            seed: u64,
            servers in 1..50_usize,
            service_millis in 1..400_u64,
            utilization in 0.05..0.6_f64,
        ) {
            let mean = ms(service_millis);
            let interval = mean.div_f64(utilization * servers as f64);
            let mut simulation = Simulation::new(seed);
            simulation.wait_for_pool(30 * SECOND, interval, servers, |random| {
                mean / 2 + random.exponential(mean / 2)
            });
            prop_assert_eq!(simulation.rejected_since(Duration::ZERO), 0);
        }

        #[test]
        fn overload_of_a_pool_is_shed_and_ends(
            seed: u64,
            servers in 5..50_usize,
            service_millis in 2..50_u64,
            overload in 1.5..12.0_f64,
        ) {
            let service_time = ms(service_millis);
            let interval = service_time / u32::try_from(servers).unwrap();
            let mut simulation = Simulation::new(seed);
            simulation.wait_for_pool(SECOND, interval * 2, servers, |_| service_time);
            let begin = simulation.now;
            simulation.wait_for_pool(20 * SECOND, interval.div_f64(overload), servers, |_| {
                service_time
            });
            let (served, latency) = simulation.served_since(begin + 10 * SECOND);
            prop_assert!(latency <= 2 * (2 * service_time + TARGET), "{latency:?}");
            let goodput = (served * interval).div_duration_f64(10 * SECOND);
            prop_assert!(goodput > 0.95, "{goodput}");
            let end = simulation.now;
            simulation.wait_for_pool(5 * SECOND, interval * 2, servers, |_| service_time);
            prop_assert_eq!(simulation.rejected_since(end + SECOND), 0);
        }

        /// Latencies of any distribution do not depend on the load without a queue.
        #[test]
        fn slow_service_without_a_queue_is_served(
            seed: u64,
            before in 1..500_u64,
            after in 1..900_u64,
            per_second in 50..1_000_u32,
        ) {
            let mut simulation = Simulation::new(seed);
            simulation.wait_for_pool(5 * SECOND, SECOND / per_second, 10_000, |_| ms(before));
            simulation.wait_for_pool(10 * SECOND, SECOND / per_second, 10_000, |_| ms(after));
            let settled = simulation.now.saturating_sub(5 * SECOND);
            prop_assert_eq!(simulation.rejected_since(settled), 0);
        }
    }
}
