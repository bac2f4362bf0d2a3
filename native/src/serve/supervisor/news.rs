//! What a supervisor hears of its workers.

use super::{
    super::{
        control::{Order, Word},
        metrics::Metrics,
    },
    Shell,
    journal::log,
    process::{End, Event, Name, Process, Stage, Told},
};

impl Shell {
    /// Hears of a process; whether it is that it serves.
    pub(super) fn hear(&mut self, told: Told) -> bool {
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
            Event::Said(Word::Drains) => self.drains(
                name,
                "it had a bug",
                "finishes what it has, and another one takes over",
            ),
            Event::Said(Word::Leaves) => {
                self.drains(name, "a signal came", "ends, and another one takes over");
            }
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
    }

    /// A worker drains although nobody asked for it.
    fn drains(&mut self, name: Name, why: &str, what: &str) {
        let Some(process) = self.processes.get_mut(&name) else {
            return;
        };
        if process.stage != Stage::Drains {
            process.stage = Stage::Drains;
            log(format!("{}: {why}; it {what}", process.who));
            self.journal.of_why("draining", process.who, why);
        }
        self.last_end = why.into();
        self.machine.draining(name.0, name.1, self.start.elapsed());
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
        let is_expected = stage == Stage::Drains && end.is_in_peace();
        if !is_expected {
            let before = match stage {
                Stage::Starts => format!(" before it was ready ({})", program.display()),
                Stage::Serves | Stage::Drains => String::new(),
            };
            log(format!("{who} ended{before}, {end}"));
            self.last_end = format!("{who} ended{before}, {end}");
        }
        self.journal.of_why("exited", who, end.to_string());
        self.machine.exited(name.0, name.1, self.start.elapsed());
    }

    pub(super) fn answer_scrapes(&mut self) {
        for (asker, sum) in self.scrapes.complete(self.start.elapsed()) {
            if let Some(process) = self.processes.get(&asker) {
                process.order(Order::Scraped(sum.to_line()));
            }
        }
    }
}
