//! Scripted tests of worker restarts.

use highwater::scale::{Action, Escalation, Supervisor, SupervisorOptions, WorkerId};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn start(slot: usize, generation: u64) -> Action {
    Action::Start(WorkerId::new(slot, generation))
}

fn actions(supervisor: &mut Supervisor) -> Vec<Action> {
    std::iter::from_fn(|| supervisor.next_action()).collect()
}

/// Returns a supervisor with two ready workers.
fn two_ready(options: SupervisorOptions) -> Supervisor {
    let mut supervisor = Supervisor::new(2, options, ms(0));
    let started = [0, 1].map(|slot| Action::Start(WorkerId::new(slot, 1)));
    assert_eq!(actions(&mut supervisor), started);
    supervisor.ready(WorkerId::new(0, 1), ms(10));
    supervisor.ready(WorkerId::new(1, 1), ms(10));
    supervisor
}

#[test]
fn exit_affects_only_its_own_slot() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    assert_eq!(supervisor.next_deadline(), None);
    supervisor.exited(WorkerId::new(1, 1), ms(20));
    let replacement = Action::Start(WorkerId::new(1, 2));
    assert_eq!(actions(&mut supervisor), [replacement]);
    assert!(supervisor.is_ready(0) && !supervisor.is_ready(1));
    assert_eq!(supervisor.generation(0), 1);
    assert_eq!(supervisor.generation(1), 2);
    assert_eq!(supervisor.restarts(), 1);
}

#[test]
fn stale_reports_are_ignored() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    supervisor.exited(WorkerId::new(0, 1), ms(20));
    assert_eq!(actions(&mut supervisor).len(), 1);
    supervisor.exited(WorkerId::new(0, 1), ms(21));
    supervisor.ready(WorkerId::new(0, 1), ms(21));
    supervisor.exited(WorkerId::new(1, 7), ms(21));
    supervisor.exited(WorkerId::new(9, 1), ms(21));
    supervisor.ready(WorkerId::new(9, 1), ms(21));
    supervisor.tick(ms(21));
    assert_eq!(actions(&mut supervisor), []);
    assert!(!supervisor.is_ready(0) && !supervisor.is_ready(9));
    assert_eq!((supervisor.restarts(), supervisor.generation(9)), (1, 0));
}

#[test]
fn worker_that_is_not_ready_is_killed() {
    let options = SupervisorOptions::new().ready_within(ms(300));
    let mut supervisor = Supervisor::new(1, options, ms(0));
    assert_eq!(actions(&mut supervisor).len(), 1);
    assert_eq!(supervisor.next_deadline(), Some(ms(300)));
    supervisor.tick(ms(299));
    assert_eq!(actions(&mut supervisor), []);
    supervisor.tick(ms(300));
    supervisor.tick(ms(400));
    let kill = Action::Kill(WorkerId::new(0, 1));
    assert_eq!(actions(&mut supervisor), [kill]);
    // This report is too late: the worker is being killed.
    supervisor.ready(WorkerId::new(0, 1), ms(401));
    assert!(!supervisor.is_ready(0));
    supervisor.exited(WorkerId::new(0, 1), ms(402));
    let replacement = Action::Start(WorkerId::new(0, 2));
    assert_eq!(actions(&mut supervisor), [replacement]);
}

#[test]
fn crash_loop_escalates_and_drains_the_rest() {
    let mut supervisor = two_ready(SupervisorOptions::new().intensity(5, ms(10_000)));
    let mut now = ms(100);
    for generation in 1..=5 {
        supervisor.exited(WorkerId::new(0, generation), now);
        assert_eq!(actions(&mut supervisor), [start(0, generation + 1)]);
    }
    supervisor.exited(WorkerId::new(0, 6), now);
    let drain = Action::Drain(WorkerId::new(1, 1));
    assert_eq!(actions(&mut supervisor), [drain, Action::Escalate]);
    assert!(supervisor.has_escalated() && !supervisor.is_stopped());
    // The worker does not drain in time.
    now = supervisor.next_deadline().unwrap();
    supervisor.tick(now);
    let kill = Action::Kill(WorkerId::new(1, 1));
    assert_eq!(actions(&mut supervisor), [kill]);
    supervisor.exited(WorkerId::new(1, 1), now);
    assert!(supervisor.is_stopped());
    supervisor.reload(now);
    supervisor.scale_to(9, now);
    supervisor.shutdown(now);
    supervisor.tick(now + ms(60_000));
    assert_eq!(actions(&mut supervisor), []);
    assert_eq!(supervisor.next_deadline(), None);
    assert_eq!(supervisor.restarts(), 5);
}

#[test]
fn stable_worker_exits_never_delay_restarts() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    let mut now = ms(0);
    for generation in 1..=100 {
        // Long enough for the worker to be stable, so the next one starts
        // immediately.
        now += ms(10_000);
        supervisor.exited(WorkerId::new(0, generation), now);
        let start = Action::Start(WorkerId::new(0, generation + 1));
        assert_eq!(actions(&mut supervisor), [start]);
        supervisor.ready(WorkerId::new(0, generation + 1), now);
    }
}

#[test]
fn intensity_period_is_inclusive() {
    for (second, escalates) in [(1_000, true), (1_001, false)] {
        let options = SupervisorOptions::new().intensity(1, ms(1_000));
        let mut supervisor = Supervisor::new(1, options, ms(0));
        supervisor.exited(WorkerId::new(0, 1), ms(0));
        supervisor.exited(WorkerId::new(0, 2), ms(second));
        assert_eq!(supervisor.has_escalated(), escalates, "{second} ms");
    }
}

#[test]
fn stable_workers_restart_immediately() {
    let options = SupervisorOptions::new().stable_after(ms(1_000));
    let mut supervisor = Supervisor::new(100, options, ms(0));
    assert_eq!(actions(&mut supervisor).len(), 100);
    for slot in 0..100 {
        supervisor.ready(WorkerId::new(slot, 1), ms(0));
    }
    for slot in 0..100 {
        supervisor.exited(WorkerId::new(slot, 1), ms(1_000));
    }
    assert_eq!(
        actions(&mut supervisor).len(),
        100,
        "all workers restart immediately"
    );
    assert!(!supervisor.has_escalated());
    // One of the new workers is not stable, so the next one waits.
    supervisor.ready(WorkerId::new(0, 2), ms(1_000));
    supervisor.exited(WorkerId::new(0, 2), ms(1_999));
    assert_eq!(actions(&mut supervisor), []);
    assert!(supervisor.next_deadline().unwrap() <= ms(2_099));
}

#[test]
fn worker_without_heartbeat_is_killed() {
    let options = SupervisorOptions::new().heartbeat_within(ms(500));
    let mut supervisor = two_ready(options);
    for beat in 1..=10 {
        supervisor.heartbeat(WorkerId::new(0, 1), ms(100 * beat));
        supervisor.heartbeat(WorkerId::new(1, 1), ms(100 * beat));
        supervisor.tick(ms(100 * beat));
        assert_eq!(actions(&mut supervisor), []);
    }
    supervisor.heartbeat(WorkerId::new(0, 1), ms(1_400));
    supervisor.heartbeat(WorkerId::new(1, 7), ms(1_400));
    supervisor.tick(ms(1_500));
    let kill = Action::Kill(WorkerId::new(1, 1));
    assert_eq!(actions(&mut supervisor), [kill]);
    supervisor.heartbeat(WorkerId::new(1, 1), ms(1_501));
    assert!(!supervisor.is_ready(1), "too late");
    supervisor.exited(WorkerId::new(1, 1), ms(1_502));
    let replacement = Action::Start(WorkerId::new(1, 2));
    assert_eq!(actions(&mut supervisor), [replacement]);
}

#[test]
fn retiring_worker_serves_until_replaced() {
    let mut supervisor = two_ready(SupervisorOptions::new().drain_within(ms(3_000)));
    supervisor.retire(WorkerId::new(0, 1), ms(20));
    supervisor.retire(WorkerId::new(0, 1), ms(21));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    assert!(supervisor.is_ready(0));
    supervisor.ready(WorkerId::new(0, 2), ms(30));
    let drain = Action::Drain(WorkerId::new(0, 1));
    assert_eq!(actions(&mut supervisor), [drain]);
    assert_eq!(supervisor.next_deadline(), Some(ms(3_030)));
    supervisor.exited(WorkerId::new(0, 1), ms(100));
    assert!(supervisor.is_ready(0));
    assert_eq!(actions(&mut supervisor), []);
    assert_eq!(
        (supervisor.restarts(), supervisor.next_deadline()),
        (1, None)
    );
}

#[test]
fn replacement_takes_over_after_a_crash() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    supervisor.retire(WorkerId::new(0, 1), ms(20));
    supervisor.exited(WorkerId::new(0, 1), ms(25));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    assert!(!supervisor.is_ready(0));
    supervisor.ready(WorkerId::new(0, 2), ms(30));
    assert_eq!(actions(&mut supervisor), []);
    assert_eq!((supervisor.ready_count(), supervisor.restarts()), (2, 1));
}

#[test]
fn failed_replacement_is_retried() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    let mut now = ms(100);
    supervisor.retire(WorkerId::new(0, 1), now);
    for generation in 2..100 {
        if actions(&mut supervisor).is_empty() {
            now = supervisor.next_deadline().unwrap();
            supervisor.tick(now);
            assert_eq!(actions(&mut supervisor), [start(0, generation)]);
        }
        supervisor.exited(WorkerId::new(0, generation), now);
        assert!(supervisor.is_ready(0));
    }
    assert!(supervisor.is_failing(0) && !supervisor.is_failing(1));
    assert!(now > ms(400_000), "{now:?}");
}

#[test]
fn hanging_retiring_worker_is_killed() {
    let mut supervisor = two_ready(SupervisorOptions::new().heartbeat_within(ms(500)));
    supervisor.retire(WorkerId::new(0, 1), ms(20));
    supervisor.heartbeat(WorkerId::new(1, 1), ms(400));
    supervisor.tick(ms(510));
    let kill = Action::Kill(WorkerId::new(0, 1));
    assert_eq!(actions(&mut supervisor), [start(0, 2), kill]);
    supervisor.exited(WorkerId::new(0, 1), ms(520));
    supervisor.ready(WorkerId::new(0, 2), ms(530));
    assert_eq!(actions(&mut supervisor), []);
    assert_eq!(supervisor.ready_count(), 2);
}

#[test]
fn poison_requests_start_one_process_per_second() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    let mut now = ms(100);
    for generation in 1..100 {
        supervisor.retire(WorkerId::new(0, generation), now);
        if actions(&mut supervisor).is_empty() {
            assert!(supervisor.is_ready(0));
            let previous = now;
            now = supervisor.next_deadline().unwrap();
            assert!(now <= previous + ms(1_000));
            supervisor.tick(now);
            assert_eq!(actions(&mut supervisor), [start(0, generation + 1)]);
        }
        supervisor.ready(WorkerId::new(0, generation + 1), now);
        supervisor.exited(WorkerId::new(0, generation), now);
        actions(&mut supervisor);
    }
    assert!(!supervisor.has_escalated());
    assert!(now > ms(80_000), "{now:?}");
}

#[test]
fn pauses_double_with_jitter() {
    let pauses_with = |seed| {
        let options = SupervisorOptions::new().escalation(Escalation::Never);
        let mut supervisor = Supervisor::new(1, options.seed(seed), ms(0));
        let mut now = ms(0);
        let pauses = (1..=17).map(|generation| {
            supervisor.exited(WorkerId::new(0, generation), now);
            let exited_at = now;
            // If the worker has already started, the deadline is its readiness
            // deadline.
            if supervisor.generation(0) == generation {
                now = supervisor.next_deadline().unwrap();
                supervisor.tick(now);
            }
            now.saturating_sub(exited_at)
        });
        pauses.collect::<Vec<_>>()
    };
    let pauses = pauses_with(1);
    assert_eq!(pauses[..5], [ms(0); 5]);
    for (pause, doubled) in pauses[5..].iter().zip(0..) {
        let full = ms(100 << doubled).min(ms(10_000));
        assert!(full / 2 <= *pause && *pause <= full, "{pauses:?}");
    }
    assert_eq!(pauses, pauses_with(1));
    assert_ne!(pauses, pauses_with(2));
}

#[test]
fn lack_of_ready_workers_escalates() {
    let mut supervisor = two_ready(SupervisorOptions::new().stable_after(ms(0)));
    supervisor.exited(WorkerId::new(0, 1), ms(20_000));
    supervisor.exited(WorkerId::new(1, 1), ms(21_000));
    let mut now = ms(21_000);
    while !supervisor.has_escalated() {
        for slot in 0..2 {
            supervisor.exited(WorkerId::new(slot, supervisor.generation(slot)), now);
        }
        now = supervisor.next_deadline().unwrap();
        supervisor.tick(now);
    }
    assert_eq!(now, ms(51_000));
}

#[test]
fn crashes_after_ready_never_escalate() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    let mut now = ms(100);
    for generation in 1..10_000 {
        for slot in 0..2 {
            let latest_generation = supervisor.generation(slot);
            supervisor.ready(WorkerId::new(slot, latest_generation), now);
            supervisor.exited(WorkerId::new(slot, latest_generation), now);
        }
        let started = actions(&mut supervisor);
        assert!(
            !started.is_empty(),
            "no worker started after {generation} crashes"
        );
        now += ms(20);
    }
    assert!(!supervisor.has_escalated());
}

#[test]
fn waiting_slot_starts_when_no_worker_serves() {
    let mut supervisor = two_ready(SupervisorOptions::new());
    for generation in 1..=3 {
        supervisor.ready(WorkerId::new(0, generation), ms(20));
        supervisor.exited(WorkerId::new(0, generation), ms(20));
        supervisor.tick(ms(20));
        if generation == 2 {
            let restart_deadline = supervisor.next_deadline().unwrap();
            supervisor.tick(restart_deadline);
        }
    }
    assert_eq!(actions(&mut supervisor), [start(0, 2), start(0, 3)]);
    // This slot waits. The other worker crashes and cannot be started again.
    for generation in 1..=7 {
        supervisor.exited(WorkerId::new(1, generation), ms(200));
    }
    assert_eq!(actions(&mut supervisor).last(), Some(&start(0, 4)));
}

#[test]
fn zero_slots_are_allowed() {
    let mut supervisor = Supervisor::new(0, SupervisorOptions::default(), ms(0));
    supervisor.tick(Duration::MAX);
    assert_eq!(supervisor.next_action(), None);
    assert_eq!(supervisor.next_deadline(), None);
}

#[test]
fn ready_within_max_means_no_limit() {
    let options = SupervisorOptions::new()
        .ready_within(Duration::MAX)
        .escalation(Escalation::Never);
    let mut supervisor = Supervisor::new(1, options, ms(1));
    assert_eq!(actions(&mut supervisor).len(), 1);
    assert_eq!(supervisor.next_deadline(), None);
    supervisor.tick(Duration::MAX);
    assert_eq!(actions(&mut supervisor), []);
}
