//! What a supervisor does because somebody asked for it.

use super::{SupervisorDriver, journal::log, systemd};
use crate::{cli::MAX_WORKERS, interrupt::Signal};
use serde_json::json;
use std::cmp::Ordering;

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// To end.
    Stop(Signal),
    /// All workers anew.
    Reload,
    /// One worker more.
    More,
    /// One worker fewer.
    Fewer,
}

impl SupervisorDriver {
    /// Does what a signal asks for.
    pub(super) fn handle_command(&mut self, command: Command) {
        self.detect_suspension();
        match command {
            Command::Stop(_) => self.stop(),
            Command::Reload => self.reload(),
            Command::More => self.scale_to(self.supervisor.slots() + 1),
            Command::Fewer => self.scale_to(self.supervisor.slots() - 1),
        }
    }

    fn stop(&mut self) {
        if self.supervisor.has_escalated() {
            // It ends already.
            return;
        }
        log(
            "asked to end: no more connections are accepted; a second signal cuts off what is \
             under way",
        );
        self.journal.cluster("stopping", json!({}));
        systemd::stopping();
        self.end();
        self.supervisor.shutdown(self.start.elapsed());
    }

    fn reload(&mut self) {
        if self.is_shutting_down {
            return log("reload: not now, it ends");
        }
        if let Err(cause) = self.spec.program.find() {
            log(format!("reload aborted: {cause}; all workers keep serving"));
            let why = json!({"why": cause.to_string()});
            self.journal.cluster("reload_aborted", why);
            // A service manager that asked for it waits for both.
            systemd::reloading();
            if !self.supervisor.is_reloading() {
                systemd::ready(&self.status());
            }
            return;
        }
        if self.supervisor.is_reloading() {
            log("reload: one is under way, and another one follows it");
        } else {
            log("reload: all workers are replaced, one after the other");
        }
        self.journal.cluster("reloading", json!({}));
        systemd::reloading();
        self.supervisor.reload(self.start.elapsed());
    }

    fn scale_to(&mut self, workers: usize) {
        let before = self.supervisor.slots();
        if self.is_shutting_down {
            return log("no more and no fewer workers: it ends");
        }
        if !(1..=usize::from(MAX_WORKERS)).contains(&workers) {
            let so_many = match before {
                1 => "1 worker".to_owned(),
                several => format!("{several} workers"),
            };
            return log(format!(
                "no change, {so_many} as before: there can be 1 to 1,024"
            ));
        }
        let change = match workers.cmp(&before) {
            Ordering::Less => "one fewer",
            _ => "one more",
        };
        log(format!("{change}: {workers} of them from now on"));
        self.journal.cluster("scaled", json!({"workers": workers}));
        self.supervisor.scale_to(workers, self.start.elapsed());
        systemd::status(&self.status());
    }

    pub(super) fn reloaded(&mut self) {
        log("reload: done");
        self.journal.cluster("reloaded", json!({}));
        if !self.supervisor.is_reloading() {
            systemd::ready(&self.status());
        }
    }

    pub(super) fn reload_aborted(&mut self, slot: usize) {
        let label = self.serving_in_slot(slot);
        let next = label.map_or_else(
            || "another one is started".to_owned(),
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
