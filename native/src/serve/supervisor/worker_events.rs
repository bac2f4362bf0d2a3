//! What a supervisor hears of its workers.

use super::{
    super::{
        control::{SupervisorMessage, WorkerMessage},
        metrics::{Metrics, Supervised},
    },
    SupervisorDriver,
    journal::log,
    process::{Exit, ProcessEvent, Stage, WorkerEvent, WorkerId, WorkerProcess},
    systemd,
};
use serde_json::json;

impl SupervisorDriver {
    /// Hears of a process; whether it is that it serves.
    pub(super) fn handle_event(&mut self, events: WorkerEvent) -> bool {
        self.detect_suspension();
        let WorkerEvent { id, event } = events;
        let now = self.start.elapsed();
        if let Some(process) = self.processes.get_mut(&id) {
            process.note_activity();
        }
        match event {
            ProcessEvent::Message(WorkerMessage::Ready) => {
                self.is_ready(id);
                self.supervisor.ready(id, now);
                return true;
            }
            ProcessEvent::Message(WorkerMessage::Version(version)) => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.version = Some(version);
                }
            }
            ProcessEvent::Message(WorkerMessage::Heartbeat) => self.supervisor.heartbeat(id, now),
            ProcessEvent::Message(WorkerMessage::HadBug) => self.retires(id, "it had a bug"),
            ProcessEvent::Message(WorkerMessage::GotSignal) => self.retires(id, "a signal came"),
            ProcessEvent::Message(WorkerMessage::Metrics(numbers)) => {
                if let Ok(metrics) = Metrics::from_line(&numbers) {
                    self.scrapes.record(id, metrics);
                    self.complete_scrapes();
                }
            }
            ProcessEvent::Message(WorkerMessage::Scrape) => {
                let asked = self.processes.keys().copied().collect();
                self.scrapes.begin(id, asked, now);
                for process in self.processes.values() {
                    process.send(SupervisorMessage::Metrics);
                }
            }
            ProcessEvent::Exited(end) => self.exited(id, &end),
        }
        false
    }

    fn is_ready(&mut self, id: WorkerId) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.stage == Stage::Starting {
            process.stage = Stage::Serving;
        }
        let version = process.version.as_deref();
        self.journal.ready(process.label, version);
        log(format!(
            "{} serves: {}, version {}",
            process.label,
            process.program.display(),
            version.unwrap_or("unknown")
        ));
        if self.failing.count() > 0 {
            process.send(SupervisorMessage::Failing(self.failing.line()));
        }
    }

    /// A worker asks to be replaced, perhaps again.
    fn retires(&mut self, id: WorkerId, why: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.stage != Stage::Draining && !process.is_retiring {
            process.is_retiring = true;
            let label = process.label;
            log(format!(
                "{label}: {why}; it serves until its replacement is ready"
            ));
            self.journal.worker_because("retiring", label, why);
        }
        self.supervisor.retire(id, self.start.elapsed());
    }

    fn exited(&mut self, id: WorkerId, end: &Exit) {
        self.scrapes.exited(id);
        self.complete_scrapes();
        let Some(WorkerProcess {
            label,
            program,
            stage,
            ..
        }) = self.processes.remove(&id)
        else {
            return;
        };
        self.journal
            .worker_because("exited", label, end.to_string());
        self.supervisor.exited(id, self.start.elapsed());
        match stage {
            // The supervisor gave up and ends all: the cause is what came before.
            _ if self.supervisor.has_escalated() => log(format!("{label} ended, {end}")),
            Stage::Starting => {
                let program = program.display();
                let what = format!("{label} ended before it was ready ({program}), {end}");
                self.failed_to_start(id.slot, what);
            }
            Stage::Draining if end.is_clean() => {}
            Stage::Serving | Stage::Draining => {
                self.last_exit = format!("{label} ended, {end}");
                log(&self.last_exit);
            }
        }
    }

    /// A start has come to nothing, which the supervisor knows already.
    pub(super) fn failed_to_start(&mut self, slot: usize, what: String) {
        let now = self.start.elapsed();
        self.last_exit = what;
        if !self.supervisor.is_failing(slot) {
            return log(&self.last_exit);
        }
        let before = self.failing.count();
        let Some(left_out) = self.failing.failed(slot, now) else {
            return;
        };
        let (ready, all) = (self.supervisor.ready_count(), self.supervisor.slots());
        let again = match left_out {
            0 => String::new(),
            left_out => format!(", as {left_out} more did since it was logged last"),
        };
        log(format!(
            "{}{again}; worker {} is started again after pauses of up to 10 s, {ready} of {all} \
             workers serve",
            self.last_exit,
            slot + 1
        ));
        if self.failing.count() > before {
            self.publish_failing();
        }
    }

    /// Forgets those that fail no more, or are wanted no more.
    pub(super) fn forget_recovered(&mut self) {
        let (supervisor, wanted) = (&self.supervisor, self.supervisor.slots());
        if self
            .failing
            .retain(|slot| slot < wanted && supervisor.is_failing(slot))
        {
            self.publish_failing();
        }
    }

    /// Tells everybody which workers fail to start.
    fn publish_failing(&self) {
        let workers = self.failing.numbers();
        self.journal.cluster("failing", json!({"workers": workers}));
        systemd::status(&self.status());
        for process in self.processes.values() {
            process.send(SupervisorMessage::Failing(self.failing.line()));
        }
    }

    pub(super) fn complete_scrapes(&mut self) {
        let supervised = Supervised {
            wanted: self.supervisor.slots() as u64,
            ready: self.supervisor.ready_count() as u64,
            failing: self.failing.count() as u64,
            restarts: self.supervisor.restarts(),
        };
        for (asker, mut sum) in self.scrapes.complete(self.start.elapsed()) {
            if let Some(process) = self.processes.get(&asker) {
                sum.supervised = Some(supervised);
                process.send(SupervisorMessage::Scraped(sum.to_line()));
            }
        }
    }
}
