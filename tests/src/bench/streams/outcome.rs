//! The figures of channels and files, and what is wanted of them.

use std::fmt;

use serde_json::{Value, json};

use super::super::OURS;
use super::super::outcome::{Best, Outcome, Target, or_dash};
use super::super::queue::{CAPACITY, Rates, Setting};
use super::files::{Files, GZIP, NODE, PIGZ, Task, Turn};
use super::measure::floor_mib;
use super::{CHANNEL_ROUNDS, FILE_ROUNDS, SETTINGS, data};

const CHANNEL: &str = "async-channel";

type Key = (Task, &'static str);

pub(super) struct Streams {
    /// What was streamed, and by whom.
    about: String,
    mib_a_second: Best<Key>,
    /// The most of all rounds: here the worst is what counts.
    peak_mib: Best<Key>,
    shrunk: Best<Key>,
    /// How much more memory more data took, in MiB.
    grown_mib: Vec<(Task, f64)>,
    channels: Rates,
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            about: String::new(),
            mib_a_second: Best::highest(),
            peak_mib: Best::highest(),
            shrunk: Best::highest(),
            grown_mib: Vec::new(),
            channels: Rates::new(),
        }
    }
}

impl Streams {
    pub(super) fn describe(&mut self, files: &Files) -> anyhow::Result<()> {
        let node = files.node.iter().map(|version| format!("Node {version}, "));
        self.about = format!(
            "{}{} of {}; a program that does nothing counts {:.1} MiB",
            node.collect::<String>(),
            files.size,
            data::ABOUT,
            floor_mib()?,
        );
        Ok(())
    }

    pub(super) fn file(&mut self, task: Task, contestant: &'static str, turn: &Turn) {
        let key = (task, contestant);
        self.mib_a_second.add(key, turn.mib_a_second);
        self.peak_mib.add(key, turn.peak_mib);
        self.shrunk.add(key, turn.shrunk);
    }

    pub(super) fn flat(&mut self, task: Task, grown_mib: f64) {
        self.grown_mib.push((task, grown_mib));
    }

    pub(super) fn channel(&mut self, contestant: &'static str, setting: Setting, millions: f64) {
        self.channels.add(contestant, setting, millions);
    }
}

impl Outcome for Streams {
    fn figures(&self) -> Value {
        let files = self.mib_a_second.iter().map(|(key, mib_a_second)| {
            json!({
                "task": key.0.name(),
                "contestant": key.1,
                "mib_per_second": mib_a_second,
                "spread_percent": self.mib_a_second.spread(key),
                "peak_rss_mib": self.peak_mib.get(key),
                "times_smaller": self.shrunk.get(key),
            })
        });
        json!({
            "about": self.about,
            "rounds": { "files": FILE_ROUNDS, "channels": CHANNEL_ROUNDS },
            "files": files.collect::<Value>(),
            "channels": self.channels.json("million_items_per_second"),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for (task, least, most_mib) in [
            (Task::Upper, 3.0, 16.0),
            (Task::Copy, 3.0, 16.0),
            (Task::Gzip, 4.0, 48.0),
        ] {
            let name = task.name();
            for (peer, least) in [(NODE, least), (PIGZ, 1.0)] {
                let ratio = self.mib_a_second.ratio(&(task, OURS), &(task, peer));
                let text = format!("{name}: MiB a second against {peer}'s");
                targets.extend(ratio.map(|ratio| Target::at_least(text, least, ratio)));
            }
            let peak = self.peak_mib.get(&(task, OURS));
            let text = format!("{name}: peak memory, MiB");
            targets.extend(peak.map(|peak| Target::at_most(text, most_mib, peak)));
        }
        let size = self.shrunk.ratio(&(Task::Gzip, GZIP), &(Task::Gzip, OURS));
        let text = format!("gzip: size of the output against {GZIP}'s");
        targets.extend(size.map(|size| Target::at_most(text, 1.0, size)));
        for (task, grown) in &self.grown_mib {
            let text = format!("{}: memory that 8 times the data adds, MiB", task.name());
            targets.push(Target::at_most(text, 2.0, *grown));
        }
        for setting in SETTINGS {
            let ratio = self.channels.ratio(OURS, CHANNEL, setting);
            let text = format!(
                "channel, {}: items a second against {CHANNEL}'s",
                setting.name()
            );
            targets.extend(ratio.map(|ratio| Target::at_least(text, 1.0, ratio)));
        }
        targets
    }
}

impl fmt::Display for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.about.is_empty() {
            writeln!(f, "Best of {FILE_ROUNDS} rounds, in turn. {}\n", self.about)?;
            writeln!(
                f,
                "FILE   PROGRAM                MIB/S  SPREAD  RATE ÷ NODE  PEAK MIB  TIMES SMALLER"
            )?;
            let mut files: Vec<_> = self.mib_a_second.iter().collect();
            files.sort_by_key(|((task, _), _)| task.name());
            for (key, rate) in files {
                let (task, contestant) = key;
                writeln!(
                    f,
                    "{:<5}  {contestant:<21}  {rate:>5.0}  {:>4.0} %  {:>11}  {:>8.1}  {:>13}",
                    task.name(),
                    self.mib_a_second.spread(key).unwrap_or_default(),
                    or_dash(self.mib_a_second.ratio(key, &(*task, NODE))),
                    self.peak_mib.get(key).unwrap_or_default(),
                    or_dash(self.shrunk.get(key).filter(|_| *task == Task::Gzip)),
                )?;
            }
            writeln!(f)?;
        }
        if !self.channels.is_empty() {
            writeln!(
                f,
                "Best of {CHANNEL_ROUNDS} rounds, in turn; {CAPACITY} places, ours by bytes\n"
            )?;
            writeln!(
                f,
                "CHANNEL 1→1           CHANNEL         M ITEMS/S    SPREAD"
            )?;
            writeln!(f, "{}", self.channels)?;
        }
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        Ok(())
    }
}
