//! Events of worker processes: their messages and their exits.

use super::{
    super::{
        control::{SupervisorMessage, WorkerMessage},
        metrics::{Metrics, Supervised},
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
            process.note_activity();
        }
        match event {
            ProcessEvent::Message(message) => return self.handle_message(id, message),
            ProcessEvent::Exited(exit) => self.on_exit(id, &exit),
        }
        false
    }

    fn handle_message(&mut self, id: WorkerId, message: WorkerMessage) -> bool {
        let now = self.start.elapsed();
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
            process.send(SupervisorMessage::Failing(self.failing.line()));
        }
    }

    /// Handles a request to be replaced, which workers repeat.
    fn retire(&mut self, id: WorkerId, why: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.stage != Stage::Draining && !process.is_retiring {
            process.is_retiring = true;
            let label = process.label;
            log(format!(
                "{label} {why}; it serves until its replacement is ready"
            ));
            self.journal.worker_because("retiring", label, why);
        }
        self.supervisor.retire(id, self.start.elapsed());
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
            .worker_because("exited", label, &exit.to_string());
        self.supervisor.exited(id, self.start.elapsed());
        match stage {
            // The supervisor gave up and kills all workers; the cause came before.
            _ if self.supervisor.has_escalated() => log(format!("{label} exited: {exit}")),
            Stage::Starting => {
                let program = process.program.display();
                let failure = format!("{label} exited before it was ready: {exit} ({program})");
                self.on_start_failure(id.slot, failure);
            }
            Stage::Serving => {
                self.last_failure = format!("{label} {verb}: {exit}");
                log(format!("{}; replacement starting", self.last_failure));
            }
            Stage::Draining if exit.is_clean() => {}
            Stage::Draining => {
                self.last_failure = format!("{label} {verb} while draining: {exit}");
                log(&self.last_failure);
            }
        }
    }

    /// Records and logs a failed start. The supervisor has been notified already.
    pub(super) fn on_start_failure(&mut self, slot: usize, failure: String) {
        let now = self.start.elapsed();
        self.last_failure = failure;
        if !self.supervisor.is_failing(slot) {
            return log(&self.last_failure);
        }
        let before = self.failing.count();
        let Some(suppressed) = self.failing.record_failure(slot, now) else {
            return;
        };
        let (ready, all) = (self.supervisor.ready_count(), self.supervisor.slots());
        let more = match suppressed {
            0 => String::new(),
            count => format!(" ({count} more failures since the last line)"),
        };
        log(format!(
            "{}{more}; worker {} is restarted after pauses of up to 10 s, {ready} of {all} \
             workers ready",
            self.last_failure,
            slot + 1
        ));
        if self.failing.count() > before {
            self.publish_failing();
        }
    }

    /// Removes slots from the failing ones that have recovered or were removed.
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
        let workers = self.failing.numbers();
        self.journal.cluster("failing", json!({"workers": workers}));
        systemd::status(&self.status());
        for process in self.processes.values() {
            process.send(SupervisorMessage::Failing(self.failing.line()));
        }
    }

    /// Replies to the scrapes that are complete or have timed out.
    pub(super) fn complete_scrapes(&mut self) {
        let supervised = Supervised {
            wanted: self.supervisor.slots() as u64,
            ready: self.supervisor.ready_count() as u64,
            failing: self.failing.count() as u64,
            restarts: self.supervisor.restarts(),
        };
        for (requester, mut sum) in self.scrapes.complete(self.start.elapsed()) {
            if let Some(process) = self.processes.get(&requester) {
                sum.supervised = Some(supervised);
                process.send(SupervisorMessage::Scraped(sum.to_line()));
            }
        }
    }
}
