//! What a scenario's checks say of a run that was tampered with.

use crate::simulated::{checks, simulate};
use highwater::{scenario::Outcome, trace::Trace};

/// The checks that fail when a run was tampered with, of which none failed
/// before.
pub(crate) fn tampered(
    name: &str,
    pairs: &[(&str, &str)],
    tamper: impl FnOnce(&mut Trace),
) -> Vec<&'static str> {
    let mut trace = simulate(name, pairs);
    assert_eq!(failed(&trace), [""; 0]);
    tamper(&mut trace);
    failed(&trace)
}

fn failed(trace: &Trace) -> Vec<&'static str> {
    checks(trace, Outcome::Failed)
}
