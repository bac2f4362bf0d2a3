//! The algorithms. Each checks for cancellation about every millisecond.

use sha2::{Digest, Sha256};

/// Returns whether to stop early.
type CancelCheck<'a> = &'a dyn Fn() -> bool;

/// The number of candidates between two cancellation checks.
const NUMBERS_PER_CHECK: u32 = 1 << 9;

/// The index below which naive recursion takes less than a millisecond.
const SMALL_FIB: u32 = 22;

/// The maximum recursion depth. It would take longer than anyone can wait, and keeps
/// larger indexes from overflowing the stack.
const MAX_FIB_DEPTH: u32 = 128;

const HASHES_PER_CHECK: u32 = 1 << 12;

const MAX_ITERATIONS: u32 = 256;

pub(super) fn primes(below: u32, is_cancelled: CancelCheck) -> Option<u64> {
    let mut count = 0;
    let mut first = 2;
    while first < below {
        if is_cancelled() {
            return None;
        }
        let end = first.saturating_add(NUMBERS_PER_CHECK).min(below);
        count += (first..end).filter(|number| is_prime(*number)).count() as u64;
        first = end;
    }
    Some(count)
}

fn is_prime(number: u32) -> bool {
    (2..=number.isqrt()).all(|divisor| !number.is_multiple_of(divisor))
}

/// Counts primes with a sieve of Eratosthenes over odd numbers.
pub(super) fn sieve(below: u32) -> u64 {
    if below < 3 {
        return 0;
    }
    // Index `n` stands for the number `2n + 1`. Index 0, the 1, stands in for the
    // prime 2.
    let mut is_composite = vec![false; below as usize / 2];
    let length = is_composite.len();
    for index in 1..length {
        let number = 2 * index + 1;
        let square = number * number / 2;
        if square >= length {
            break;
        }
        if !is_composite[index] {
            for multiple in (square..length).step_by(number) {
                is_composite[multiple] = true;
            }
        }
    }
    is_composite.iter().filter(|it| !**it).count() as u64
}

pub(super) fn fib(index: u32, is_cancelled: CancelCheck) -> Option<u64> {
    recursive_fib(index.min(MAX_FIB_DEPTH), is_cancelled)
}

fn recursive_fib(index: u32, is_cancelled: CancelCheck) -> Option<u64> {
    if index < SMALL_FIB {
        return Some(small_fib(index));
    }
    if index == SMALL_FIB && is_cancelled() {
        return None;
    }
    let one = recursive_fib(index - 1, is_cancelled)?;
    Some(one.wrapping_add(recursive_fib(index - 2, is_cancelled)?))
}

fn small_fib(index: u32) -> u64 {
    if index < 2 {
        return u64::from(index);
    }
    small_fib(index - 1) + small_fib(index - 2)
}

/// Computes the same Fibonacci number iteratively.
pub(super) fn fibonacci(index: u32) -> u64 {
    let (mut one, mut next) = (0_u64, 1_u64);
    for _ in 0..index {
        (one, next) = (next, one.wrapping_add(next));
    }
    one
}

pub(super) fn hash_chain(length: u32, is_cancelled: CancelCheck) -> Option<u64> {
    let mut digest = [0; 32];
    for step in 0..length {
        if step % HASHES_PER_CHECK == 0 && is_cancelled() {
            return None;
        }
        digest = Sha256::digest(digest).into();
    }
    let [first @ .., _, _, _, _, _, _, _, _] = digest;
    let (first, _) = first.split_first_chunk()?;
    Some(u64::from_be_bytes(*first))
}

/// Uses only sums and products of doubles, which round the same way everywhere.
pub(super) fn mandelbrot(side: u32, is_cancelled: CancelCheck) -> Option<u64> {
    let step = 2.5 / f64::from(side.max(1));
    let mut steps = 0_u64;
    for row in 0..side {
        let im = f64::from(row) * step - 1.25;
        for column in 0..side {
            // This many pixels take at most a millisecond.
            if column % 1024 == 0 && is_cancelled() {
                return None;
            }
            let re = f64::from(column) * step - 2.0;
            steps = steps.wrapping_add(escape(re, im).into());
        }
    }
    Some(steps)
}

/// Returns the number of iterations until the point is known to be outside the set.
fn escape(re: f64, im: f64) -> u32 {
    let (mut x, mut y) = (0.0, 0.0);
    for step in 0..MAX_ITERATIONS {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > 4.0 {
            return step;
        }
        y = 2.0 * x * y + im;
        x = xx - yy + re;
    }
    MAX_ITERATIONS
}
