//! A model of how long jobs take.
//!
//! The constants were measured with `cargo bench -p highwater --bench jobs` on one
//! core of a Xeon server, in a release build. There the model is off by less than 20
//! % for jobs from a millisecond to several seconds.

use super::kernels;
use std::time::Duration;

/// Picoseconds per call of the naive recursion.
const CALL: u64 = 1_000;

/// Picoseconds per hash.
const HASH: u64 = 80_000;

/// Picoseconds per pixel, about 60 iterations.
const PIXEL: u64 = 220_000;

/// Picoseconds per division when testing a prime.
const DIVISION: u64 = 3_000;

/// Picoseconds per number, for composite numbers.
const NUMBER: u64 = 22_000;

pub(super) fn primes(below: u32) -> Duration {
    let below = u64::from(below);
    let divisions = divisions(below).saturating_mul(DIVISION);
    from_picoseconds(divisions.saturating_add(below * NUMBER))
}

pub(super) fn fib(index: u32) -> Duration {
    from_picoseconds(calls(index).saturating_mul(CALL))
}

pub(super) fn hash_chain(length: u32) -> Duration {
    from_picoseconds(u64::from(length) * HASH)
}

pub(super) fn mandelbrot(side: u32) -> Duration {
    from_picoseconds((u64::from(side) * u64::from(side)).saturating_mul(PIXEL))
}

/// Saturates at about half a year, as the picoseconds do.
fn from_picoseconds(picoseconds: u64) -> Duration {
    Duration::from_nanos(picoseconds / 1_000)
}

/// Estimates the number of trial divisions. Proving `n` prime takes `√n` divisions,
/// and one of `ln n` numbers is prime, so the numbers below `n` take about `2/3 · n
/// √n / ln n`. The binary logarithm replaces the natural one; the constant factor is
/// part of [`DIVISION`].
fn divisions(below: u64) -> u64 {
    // A linear interpolation in 256ths keeps the estimate continuous.
    let bits = 256 * u64::from(below.max(2).ilog2());
    let rest = (below.max(2) << 8 >> below.max(2).ilog2()) - 256;
    below * below.isqrt() * 256 / (bits + rest)
}

/// Returns the number of calls: each one that does not end the recursion makes two
/// more.
fn calls(index: u32) -> u64 {
    if index > 90 {
        return u64::MAX;
    }
    2 * kernels::fibonacci(index + 1) - 1
}
