//! Worker events: messages and exits.

use super::{
    super::{
        control::{SupervisorMessage, WorkerMessage},
        metrics::{Metrics, SupervisorMetrics},
    },
    SupervisorDriver,
    journal::log,
    process::{Exit, ProcessEvent, Stage, WorkerEvent, WorkerProcess},
    systemd,
};
use highwater::scale::WorkerId;
use serde_json::json;

impl SupervisorDriver {
    /// Handles an event. Returns true if a worker became ready.
    pub(super) fn handle_event(&mut self, event: WorkerEvent) -> bool {
        self.detect_suspension();
        let WorkerEvent { id, event } = event;
        if let Some(process) = self.processes.get_mut(&id) {
            process.restart_heartbeat_timeout();
        }
        match event {
            ProcessEvent::Message(message) => return self.handle_message(id, message),
            ProcessEvent::Exited(exit) => self.on_exit(id, &exit),
        }
        false
    }

    fn handle_message(&mut self, id: WorkerId, message: WorkerMessage) -> bool {
        let now = self.started_at.elapsed();
        match message {
            WorkerMessage::Ready => {
                self.on_ready(id);
                self.supervisor.ready(id, now);
                return true;
            }
            WorkerMessage::Version(version) => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.version = Some(version);
                }
            }
            WorkerMessage::Heartbeat => self.supervisor.heartbeat(id, now),
            WorkerMessage::HadBug => self.retire(id, "had a bug"),
            WorkerMessage::GotSignal => self.retire(id, "received a signal"),
            WorkerMessage::Metrics(line) => {
                if let Ok(metrics) = Metrics::from_line(&line) {
                    self.scrapes.record(id, metrics);
                    self.complete_scrapes();
                }
            }
            WorkerMessage::Scrape => {
                let workers = self.processes.keys().copied().collect();
                self.scrapes.begin(id, workers, now);
                for process in self.processes.values() {
                    process.send(SupervisorMessage::Metrics);
                }
            }
        }
        false
    }

    fn on_ready(&mut self, id: WorkerId) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.stage == Stage::Starting {
            process.stage = Stage::Serving;
        }
        let version = process.version.as_deref();
        self.journal.ready(process.label, version);
        log(format!(
            "{} is ready: {}, version {}",
            process.label,
            process.program.display(),
            version.unwrap_or("unknown")
        ));
        if self.failing.count() > 0 {
            process.send(SupervisorMessage::Failing(self.failing.worker_list()));
        }
    }

    /// Handles a worker's request to be replaced. Workers repeat the request.
    fn retire(&mut self, id: WorkerId, reason: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.stage != Stage::Draining && !process.is_retiring {
            process.is_retiring = true;
            let label = process.label;
            log(format!(
                "{label} {reason}; it serves until its replacement is ready"
            ));
            self.journal.worker_with_reason("retiring", label, reason);
        }
        self.supervisor.retire(id, self.started_at.elapsed());
    }

    fn on_exit(&mut self, id: WorkerId, exit: &Exit) {
        self.scrapes.exited(id);
        self.complete_scrapes();
        let Some(process) = self.processes.remove(&id) else {
            return;
        };
        let WorkerProcess { label, stage, .. } = process;
        let verb = if process.is_killed() {
            "exited"
        } else if exit.is_clean() {
            "exited unexpectedly"
        } else {
            "crashed"
        };
        self.journal
            .worker_with_reason("exited", label, &exit.to_string());
        self.supervisor.exited(id, self.started_at.elapsed());
        match stage {
            // The supervisor gave up and is shutting down. The cause has already been
            // logged.
            _ if self.supervisor.has_escalated() => log(format!("{label} exited: {exit}")),
            Stage::Starting => {
                let program = process.program.display();
                let failure = format!("{label} exited before it was ready: {exit} ({program})");
                self.on_start_failure(id.slot, failure);
            }
            Stage::Serving => {
                self.last_failure = format!("{label} {verb}: {exit}");
                // After a scale-down there may be no slot to fill.
                let next = if id.slot < self.supervisor.slots() {
                    "; it will be replaced"
                } else {
                    ""
                };
                log(format!("{}{next}", self.last_failure));
            }
            Stage::Draining if exit.is_clean() => {}
            Stage::Draining => {
                self.last_failure = format!("{label} {verb} while draining: {exit}");
                log(&self.last_failure);
            }
        }
    }

    /// Records and logs a failed start. The supervisor has already been notified.
    pub(super) fn on_start_failure(&mut self, slot: usize, failure: String) {
        let now = self.started_at.elapsed();
        self.last_failure = failure;
        if !self.supervisor.is_failing(slot) {
            return log(&self.last_failure);
        }
        let before = self.failing.count();
        let Some(suppressed) = self.failing.record_failure(slot, now) else {
            return;
        };
        let (ready, total) = (self.supervisor.ready_count(), self.supervisor.slots());
        let suppressed_note = match suppressed {
            0 => String::new(),
            count => format!(" ({count} more failures since the last log line)"),
        };
        log(format!(
            "{}{suppressed_note}; retrying worker {} with delays of up to 10 s, {ready} of {total} \
             workers ready",
            self.last_failure,
            slot + 1
        ));
        if self.failing.count() > before {
            self.publish_failing();
        }
    }

    /// Forgets failing slots that have recovered or were removed.
    pub(super) fn forget_recovered(&mut self) {
        let (supervisor, slots) = (&self.supervisor, self.supervisor.slots());
        if self
            .failing
            .retain(|slot| slot < slots && supervisor.is_failing(slot))
        {
            self.publish_failing();
        }
    }

    /// Reports the failing workers to the journal, the service manager and all workers.
    fn publish_failing(&self) {
        let workers = self.failing.worker_numbers();
        self.journal.cluster("failing", json!({"workers": workers}));
        systemd::status(&self.status());
        for process in self.processes.values() {
            process.send(SupervisorMessage::Failing(self.failing.worker_list()));
        }
    }

    /// Replies to the scrapes that are complete or have timed out.
    pub(super) fn complete_scrapes(&mut self) {
        let supervisor_metrics = SupervisorMetrics {
            configured: self.supervisor.slots() as u64,
            ready: self.supervisor.ready_count() as u64,
            failing: self.failing.count() as u64,
            restarts: self.supervisor.restarts(),
        };
        for (requester, mut sum) in self.scrapes.take_complete(self.started_at.elapsed()) {
            if let Some(process) = self.processes.get(&requester) {
                sum.supervisor = Some(supervisor_metrics);
                process.send(SupervisorMessage::Scraped(sum.to_line()));
            }
        }
    }
}
