//! An M/M/1 queue: two tasks in a simulated world, one for the arrivals and one for the
//! server.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use highwater::platform::{Platform, Seed, VirtualTime};
use highwater::workload::{ArrivalModel, Arrivals, TimeModel, Times};
use serde::Deserialize;

const REQUESTS: u32 = 2_000_000;
const INTERVAL: Duration = Duration::from_millis(10);
const SERVICE: Duration = Duration::from_millis(8);

/// The mean wait in the steady state of M/M/1: the mean service time times ρ / (1 - ρ),
/// where the utilization ρ is 0.8.
pub(super) const EXPECTED_WAIT_MS: f64 = 32.0;

/// The result of one simulation.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct QueueRun {
    pub(super) requests_per_second: f64,
    pub(super) mean_wait_ms: f64,
}

/// The arrival times of waiting requests.
#[derive(Default)]
struct Waiting {
    arrivals: VecDeque<Duration>,
    server: Option<Waker>,
}

pub(super) fn run() -> QueueRun {
    let world = VirtualTime::new();
    let waiting: Rc<RefCell<Waiting>> = Rc::default();
    let began = Instant::now();
    let arrivals = arrive(world.platform(), Rc::clone(&waiting));
    drop(world.platform().spawn(arrivals));
    let waits = world.run_to_end(serve(world.platform(), waiting));
    let seconds = began.elapsed().as_secs_f64();
    let mean_wait = waits.unwrap_or_default() / REQUESTS;
    QueueRun {
        requests_per_second: f64::from(REQUESTS) / seconds,
        mean_wait_ms: mean_wait.as_secs_f64() * 1e3,
    }
}

async fn arrive(platform: Platform, waiting: Rc<RefCell<Waiting>>) {
    let mut arrivals = Arrivals::new(ArrivalModel::Poisson, Seed(1).stream(0));
    for _ in 0..REQUESTS {
        platform.sleep(arrivals.next_interval(INTERVAL)).await;
        let mut waiting = waiting.borrow_mut();
        waiting.arrivals.push_back(platform.now());
        if let Some(server) = waiting.server.take() {
            server.wake();
        }
    }
}

/// Returns the sum of all waits.
async fn serve(platform: Platform, waiting: Rc<RefCell<Waiting>>) -> Duration {
    let mut times = Times::new(TimeModel::Exponential, Seed(1).stream(1));
    let mut waits = Duration::ZERO;
    for _ in 0..REQUESTS {
        let arrived = poll_fn(|context| {
            let mut waiting = waiting.borrow_mut();
            if let Some(arrived) = waiting.arrivals.pop_front() {
                return Poll::Ready(arrived);
            }
            waiting.server = Some(context.waker().clone());
            Poll::Pending
        });
        let arrived = arrived.await;
        waits += platform.now().saturating_sub(arrived);
        platform.sleep(times.next_time(SERVICE)).await;
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_wait_matches_theory() {
        let gap = run().mean_wait_ms / EXPECTED_WAIT_MS - 1.0;
        assert!(gap.abs() < 0.05, "{gap}");
    }
}
