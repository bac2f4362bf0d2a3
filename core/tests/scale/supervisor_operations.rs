//! Scripted tests of reloads, scaling and shutdown.

use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn actions(supervisor: &mut Supervisor) -> Vec<Action> {
    std::iter::from_fn(|| supervisor.next_action()).collect()
}

fn start(slot: usize, generation: u64) -> Action {
    Action::Start(WorkerId::new(slot, generation))
}

fn drain(slot: usize, generation: u64) -> Action {
    Action::Drain(WorkerId::new(slot, generation))
}

fn kill(slot: usize, generation: u64) -> Action {
    Action::Kill(WorkerId::new(slot, generation))
}

fn aborted(slot: usize, generation: u64) -> Action {
    Action::ReloadAborted(WorkerId::new(slot, generation))
}

fn options() -> SupervisorOptions {
    SupervisorOptions::new()
        .ready_within(ms(2_000))
        .drain_within(ms(5_000))
        .stop_within(ms(3_000))
}

/// Returns a supervisor whose slots all have a ready worker.
fn all_ready(slots: usize) -> Supervisor {
    let mut supervisor = Supervisor::new(slots, options(), ms(0));
    assert_eq!(actions(&mut supervisor).len(), slots);
    for slot in 0..slots {
        supervisor.ready(WorkerId::new(slot, 1), ms(0));
    }
    supervisor
}

#[test]
fn reload_replaces_one_slot_at_a_time() {
    let mut supervisor = all_ready(3);
    supervisor.reload(ms(100));
    for slot in 0..3 {
        assert_eq!(actions(&mut supervisor), [start(slot, 2)]);
        assert_eq!(supervisor.ready_count(), 3);
        supervisor.ready(WorkerId::new(slot, 2), ms(110));
        assert_eq!(actions(&mut supervisor), [drain(slot, 1)]);
        assert_eq!(supervisor.ready_count(), 3);
        assert!(supervisor.is_reloading());
        supervisor.exited(WorkerId::new(slot, 1), ms(120));
    }
    assert_eq!(actions(&mut supervisor), [Action::Reloaded]);
    assert!(!supervisor.is_reloading());
    assert_eq!(
        (supervisor.restarts(), supervisor.next_deadline()),
        (0, None)
    );
}

#[test]
fn slow_drain_is_killed_and_reload_continues() {
    let mut supervisor = all_ready(2);
    supervisor.reload(ms(100));
    supervisor.ready(WorkerId::new(0, 2), ms(200));
    assert_eq!(actions(&mut supervisor), [start(0, 2), drain(0, 1)]);
    supervisor.tick(ms(5_199));
    assert_eq!(actions(&mut supervisor), []);
    supervisor.tick(ms(5_200));
    assert_eq!(actions(&mut supervisor), [kill(0, 1)]);
    supervisor.exited(WorkerId::new(0, 1), ms(5_201));
    assert_eq!(actions(&mut supervisor), [start(1, 2)]);
}

#[test]
fn failed_replacement_aborts_the_reload() {
    // The replacement exits, drains, or is not ready in time.
    for case in 0..3 {
        let mut supervisor = all_ready(3);
        supervisor.reload(ms(100));
        supervisor.ready(WorkerId::new(0, 2), ms(110));
        supervisor.exited(WorkerId::new(0, 1), ms(120));
        assert_eq!(
            actions(&mut supervisor),
            [start(0, 2), drain(0, 1), start(1, 2)]
        );
        match case {
            0 => supervisor.exited(WorkerId::new(1, 2), ms(130)),
            1 => {
                supervisor.retire(WorkerId::new(1, 2), ms(130));
                assert_eq!(supervisor.next_action(), Some(drain(1, 2)));
            }
            _ => {
                supervisor.tick(ms(2_120));
                assert_eq!(supervisor.next_action(), Some(kill(1, 2)));
            }
        }
        assert_eq!(actions(&mut supervisor), [aborted(1, 2)]);
        assert_eq!((supervisor.ready_count(), supervisor.restarts()), (3, 0));
        assert!(!supervisor.is_reloading());
        // The next reload starts over after the aborted one.
        supervisor.exited(WorkerId::new(1, 2), ms(2_200));
        supervisor.reload(ms(2_300));
        assert_eq!(actions(&mut supervisor), [start(0, 3)]);
    }
}

#[test]
fn failed_reloads_do_not_count_as_crashes() {
    let mut supervisor = all_ready(1);
    for generation in 2..100 {
        supervisor.reload(ms(100));
        supervisor.exited(WorkerId::new(0, generation), ms(100));
        assert_eq!(
            actions(&mut supervisor),
            [start(0, generation), aborted(0, generation)]
        );
    }
    assert!(supervisor.is_ready(0) && !supervisor.has_escalated());
}

#[test]
fn second_reload_runs_after_the_first() {
    let mut supervisor = all_ready(1);
    supervisor.reload(ms(100));
    supervisor.reload(ms(101));
    supervisor.reload(ms(102));
    supervisor.ready(WorkerId::new(0, 2), ms(110));
    supervisor.exited(WorkerId::new(0, 1), ms(120));
    assert_eq!(
        actions(&mut supervisor),
        [start(0, 2), drain(0, 1), Action::Reloaded, start(0, 3)]
    );
    supervisor.ready(WorkerId::new(0, 3), ms(130));
    supervisor.exited(WorkerId::new(0, 2), ms(140));
    assert_eq!(actions(&mut supervisor), [drain(0, 2), Action::Reloaded]);
    assert!(!supervisor.is_reloading());
}

#[test]
fn queued_reload_waits_for_the_killed_worker() {
    let mut supervisor = all_ready(1);
    supervisor.reload(ms(0));
    supervisor.reload(ms(1));
    supervisor.tick(ms(2_000));
    assert_eq!(
        actions(&mut supervisor),
        [start(0, 2), kill(0, 2), aborted(0, 2)]
    );
    assert!(supervisor.is_reloading());
    supervisor.exited(WorkerId::new(0, 2), ms(2_001));
    assert_eq!(actions(&mut supervisor), [start(0, 3)]);
}

#[test]
fn replacement_takes_over_after_crash_during_reload() {
    let mut supervisor = all_ready(2);
    supervisor.reload(ms(100));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    supervisor.exited(WorkerId::new(0, 1), ms(110));
    // The other slot waits until the new worker is ready.
    assert_eq!(actions(&mut supervisor), []);
    assert_eq!(supervisor.restarts(), 1);
    supervisor.ready(WorkerId::new(0, 2), ms(120));
    assert_eq!(actions(&mut supervisor), [start(1, 2)]);
    assert_eq!(supervisor.ready_count(), 2);
    // The old worker in the other slot has a bug, but is being replaced already.
    supervisor.retire(WorkerId::new(1, 1), ms(130));
    assert_eq!(actions(&mut supervisor), []);
    assert_eq!(supervisor.ready_count(), 2);
    supervisor.ready(WorkerId::new(1, 2), ms(140));
    assert_eq!(actions(&mut supervisor), [drain(1, 1)]);
    supervisor.exited(WorkerId::new(1, 1), ms(150));
    assert_eq!(actions(&mut supervisor), [Action::Reloaded]);
    assert_eq!(supervisor.ready_count(), 2);
}

#[test]
fn restart_during_reload_uses_the_new_program() {
    let mut supervisor = all_ready(2);
    supervisor.reload(ms(100));
    supervisor.exited(WorkerId::new(1, 1), ms(110));
    supervisor.ready(WorkerId::new(1, 2), ms(120));
    supervisor.ready(WorkerId::new(0, 2), ms(130));
    supervisor.exited(WorkerId::new(0, 1), ms(140));
    assert_eq!(
        actions(&mut supervisor),
        [start(0, 2), start(1, 2), drain(0, 1), Action::Reloaded]
    );
}

#[test]
fn reload_starts_waiting_slots() {
    let mut supervisor = all_ready(2);
    supervisor.exited(WorkerId::new(0, 1), ms(10));
    supervisor.ready(WorkerId::new(0, 2), ms(15));
    supervisor.exited(WorkerId::new(0, 2), ms(20));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    supervisor.reload(ms(21));
    assert_eq!(actions(&mut supervisor), [start(0, 3)]);
    supervisor.ready(WorkerId::new(0, 3), ms(30));
    assert_eq!(actions(&mut supervisor), [start(1, 2)]);
}

#[test]
fn reload_waits_for_a_killed_worker() {
    let mut supervisor = Supervisor::new(1, options().heartbeat_within(ms(500)), ms(0));
    supervisor.ready(WorkerId::new(0, 1), ms(0));
    supervisor.tick(ms(500));
    assert_eq!(actions(&mut supervisor), [start(0, 1), kill(0, 1)]);
    supervisor.reload(ms(510));
    assert_eq!(actions(&mut supervisor), []);
    assert!(supervisor.is_reloading());
    supervisor.exited(WorkerId::new(0, 1), ms(520));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    supervisor.ready(WorkerId::new(0, 2), ms(530));
    assert_eq!(actions(&mut supervisor), [Action::Reloaded]);
}

#[test]
fn crash_during_reload_does_not_complete_the_reload() {
    let mut supervisor = all_ready(1);
    supervisor.reload(ms(100));
    supervisor.exited(WorkerId::new(0, 1), ms(110));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    assert!(supervisor.is_reloading());
    // The new program fails to start.
    supervisor.exited(WorkerId::new(0, 2), ms(120));
    let aborted = Action::ReloadAborted(WorkerId::new(0, 2));
    assert_eq!(actions(&mut supervisor), [aborted, start(0, 3)]);
    assert!(!supervisor.is_reloading());
    supervisor.ready(WorkerId::new(0, 3), ms(130));
    assert_eq!(actions(&mut supervisor), []);
}

#[test]
fn slow_drains_delay_the_next_replacement() {
    let mut supervisor = all_ready(1);
    let mut now = ms(100);
    // Each worker has a bug as soon as it is ready, and none finishes draining.
    for generation in 1..=4 {
        supervisor.retire(WorkerId::new(0, generation), now);
        let at = supervisor.next_deadline().unwrap();
        if actions(&mut supervisor).is_empty() {
            now = at;
            supervisor.tick(now);
            assert_eq!(actions(&mut supervisor), [start(0, generation + 1)]);
        }
        supervisor.ready(WorkerId::new(0, generation + 1), now);
        assert_eq!(actions(&mut supervisor), [drain(0, generation)]);
    }
    supervisor.retire(WorkerId::new(0, 5), now);
    supervisor.tick(now + ms(1_000));
    assert_eq!(actions(&mut supervisor), [], "four workers are draining");
    assert!(supervisor.is_ready(0), "the worker still serves");
    supervisor.exited(WorkerId::new(0, 1), now + ms(1_000));
    supervisor.tick(now + ms(2_000));
    assert_eq!(actions(&mut supervisor), [start(0, 6)]);
}

#[test]
fn scaling_keeps_generations() {
    let mut supervisor = all_ready(1);
    supervisor.scale_to(3, ms(100));
    assert_eq!(actions(&mut supervisor), [start(1, 1), start(2, 1)]);
    supervisor.ready(WorkerId::new(1, 1), ms(110));
    supervisor.scale_to(1, ms(200));
    assert_eq!(actions(&mut supervisor), [drain(1, 1), drain(2, 1)]);
    supervisor.ready(WorkerId::new(2, 1), ms(201));
    assert_eq!((supervisor.slots(), supervisor.ready_count()), (1, 1));
    // The old workers have not exited yet.
    supervisor.scale_to(2, ms(300));
    assert_eq!(actions(&mut supervisor), [start(1, 2)]);
    supervisor.exited(WorkerId::new(1, 1), ms(310));
    supervisor.tick(ms(5_200));
    assert_eq!(actions(&mut supervisor), [kill(1, 2), kill(2, 1)]);
    assert_eq!(supervisor.restarts(), 0);
}

#[test]
fn removed_slot_drains_its_replacement() {
    let mut supervisor = all_ready(2);
    supervisor.scale_to(1, ms(50));
    supervisor.scale_to(2, ms(60));
    supervisor.ready(WorkerId::new(1, 2), ms(70));
    assert_eq!(actions(&mut supervisor), [drain(1, 1), start(1, 2)]);
    supervisor.reload(ms(100));
    supervisor.ready(WorkerId::new(0, 2), ms(110));
    supervisor.exited(WorkerId::new(0, 1), ms(120));
    assert_eq!(
        actions(&mut supervisor),
        [start(0, 2), drain(0, 1), start(1, 3)]
    );
    supervisor.scale_to(1, ms(130));
    assert_eq!(
        actions(&mut supervisor),
        [drain(1, 2), drain(1, 3), Action::Reloaded]
    );
}

#[test]
fn shutdown_drains_and_then_kills() {
    let mut supervisor = all_ready(3);
    supervisor.reload(ms(100));
    supervisor.exited(WorkerId::new(2, 1), ms(110));
    supervisor.ready(WorkerId::new(2, 2), ms(115));
    supervisor.exited(WorkerId::new(2, 2), ms(120));
    assert_eq!(actions(&mut supervisor), [start(0, 2), start(2, 2)]);
    supervisor.shutdown(ms(130));
    supervisor.shutdown(ms(140));
    assert_eq!(
        actions(&mut supervisor),
        [drain(0, 1), drain(0, 2), drain(1, 1)]
    );
    assert!(!supervisor.is_reloading());
    supervisor.exited(WorkerId::new(0, 1), ms(200));
    supervisor.exited(WorkerId::new(1, 1), ms(200));
    supervisor.tick(ms(3_130));
    assert_eq!(actions(&mut supervisor), [kill(0, 2)]);
    assert!(!supervisor.is_stopped());
    supervisor.exited(WorkerId::new(0, 2), ms(3_140));
    assert!(supervisor.is_stopped());
    assert_eq!(supervisor.next_deadline(), None);
}

#[test]
fn shutdown_limits_earlier_drains() {
    let options = options().drain_within(Duration::MAX);
    let mut supervisor = Supervisor::new(1, options, ms(0));
    supervisor.ready(WorkerId::new(0, 1), ms(5));
    supervisor.retire(WorkerId::new(0, 1), ms(10));
    supervisor.ready(WorkerId::new(0, 2), ms(20));
    supervisor.shutdown(ms(100));
    assert_eq!(
        actions(&mut supervisor),
        [start(0, 1), start(0, 2), drain(0, 1), drain(0, 2)]
    );
    supervisor.tick(ms(3_100));
    assert_eq!(actions(&mut supervisor), [kill(0, 1), kill(0, 2)]);
}

#[test]
fn zero_slots_reload_and_stop_at_once() {
    let mut supervisor = all_ready(0);
    supervisor.reload(ms(1));
    assert_eq!(actions(&mut supervisor), [Action::Reloaded]);
    supervisor.shutdown(ms(2));
    assert!(supervisor.is_stopped());
}

#[test]
fn reload_skips_a_retiring_worker() {
    let mut supervisor = all_ready(2);
    supervisor.reload(ms(100));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    supervisor.retire(WorkerId::new(1, 1), ms(110));
    assert_eq!(actions(&mut supervisor), [start(1, 2)]);
    supervisor.ready(WorkerId::new(1, 2), ms(120));
    supervisor.exited(WorkerId::new(1, 1), ms(130));
    supervisor.ready(WorkerId::new(0, 2), ms(140));
    supervisor.exited(WorkerId::new(0, 1), ms(150));
    assert_eq!(
        actions(&mut supervisor),
        [drain(1, 1), drain(0, 1), Action::Reloaded]
    );
}

#[test]
fn retiring_worker_survives_an_aborted_reload() {
    let mut supervisor = all_ready(1);
    supervisor.reload(ms(100));
    supervisor.retire(WorkerId::new(0, 1), ms(110));
    supervisor.exited(WorkerId::new(0, 2), ms(120));
    assert_eq!(
        actions(&mut supervisor),
        [start(0, 2), aborted(0, 2), start(0, 3)]
    );
    assert!(supervisor.is_ready(0));
    supervisor.ready(WorkerId::new(0, 3), ms(130));
    assert_eq!(actions(&mut supervisor), [drain(0, 1)]);
}

#[test]
fn scaling_down_drains_retiring_worker_and_replacement() {
    let mut supervisor = all_ready(2);
    supervisor.retire(WorkerId::new(1, 1), ms(100));
    supervisor.scale_to(1, ms(110));
    assert_eq!(
        actions(&mut supervisor),
        [start(1, 2), drain(1, 1), drain(1, 2)]
    );
    assert_eq!(supervisor.next_deadline(), Some(ms(5_110)));
}

#[test]
fn last_ready_worker_is_not_drained() {
    let mut supervisor = all_ready(2);
    supervisor.exited(WorkerId::new(0, 1), ms(100));
    supervisor.scale_to(1, ms(110));
    assert_eq!(actions(&mut supervisor), [start(0, 2)]);
    assert_eq!((supervisor.slots(), supervisor.ready_count()), (1, 1));
    supervisor.ready(WorkerId::new(0, 2), ms(120));
    assert_eq!(actions(&mut supervisor), [drain(1, 1)]);
    assert_eq!((supervisor.slots(), supervisor.ready_count()), (1, 1));
}
