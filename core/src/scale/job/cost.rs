//! How long work takes, by a model.
//!
//! The figures are measured, once, by `cargo bench -p highwater --bench jobs`,
//! on one core of a Xeon server, with a release build. From a millisecond to
//! seconds the model is off by less than a fifth there.

use super::{Job, kernels};
use std::time::Duration;

/// Picoseconds a call of naive recursion.
const CALL: u64 = 1_000;

/// Picoseconds a link of a chain.
const HASH: u64 = 80_000;

/// Picoseconds a pixel: some 60 steps.
const PIXEL: u64 = 220_000;

/// Picoseconds a division that shows a number to be prime.
const DIVISION: u64 = 3_000;

/// Picoseconds a number, for those that are not.
const NUMBER: u64 = 22_000;

pub(super) fn of(job: Job) -> Duration {
    // What does not fit, and that is half a year, takes as long as does.
    let picoseconds = match job {
        Job::Primes(below) => {
            let below = u64::from(below);
            let divisions = divisions(below).saturating_mul(DIVISION);
            divisions.saturating_add(below * NUMBER)
        }
        Job::Fib(index) => calls(index).saturating_mul(CALL),
        Job::HashChain(length) => u64::from(length) * HASH,
        Job::Mandelbrot(side) => (u64::from(side) * u64::from(side)).saturating_mul(PIXEL),
    };
    Duration::from_nanos(picoseconds / 1_000)
}

/// To see that `n` is prime takes the square root of `n` divisions, and one
/// number of the logarithm of `n` is: `n` of them take two thirds of
/// `n √n / ln n`. The logarithm to base 2 stands in
/// for the natural one, whose factor is among the picoseconds.
fn divisions(below: u64) -> u64 {
    // In 256ths, so that it does not jump where a bit comes to it.
    let bits = 256 * u64::from(below.max(2).ilog2());
    let rest = (below.max(2) << 8 >> below.max(2).ilog2()) - 256;
    below * below.isqrt() * 256 / (bits + rest)
}

/// Each call but the last ones makes two more.
fn calls(index: u32) -> u64 {
    if index > 90 {
        return u64::MAX;
    }
    2 * kernels::fibonacci(index + 1) - 1
}
