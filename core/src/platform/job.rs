//! CPU work with the same result in every world.

mod cost;
mod kernels;

use crate::error::{Classification, Classify, ErrorKind};
use std::{fmt, str::FromStr, time::Duration};

/// CPU work as data: a kind and a size.
///
/// A job can be [written](std::fmt::Display) as text, such as `primes:200000`. It has
/// the same result on every machine, in every build and in every browser. Its memory
/// use does not grow with its size.
///
/// ```
/// use highwater::platform::Job;
///
/// let job: Job = "fib:20".parse()?;
/// assert_eq!(job, Job::Fib(20));
/// assert_eq!(job.run(), 6_765);
/// # Ok::<(), highwater::platform::InvalidJob>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Counts the primes below a number, by trial division. Written `primes:N`.
    Primes(u32),
    /// Computes the Fibonacci number with this index by naive recursion. Each index
    /// takes 1.6 times as long as the one before. Written `fib:N`.
    Fib(u32),
    /// Hashes 32 zero bytes with SHA-256, then each digest in turn, `N` times in
    /// total. The steps cannot run in parallel. The result is the first eight bytes
    /// of the last digest. Written `hash:N`.
    HashChain(u32),
    /// Computes the Mandelbrot set for a tile of `N` by `N` pixels, with at most 256
    /// iterations each. The result is the total number of iterations. Written
    /// `mandelbrot:N`.
    Mandelbrot(u32),
}

impl Job {
    /// Runs the job on the current thread and blocks until it is done.
    ///
    /// ```
    /// use highwater::platform::Job;
    ///
    /// assert_eq!(Job::Primes(100).run(), 25);
    /// assert_eq!(Job::HashChain(1).run(), 0x6668_7aad_f862_bd77);
    /// ```
    #[must_use]
    pub fn run(self) -> u64 {
        self.run_until(|| false).unwrap_or_default()
    }

    /// Runs the job until it is done or `is_cancelled` returns true. `is_cancelled`
    /// is called about a thousand times per second. Returns `None` if the job was
    /// cancelled.
    ///
    /// ```
    /// use highwater::platform::Job;
    ///
    /// // Would take centuries.
    /// assert_eq!(Job::Fib(90).run_until(|| true), None);
    /// assert_eq!(Job::Fib(25).run_until(|| false), Some(75_025));
    /// ```
    #[must_use]
    pub fn run_until(self, is_cancelled: impl Fn() -> bool) -> Option<u64> {
        match self {
            Job::Primes(below) => kernels::primes(below, &is_cancelled),
            Job::Fib(index) => kernels::fib(index, &is_cancelled),
            Job::HashChain(length) => kernels::hash_chain(length, &is_cancelled),
            Job::Mandelbrot(side) => kernels::mandelbrot(side, &is_cancelled),
        }
    }

    /// Estimates how long the job takes, based on one core of a Xeon server and a
    /// release build. In simulated time a job takes exactly this long. Elsewhere the
    /// estimate is good enough to reject jobs that would take minutes. A debug build
    /// is several times slower.
    ///
    /// ```
    /// use highwater::platform::Job;
    /// use std::time::Duration;
    ///
    /// assert!(Job::Fib(42).cost() > Duration::from_millis(500));
    /// assert!(Job::Fib(22).cost() < Duration::from_millis(1));
    /// ```
    #[must_use]
    pub fn cost(self) -> Duration {
        match self {
            Job::Primes(below) => cost::primes(below),
            Job::Fib(index) => cost::fib(index),
            Job::HashChain(length) => cost::hash_chain(length),
            Job::Mandelbrot(side) => cost::mandelbrot(side),
        }
    }

    /// Returns the largest job of a kind whose [cost](Self::cost) is at most `cost`,
    /// or the smallest job if each costs more.
    ///
    /// ```
    /// use highwater::platform::Job;
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let job = Job::costing(Job::Primes, second);
    /// assert!(job.cost() <= second && job.cost() > second / 2);
    /// ```
    #[must_use]
    pub fn costing(kind: fn(u32) -> Job, cost: Duration) -> Self {
        let (mut fits, mut over) = (0, u32::MAX);
        while over - fits > 1 {
            let middle = fits + (over - fits) / 2;
            if kind(middle).cost() <= cost {
                fits = middle;
            } else {
                over = middle;
            }
        }
        kind(fits)
    }

    /// Computes the result of [`run`](Self::run), using a faster algorithm where
    /// there is one. For simulated time, in which the real duration does not matter.
    pub(crate) fn answer(self) -> u64 {
        match self {
            Job::Primes(below) => kernels::sieve(below),
            Job::Fib(index) => kernels::fibonacci(index),
            Job::HashChain(_) | Job::Mandelbrot(_) => self.run(),
        }
    }
}

/// The kinds of jobs: names and constructors.
type Kinds = [(&'static str, fn(u32) -> Job); 4];

const KINDS: Kinds = [
    ("primes", Job::Primes),
    ("fib", Job::Fib),
    ("hash", Job::HashChain),
    ("mandelbrot", Job::Mandelbrot),
];

/// Writes the kind and the size: `fib:32`.
///
/// ```
/// use highwater::platform::Job;
///
/// for job in [Job::Primes(9), Job::Fib(32), Job::HashChain(1), Job::Mandelbrot(0)] {
///     assert_eq!(job.to_string().parse(), Ok(job));
/// }
/// ```
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, size) = match self {
            Job::Primes(size) => ("primes", size),
            Job::Fib(size) => ("fib", size),
            Job::HashChain(size) => ("hash", size),
            Job::Mandelbrot(size) => ("mandelbrot", size),
        };
        write!(f, "{kind}:{size}")
    }
}

/// Parses the [`Display`](fmt::Display) form.
///
/// Any size is accepted, even one that would take centuries. Check the
/// [cost](Job::cost) of jobs from untrusted sources.
impl FromStr for Job {
    type Err = InvalidJob;

    fn from_str(text: &str) -> Result<Self, InvalidJob> {
        let read = || {
            let (name, size) = text.split_once(':')?;
            let (_, kind) = KINDS.iter().find(|(known, _)| *known == name)?;
            // `parse` accepts a leading plus, which stands for a space in a query.
            let is_number = size.bytes().all(|byte| byte.is_ascii_digit());
            Some(kind(size.parse().ok().filter(|_| is_number)?))
        };
        read().ok_or_else(|| InvalidJob(text.to_owned()))
    }
}

/// The error for a text that is not a job. It contains the text.
///
/// ```
/// use highwater::{error::AppError, platform::Job};
///
/// let error = "fib".parse::<Job>().unwrap_err();
/// assert_eq!(error.0, "fib");
/// assert_eq!(
///     error.to_string(),
///     "invalid job \"fib\": use primes:N, fib:N, hash:N or mandelbrot:N, with a whole number below 4294967296"
/// );
/// assert_eq!(AppError::from(error).status(), 400);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid job {0:?}: use primes:N, fib:N, hash:N or mandelbrot:N, with a whole number below 4294967296"
)]
pub struct InvalidJob(
    /// The rejected text.
    pub String,
);

/// The client sent an invalid job.
impl Classify for InvalidJob {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::InvalidInput).with_public_message(self.to_string())
    }
}
