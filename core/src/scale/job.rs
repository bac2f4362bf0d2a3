//! CPU work that is the same everywhere.

mod cost;
mod kernels;

use crate::error::{Classification, Classify, ErrorKind};
use std::{fmt, str::FromStr, time::Duration};

/// CPU work, as data: what it is and how much of it.
///
/// It goes wherever text goes, [written](std::fmt::Display) `primes:200000`, and
/// comes to the same result on every machine, in every build and in every
/// browser. None of it takes memory in proportion to its size.
///
/// ```
/// use highwater::scale::Job;
///
/// let job: Job = "fib:20".parse()?;
/// assert_eq!(job, Job::Fib(20));
/// assert_eq!(job.run(), 6_765);
/// # Ok::<(), highwater::scale::InvalidJob>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Counts the primes below a number, by trial division. Written `primes:N`.
    Primes(u32),
    /// The Fibonacci number with that index, by naive recursion: each step
    /// takes 1.6 times as long as the one before. Written `fib:N`.
    Fib(u32),
    /// SHA-256, of 32 zeros and then of each digest, so many times; the result
    /// is the first eight bytes of the last. No two of its steps could be done at
    /// once. Written `hash:N`.
    HashChain(u32),
    /// The Mandelbrot set in a tile of so many by so many pixels; the result is
    /// how many steps they take together, each 256 at most. Written
    /// `mandelbrot:N`.
    Mandelbrot(u32),
}

impl Job {
    /// Does it, on this thread, which has time for nothing else meanwhile.
    ///
    /// ```
    /// use highwater::scale::Job;
    ///
    /// assert_eq!(Job::Primes(100).run(), 25);
    /// assert_eq!(Job::HashChain(1).run(), 0x6668_7aad_f862_bd77);
    /// ```
    #[must_use]
    pub fn run(self) -> u64 {
        self.run_until(|| false).unwrap_or_default()
    }

    /// Does it unless `is_cancelled` says no. It is asked now and then, about a
    /// thousand times a second; `None` when it has said so.
    ///
    /// ```
    /// use highwater::scale::Job;
    ///
    /// // Centuries, if nobody stops it.
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

    /// How long it takes on the core that the model stands for: one of a Xeon
    /// server, with a release build. In simulated time it takes
    /// exactly that long; elsewhere it is a guess, good enough to turn away what
    /// would take minutes. A build without optimisation takes several times as
    /// long.
    ///
    /// ```
    /// use highwater::scale::Job;
    /// use std::time::Duration;
    ///
    /// assert!(Job::Fib(42).cost() > Duration::from_millis(500));
    /// assert!(Job::Fib(22).cost() < Duration::from_millis(1));
    /// ```
    #[must_use]
    pub fn cost(self) -> Duration {
        cost::of(self)
    }

    /// The largest job of a kind whose [cost](Self::cost) is not more than
    /// `cost`; the smallest if each costs more.
    ///
    /// ```
    /// use highwater::scale::Job;
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
    /// What it comes to, by a shorter way where there is one: the result of
    /// [`run`](Self::run) for a world in which time passes by itself.
    #[cfg(feature = "compute")]
    pub(crate) fn answer(self) -> u64 {
        match self {
            Job::Primes(below) => kernels::sieve(below),
            Job::Fib(index) => kernels::fibonacci(index),
            Job::HashChain(_) | Job::Mandelbrot(_) => self.run(),
        }
    }
}

/// What a job is called, and what makes it of its size.
type Kinds = [(&'static str, fn(u32) -> Job); 4];

const KINDS: Kinds = [
    ("primes", Job::Primes),
    ("fib", Job::Fib),
    ("hash", Job::HashChain),
    ("mandelbrot", Job::Mandelbrot),
];

/// A kind and a size: `fib:32`.
///
/// ```
/// use highwater::scale::Job;
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

/// Reads what is [written](fmt::Display) that way.
///
/// Any size is read, also one that takes centuries: whoever takes jobs from
/// strangers looks at the [cost](Job::cost).
impl FromStr for Job {
    type Err = InvalidJob;

    fn from_str(text: &str) -> Result<Self, InvalidJob> {
        let read = || {
            let (name, size) = text.split_once(':')?;
            let (_, kind) = KINDS.iter().find(|(known, _)| *known == name)?;
            // A number may begin with a plus, which in an address is a space.
            let is_number = size.bytes().all(|byte| byte.is_ascii_digit());
            Some(kind(size.parse().ok().filter(|_| is_number)?))
        };
        read().ok_or_else(|| InvalidJob(text.to_owned()))
    }
}

/// The text names no job. It has the text.
///
/// ```
/// use highwater::{error::AppError, scale::Job};
///
/// let error = "fib".parse::<Job>().unwrap_err();
/// assert_eq!(error.0, "fib");
/// assert_eq!(
///     error.to_string(),
///     "\"fib\" is no job: write primes:N, fib:N, hash:N or mandelbrot:N, with a whole number below 4294967296"
/// );
/// assert_eq!(AppError::from(error).status(), 400);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no job: write primes:N, fib:N, hash:N or mandelbrot:N, with a whole number below 4294967296"
)]
pub struct InvalidJob(
    /// What was to be read.
    pub String,
);

/// Whoever sent the text has to send another.
impl Classify for InvalidJob {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::InvalidInput).with_public(self.to_string())
    }
}
