//! The check that listener leaks are reported, shared by two scenarios.

use super::checks::CheckResult;
use crate::trace::{RecordKind, Trace};

/// The emitter's warning threshold.
const MAX_LISTENERS: u64 = 10;

/// Checks that listeners leaked by `culprit` are reported exactly once.
///
/// `listeners` counts the listeners added for one type of event, including the
/// `leaked` ones.
pub(super) fn leak_reported(
    trace: &Trace,
    culprit: &str,
    listeners: u64,
    leaked: u64,
    hint: &str,
) -> CheckResult {
    let claim = "a listener leak is reported once, at the eleventh listener".to_owned();
    let mut reports = trace.events.iter().filter(|it| it.kind == RecordKind::Leak);
    let (report, repeated) = (reports.next(), reports.count());
    if report.is_none() && (leaked == 0 || listeners <= MAX_LISTENERS) {
        return CheckResult::not_exercised(claim, hint);
    }
    let Some(report) = report.filter(|_| repeated == 0) else {
        let times = repeated + usize::from(report.is_some());
        return CheckResult::Decided {
            claim,
            holds: false,
            evidence: format!("{listeners} listeners, reported {times} times"),
        };
    };
    let warning = report.target.map_or("", |warning| trace.name(warning));
    CheckResult::Decided {
        claim,
        holds: leaked > 0 && report.subject == MAX_LISTENERS + 1 && warning.contains(culprit),
        evidence: format!("{leaked} leaked; {warning}"),
    }
}
