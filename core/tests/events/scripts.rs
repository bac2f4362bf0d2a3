//! Random scripts of all that an emitter can do, under all its options, against
//! a model of its rules; what monitors are told is part of it.

use crate::cases::cases;
use crate::script::{Action, Setup, Shared, action, model::Model, perform, real::Real};
use highwater::events::{FailurePolicy, Options, Removal};
use proptest::prelude::*;

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
    fn an_emitter_keeps_its_rules(
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
        // What is gone is freed, now that no emit runs.
        perform(&model, &[Action::Emit], 0);
        perform(&real, &[Action::Emit], 0);
        prop_assert_eq!(real.held(), model.held());
    }
}
