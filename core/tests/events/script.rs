//! Random scripts of emitter operations under all options, run by the emitter and by
//! a model of its rules.

mod model;
mod real;
mod steps;

use crate::cases::cases;
use highwater::events::{FailurePolicy, Options, Removal};
use model::Model;
use proptest::prelude::*;
use real::Real;
use steps::{Action, Setup, Shared, action, perform};

fn setup() -> impl Strategy<Value = Setup> {
    let policy = prop::sample::select(vec![FailurePolicy::Isolate, FailurePolicy::FailFast]);
    let removal = prop::sample::select(vec![Removal::Snapshot, Removal::Live]);
    let booleans = (any::<bool>(), any::<bool>());
    (policy, removal, booleans).prop_map(|(policy, removal, (is_observed, is_cached))| Setup {
        policy,
        removal,
        is_observed,
        is_cached,
    })
}

proptest! {
    #![proptest_config(cases(2048))]

    #[test]
    fn emitter_matches_the_model(
        setup in setup(),
        behaviours in prop::collection::vec(prop::collection::vec(action(), 0..4), 1..6),
        script in prop::collection::vec(action(), 0..24),
    ) {
        let shared = Shared { setup, behaviours };
        let options = Options::new().policy(setup.policy).removal(setup.removal);
        let model = Model::new(shared.clone());
        let real = Real::new(shared, options.max_listeners(0));
        for step in script {
            perform(&model, &[step], 0);
            perform(&real, &[step], 0);
            prop_assert_eq!(real.listeners(), model.listeners());
            prop_assert_eq!(real.take_log(), model.take_log(), "after {:?}", step);
        }
        // Removed listeners are freed when no emit runs.
        perform(&model, &[Action::Emit], 0);
        perform(&real, &[Action::Emit], 0);
        prop_assert_eq!(real.held(), model.held());
    }
}
