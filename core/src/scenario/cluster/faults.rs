//! The event that the parameter `event` sets: a fault or a reload.

use super::worker::HANG;
use crate::{
    scale::{Supervisor, WorkerId},
    scenario::{
        Values,
        supervised_cluster::{RELOADED, SupervisedCluster},
    },
};
use std::{cell::Cell, rc::Rc};

/// The supervisor's state in the trace from the start of a reload.
pub(super) const RELOADING: &str = "reloading";

/// The state of a hanging worker until its supervisor detects the hang.
pub(super) const HANGING: &str = "hanging";

/// The exit cause of a worker stopped by a reload that stops all workers first.
pub(super) const STOPPED: &str = "stopped";

/// Injects the event, and completes a reload that stops all workers first.
pub(super) struct Faults {
    params: Values,
    slots: usize,
    /// `true` once new workers crash on start.
    is_broken: Rc<Cell<bool>>,
    restart: Restart,
    hanging: Option<WorkerId>,
}

/// The progress of a reload that stops all workers first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restart {
    None,
    /// All workers stop. New ones start after the last exit.
    Stopping,
    /// New workers start. The reload completes when all are ready.
    Starting,
}

impl Faults {
    pub(super) fn new(params: &Values, is_broken: Rc<Cell<bool>>) -> Self {
        Faults {
            params: params.clone(),
            slots: usize::try_from(params.integer("workers")).unwrap_or(0),
            is_broken,
            restart: Restart::None,
            hanging: None,
        }
    }

    /// Triggers the event.
    pub(super) fn inject(&mut self, cluster: &mut SupervisedCluster) {
        let event = self.params.choice("event");
        self.is_broken
            .set(matches!(event, "crash_loop" | "bad_reload"));
        let ready = cluster.workers.iter_ready();
        let busiest = ready.max_by_key(|worker| worker.in_flight);
        match (event, busiest) {
            ("kill" | "crash_loop", Some(worker)) => worker.kill_from_outside(),
            ("hang", Some(worker)) => {
                self.hanging = Some(worker.id);
                cluster.workers.record_state(worker.id, HANGING);
                worker.send(HANG);
            }
            ("reload" | "bad_reload", _) => self.reload(cluster),
            _ => {}
        }
    }

    /// Continues a reload after an event of the cluster.
    pub(super) fn advance(&mut self, cluster: &mut SupervisedCluster) {
        let slots = self.slots;
        match self.restart {
            Restart::Stopping if cluster.workers.is_empty() => {
                self.restart = Restart::Starting;
                cluster.options.kill_cause = None;
                cluster.report(|supervisor, now| supervisor.scale_to(slots, now));
            }
            Restart::Starting if cluster.workers.iter_ready().count() == slots => {
                self.restart = Restart::None;
                cluster.queues_requests = true;
                cluster.record_state(RELOADED);
            }
            _ => {}
        }
    }

    /// Returns whether the event is still to have an effect.
    pub(super) fn is_active(&self, cluster: &SupervisedCluster) -> bool {
        let is_running = |worker| cluster.workers.get(worker).is_some();
        self.restart == Restart::Stopping || self.hanging.is_some_and(is_running)
    }

    fn reload(&mut self, cluster: &mut SupervisedCluster) {
        cluster.record_state(RELOADING);
        if self.params.choice("restart") == "rolling" {
            cluster.report(Supervisor::reload);
        } else {
            self.restart = Restart::Stopping;
            cluster.options.kill_cause = Some(STOPPED);
            cluster.queues_requests = false;
            cluster.report(|supervisor, now| supervisor.scale_to(0, now));
        }
    }
}
