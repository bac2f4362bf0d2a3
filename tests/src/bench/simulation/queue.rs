//! An M/M/1 queue: two tasks in a simulated world, one for the arrivals and one for the
//! server.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use highwater::Overflow;
use highwater::platform::{Platform, Seed, VirtualTime};
use highwater::stream::{Bound, Receiver, Sender, channel};
use highwater::workload::{ArrivalModel, Arrivals, TimeModel, Times};
use nix::time::{ClockId, clock_gettime};
use serde::Deserialize;

/// The number of requests of every run, in both simulators.
pub(super) const REQUESTS: u32 = 1_000_000;
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

/// The way from the arrivals to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Design {
    Documented,
    Idiomatic,
    Tuned,
}

impl Design {
    pub(super) const ALL: [Design; 3] = [Design::Documented, Design::Idiomatic, Design::Tuned];

    pub(super) fn name(self) -> &'static str {
        match self {
            Design::Documented => "documented",
            Design::Idiomatic => "idiomatic",
            Design::Tuned => "tuned",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Design::Documented => {
                "a process per customer and a Resource, as in SimPy's documentation; a stream::channel in highwater"
            }
            Design::Idiomatic => "a Store in SimPy, a stream::channel in highwater",
            Design::Tuned => "a deque and a wake-up while the server is idle, by hand in both",
        }
    }
}

/// More requests than ever wait, so that the channel never rejects one.
const CHANNEL_CAPACITY: usize = 10_000;

/// The arrival times of waiting requests.
#[derive(Default)]
struct Waiting {
    arrivals: VecDeque<Duration>,
    server: Option<Waker>,
}

pub(super) fn run(design: Design) -> Result<QueueRun> {
    let world = VirtualTime::new();
    let platform = world.platform();
    let began = cpu_time()?;
    let waits = match design {
        Design::Documented | Design::Idiomatic => {
            let (sender, receiver) = channel(Bound::items(CHANNEL_CAPACITY)?, Overflow::Wait);
            drop(platform.spawn(send(platform.clone(), sender)));
            world.run_to_end(receive(platform, receiver))
        }
        Design::Tuned => {
            let waiting: Rc<RefCell<Waiting>> = Rc::default();
            drop(platform.spawn(arrive(platform.clone(), Rc::clone(&waiting))));
            world.run_to_end(serve(platform, waiting))
        }
    };
    let seconds = cpu_time()?.saturating_sub(began).as_secs_f64();
    let mean_wait = waits.unwrap_or_default() / REQUESTS;
    Ok(QueueRun {
        requests_per_second: f64::from(REQUESTS) / seconds,
        mean_wait_ms: mean_wait.as_secs_f64() * 1e3,
    })
}

/// Returns the CPU time of this process. Unlike the wall clock, it compares simulators
/// fairly on a busy machine.
fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

async fn send(platform: Platform, requests: Sender<Duration>) {
    let mut arrivals = Arrivals::new(ArrivalModel::Poisson, Seed(1).stream(0));
    for _ in 0..REQUESTS {
        platform.sleep(arrivals.next_interval(INTERVAL)).await;
        if requests.send(platform.now()).await.is_err() {
            return;
        }
    }
}

/// Returns the sum of all waits.
async fn receive(platform: Platform, mut requests: Receiver<Duration>) -> Duration {
    let mut times = Times::new(TimeModel::Exponential, Seed(1).stream(1));
    let mut waits = Duration::ZERO;
    while let Some(Ok(arrived)) = requests.next().await {
        waits += platform.now().saturating_sub(arrived);
        platform.sleep(times.next_time(SERVICE)).await;
    }
    waits
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
        for design in Design::ALL {
            let run = run(design).expect("the run is valid");
            let gap = run.mean_wait_ms / EXPECTED_WAIT_MS - 1.0;
            assert!(gap.abs() < 0.05, "{}: {gap}", design.name());
        }
    }
}
