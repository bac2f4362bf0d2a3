//! What a supervisor does because somebody asked for it.

use super::{Shell, journal::log, signals::Wish, systemd};
use crate::cli::MAX_WORKERS;
use serde_json::json;
use std::cmp::Ordering;

impl Shell {
    /// Does what a signal asks for.
    pub(super) fn grant(&mut self, wish: Wish) {
        self.look_whether_held_up();
        match wish {
            Wish::Stop(_) => self.stop(),
            Wish::Reload => self.reload(),
            Wish::More => self.scale_to(self.machine.slots() + 1),
            Wish::Fewer => self.scale_to(self.machine.slots() - 1),
        }
    }

    fn stop(&mut self) {
        if self.machine.has_escalated() {
            // It ends already.
            return;
        }
        log(
            "asked to end: no more connections are accepted; a second signal cuts off what is \
             under way",
        );
        self.journal.of_all("stopping", json!({}));
        systemd::stopping();
        self.end();
        self.machine.shutdown(self.start.elapsed());
    }

    fn reload(&mut self) {
        if self.is_ending {
            return log("reload: not now, it ends");
        }
        if let Err(cause) = self.recipe.program.find() {
            log(format!("reload aborted: {cause}; all workers keep serving"));
            let why = json!({"why": cause.to_string()});
            self.journal.of_all("reload_aborted", why);
            // A service manager that asked for it waits for both.
            systemd::reloading();
            if !self.machine.is_reloading() {
                systemd::ready(&self.status());
            }
            return;
        }
        if self.machine.is_reloading() {
            log("reload: one is under way, and another one follows it");
        } else {
            log("reload: all workers are replaced, one after the other");
        }
        self.journal.of_all("reloading", json!({}));
        systemd::reloading();
        self.machine.reload(self.start.elapsed());
    }

    fn scale_to(&mut self, workers: usize) {
        let before = self.machine.slots();
        if self.is_ending {
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
        self.journal.of_all("scaled", json!({"workers": workers}));
        self.machine.scale_to(workers, self.start.elapsed());
        systemd::status(&self.status());
    }

    pub(super) fn reloaded(&mut self) {
        log("reload: done");
        self.journal.of_all("reloaded", json!({}));
        if !self.machine.is_reloading() {
            systemd::ready(&self.status());
        }
    }

    pub(super) fn reload_aborted(&mut self, slot: usize) {
        let who = self.in_slot(slot);
        let next = who.map_or_else(
            || "another one is started".to_owned(),
            |who| format!("{who} and all others keep serving"),
        );
        log(format!(
            "reload aborted: the replacement for worker {} never became ready; {next}",
            slot + 1
        ));
        self.journal
            .of_all("reload_aborted", json!({"worker": slot + 1}));
        if !self.machine.is_reloading() {
            systemd::ready(&self.status());
        }
    }
}
