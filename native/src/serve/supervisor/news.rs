//! What a supervisor hears of its workers.

use super::{
    super::{
        control::{Order, Word},
        metrics::{Metrics, Supervised},
    },
    Shell,
    journal::log,
    process::{End, Event, Name, Process, Stage, Told},
    systemd,
};
use serde_json::json;

impl Shell {
    /// Hears of a process; whether it is that it serves.
    pub(super) fn hear(&mut self, told: Told) -> bool {
        self.look_whether_held_up();
        let Told { name, event } = told;
        let (slot, generation) = name;
        let now = self.start.elapsed();
        if let Some(process) = self.processes.get_mut(&name) {
            process.is_heard();
        }
        match event {
            Event::Said(Word::Ready) => {
                self.is_ready(name);
                self.machine.ready(slot, generation, now);
                return true;
            }
            Event::Said(Word::Version(version)) => {
                if let Some(process) = self.processes.get_mut(&name) {
                    process.version = Some(version);
                }
            }
            Event::Said(Word::Beat) => self.machine.heartbeat(slot, generation, now),
            Event::Said(Word::HadBug) => self.retires(name, "it had a bug"),
            Event::Said(Word::GotSignal) => self.retires(name, "a signal came"),
            Event::Said(Word::Metrics(numbers)) => {
                if let Ok(metrics) = Metrics::from_line(&numbers) {
                    self.scrapes.told(name, metrics);
                    self.answer_scrapes();
                }
            }
            Event::Said(Word::Scrape) => {
                let asked = self.processes.keys().copied().collect();
                self.scrapes.begin(name, asked, now);
                for process in self.processes.values() {
                    process.order(Order::Metrics);
                }
            }
            Event::Exited(end) => self.exited(name, &end),
        }
        false
    }

    fn is_ready(&mut self, name: Name) {
        let Some(process) = self.processes.get_mut(&name) else {
            return;
        };
        if process.stage == Stage::Starts {
            process.stage = Stage::Serves;
        }
        let version = process.version.as_deref();
        self.journal.ready(process.who, version);
        log(format!(
            "{} serves: {}, version {}",
            process.who,
            process.program.display(),
            version.unwrap_or("unknown")
        ));
        if self.failing.count() > 0 {
            process.order(Order::Failing(self.failing.line()));
        }
    }

    /// A worker asks to be replaced, perhaps again.
    fn retires(&mut self, name: Name, why: &str) {
        let Some(process) = self.processes.get_mut(&name) else {
            return;
        };
        if process.stage != Stage::Drains && !process.is_retiring {
            process.is_retiring = true;
            let who = process.who;
            log(format!(
                "{who}: {why}; it serves until its replacement is ready"
            ));
            self.journal.of_why("retiring", who, why);
        }
        self.machine.retire(name.0, name.1, self.start.elapsed());
    }

    fn exited(&mut self, name: Name, end: &End) {
        self.scrapes.ended(name);
        self.answer_scrapes();
        let Some(Process {
            who,
            program,
            stage,
            ..
        }) = self.processes.remove(&name)
        else {
            return;
        };
        self.journal.of_why("exited", who, end.to_string());
        self.machine.exited(name.0, name.1, self.start.elapsed());
        match stage {
            // The supervisor gave up and ends all: the cause is what came before.
            _ if self.machine.has_escalated() => log(format!("{who} ended, {end}")),
            Stage::Starts => {
                let program = program.display();
                let what = format!("{who} ended before it was ready ({program}), {end}");
                self.failed_to_start(name.0, what);
            }
            Stage::Drains if end.is_in_peace() => {}
            Stage::Serves | Stage::Drains => {
                self.last_end = format!("{who} ended, {end}");
                log(&self.last_end);
            }
        }
    }

    /// A start has come to nothing, which the machine knows already.
    pub(super) fn failed_to_start(&mut self, slot: usize, what: String) {
        let now = self.start.elapsed();
        self.last_end = what;
        if !self.machine.is_failing(slot) {
            return log(&self.last_end);
        }
        let before = self.failing.count();
        let Some(left_out) = self.failing.failed(slot, now) else {
            return;
        };
        let (ready, all) = (self.machine.ready_count(), self.machine.slots());
        let again = match left_out {
            0 => String::new(),
            left_out => format!(", as {left_out} more did since it was logged last"),
        };
        log(format!(
            "{}{again}; worker {} is started again after pauses of up to 10 s, {ready} of {all} \
             workers serve",
            self.last_end,
            slot + 1
        ));
        if self.failing.count() > before {
            self.tell_failing();
        }
    }

    /// Forgets those that fail no more, or are wanted no more.
    pub(super) fn note_recovered(&mut self) {
        let (machine, wanted) = (&self.machine, self.machine.slots());
        if self
            .failing
            .retain(|slot| slot < wanted && machine.is_failing(slot))
        {
            self.tell_failing();
        }
    }

    /// Tells everybody which workers fail to start.
    fn tell_failing(&self) {
        let workers = self.failing.numbers();
        self.journal.of_all("failing", json!({"workers": workers}));
        systemd::status(&self.status());
        for process in self.processes.values() {
            process.order(Order::Failing(self.failing.line()));
        }
    }

    pub(super) fn answer_scrapes(&mut self) {
        let supervised = Supervised {
            wanted: self.machine.slots() as u64,
            ready: self.machine.ready_count() as u64,
            failing: self.failing.count() as u64,
            restarts: self.machine.restarts(),
        };
        for (asker, mut sum) in self.scrapes.complete(self.start.elapsed()) {
            if let Some(process) = self.processes.get(&asker) {
                sum.supervised = Some(supervised);
                process.order(Order::Scraped(sum.to_line()));
            }
        }
    }
}
