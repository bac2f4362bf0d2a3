//! The load on the servers, and its outcome.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use load::{Client, Load, Tally};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// The number of connections. Without a response, each waits for at most one request.
const CONNECTIONS: usize = 1_000;
/// The number of connections that measure the capacity.
const CAPACITY_CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const CAPACITY_TURN: Duration = Duration::from_secs(3);
/// The first part of a turn, in which the server detects the overload.
const ONSET: Duration = Duration::from_secs(3);
const STEADY: Duration = Duration::from_secs(5);

/// The outcome of a part of a turn.
#[derive(Clone, Copy)]
pub(super) struct Figures {
    /// Requests per second that were answered with 200.
    pub(super) goodput: f64,
    /// Requests per second that were answered with 503.
    pub(super) rejected: f64,
    /// Requests per second that failed.
    pub(super) failed: f64,
    /// Latencies of the requests answered with 200, from the time at which they were due.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// The share of a core that the client used.
    pub(super) client_cpu: f64,
}

/// The outcome of a turn.
pub(super) struct Onset {
    pub(super) onset: Figures,
    pub(super) steady: Figures,
}

/// Returns the requests per second in a closed loop.
pub(super) fn measure_capacity(addr: SocketAddr) -> f64 {
    let load = Load::on(addr).clients(Client::KeepAlive, CAPACITY_CONNECTIONS);
    let load = load.start();
    thread::sleep(WARM_UP);
    let (before, begin) = (load.ledger().total().answered(), Instant::now());
    thread::sleep(CAPACITY_TURN);
    let answered = load.ledger().total().answered() - before;
    answered as f64 / begin.elapsed().as_secs_f64()
}

/// Measures a server in an open loop.
pub(super) fn measure(addr: SocketAddr, per_second: f64) -> Onset {
    let load = Load::on(addr)
        .clients(Client::KeepAlive, CONNECTIONS)
        .rate(per_second)
        .start();
    let part = |duration: Duration, before: &Tally| {
        let (begin, cpu) = (Instant::now(), cpu_time());
        thread::sleep(duration);
        let tally = load.ledger().total();
        let elapsed = begin.elapsed().as_secs_f64();
        let rate = |count: fn(&Tally) -> u64| (count(&tally) - count(before)) as f64 / elapsed;
        let successes = tally.successes_since(before);
        let percentile = |percent| Duration::from_nanos(successes.value_at_percentile(percent));
        let figures = Figures {
            goodput: successes.len() as f64 / elapsed,
            rejected: rate(Tally::unsuccessful),
            failed: rate(Tally::failures),
            p50: percentile(50.0),
            p99: percentile(99.0),
            client_cpu: cpu_time().saturating_sub(cpu).as_secs_f64() / elapsed,
        };
        (figures, tally)
    };
    let (onset, tally) = part(ONSET, &Tally::default());
    let (steady, _) = part(STEADY, &tally);
    // Waiting for its requests could take long.
    drop(load);
    Onset { onset, steady }
}

/// Returns the CPU time of this process.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// Keeps the client off the server's core, if there are several.
pub(super) fn pin_to_last_core() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 {
        pin_to_core(cores - 1);
    }
}

/// Runs this process on one core. Only on Linux.
pub(super) fn pin_to_core(core: usize) {
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CpuSet, sched_setaffinity};
        use nix::unistd::Pid;
        let mut cores = CpuSet::new();
        // If the system does not allow it, the processes share the cores.
        if cores.set(core).is_ok() {
            let _ = sched_setaffinity(Pid::from_raw(0), &cores);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}
