//! Supervisor commands, which are sent as signals.

use super::{SupervisorDriver, journal::log, systemd};
use crate::{cli::MAX_WORKERS, interrupt::Signal};
use serde_json::json;

/// A command to the supervisor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SupervisorCommand {
    /// Shut down.
    Stop(Signal),
    /// Replace all workers.
    Reload,
    /// Add one worker.
    AddWorker,
    /// Remove one worker.
    RemoveWorker,
}

impl SupervisorDriver {
    /// Executes a command.
    pub(super) fn handle_command(&mut self, command: SupervisorCommand) {
        self.detect_suspension();
        match command {
            SupervisorCommand::Stop(_) => self.stop(),
            SupervisorCommand::Reload => self.reload(),
            SupervisorCommand::AddWorker => self.scale_to(self.supervisor.slots() + 1),
            SupervisorCommand::RemoveWorker => self.scale_to(self.supervisor.slots() - 1),
        }
    }

    fn stop(&mut self) {
        if self.supervisor.has_escalated() {
            // The supervisor is already shutting down.
            return;
        }
        log(
            "shutting down: no new connections are accepted; a second signal aborts open \
             requests",
        );
        self.journal.cluster("stopping", json!({}));
        systemd::stopping();
        self.begin_shutdown();
        self.supervisor.shutdown(self.started_at.elapsed());
    }

    fn reload(&mut self) {
        if self.is_shutting_down {
            return log("reload ignored: the server is shutting down");
        }
        if let Err(cause) = self.spec.program.resolve() {
            log(format!("reload aborted: {cause}; all workers keep serving"));
            let fields = json!({"why": cause.to_string()});
            self.journal.cluster("reload_aborted", fields);
            // A service manager that requested the reload waits for both notifications.
            systemd::reloading();
            if !self.supervisor.is_reloading() {
                systemd::ready(&self.status());
            }
            return;
        }
        if self.supervisor.is_reloading() {
            log("reload queued: it starts after the current one");
        } else {
            log("reload started: workers are replaced one at a time");
        }
        self.journal.cluster("reloading", json!({}));
        systemd::reloading();
        self.supervisor.reload(self.started_at.elapsed());
    }

    fn scale_to(&mut self, workers: usize) {
        let current = self.supervisor.slots();
        if self.is_shutting_down {
            return log("scaling ignored: the server is shutting down");
        }
        if !(1..=usize::from(MAX_WORKERS)).contains(&workers) {
            return log(format!(
                "scaling ignored: the number of workers stays {current}, because it must be 1 to 1,024"
            ));
        }
        let direction = if workers < current { "down" } else { "up" };
        let noun = if workers == 1 { "worker" } else { "workers" };
        log(format!("scaling {direction} to {workers} {noun}"));
        self.journal.cluster("scaled", json!({"workers": workers}));
        self.supervisor.scale_to(workers, self.started_at.elapsed());
        systemd::status(&self.status());
    }

    /// Reports a completed reload.
    pub(super) fn on_reloaded(&mut self) {
        log("reload complete");
        self.journal.cluster("reloaded", json!({}));
        if !self.supervisor.is_reloading() {
            systemd::ready(&self.status());
        }
    }

    /// Reports a reload that was aborted because the replacement in this slot failed.
    pub(super) fn on_reload_aborted(&mut self, slot: usize) {
        let serving_worker = self.serving_worker(slot);
        let next = serving_worker.map_or_else(
            || "its start is retried".to_owned(),
            |label| format!("{label} and all others keep serving"),
        );
        log(format!(
            "reload aborted: the replacement for worker {} never became ready; {next}",
            slot + 1
        ));
        self.journal
            .cluster("reload_aborted", json!({"worker": slot + 1}));
        if !self.supervisor.is_reloading() {
            systemd::ready(&self.status());
        }
    }
}
