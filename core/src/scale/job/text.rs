//! Jobs as text.

use super::Job;
use crate::error::{Classification, Classify, Kind};
use std::{fmt, str::FromStr};

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
        Classification::new(Kind::InvalidInput).with_public(self.to_string())
    }
}
