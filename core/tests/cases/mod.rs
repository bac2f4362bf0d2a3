//! How thorough a property test is.

use proptest::test_runner::Config;

/// So many cases, or a handful where Miri runs them. Nothing is written beside
/// the tests: a seed is printed.
pub(crate) fn cases(cases: u32) -> Config {
    Config {
        cases: if cfg!(miri) { 6 } else { cases },
        failure_persistence: None,
        ..Config::default()
    }
}
