//! What a scenario's checks say of a run that was tampered with.

use highwater::{
    scenario::{self, Outcome},
    trace::Trace,
};

/// The checks that fail when a run was tampered with, of which none failed
/// before.
pub(crate) fn tampered(
    name: &str,
    pairs: &[(&str, &str)],
    tamper: impl FnOnce(&mut Trace),
) -> Vec<&'static str> {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in pairs {
        experiment.set(key, value).unwrap();
    }
    let mut trace = experiment.simulate();
    assert_eq!(failed(&trace), [""; 0]);
    tamper(&mut trace);
    failed(&trace)
}

fn failed(trace: &Trace) -> Vec<&'static str> {
    let verdicts = scenario::find(&trace.scenario).unwrap().judge(trace);
    let failed = verdicts.iter().filter(|it| it.outcome == Outcome::Failed);
    failed.map(|verdict| verdict.check).collect()
}
