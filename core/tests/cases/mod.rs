//! The configuration of property tests.

use proptest::test_runner::Config;

/// Returns a configuration with this many cases, or a few under Miri.
///
/// Failing seeds are printed, not written to files next to the tests.
pub(crate) fn cases(cases: u32) -> Config {
    Config {
        cases: if cfg!(miri) { 6 } else { cases },
        failure_persistence: None,
        ..Config::default()
    }
}
