//! Results and targets of the stream comparison.

use std::fmt;

use serde_json::{Value, json};

use super::super::outcome::{Outcome, Target, or_dash};
use super::super::queue::{CAPACITY, Rates, Setting};
use super::super::rounds::{BestResults, HIGHWATER};
use super::channels::SETTINGS;
use super::data;
use super::files::{FileResult, Files, GZIP, NODE, PIGZ, Task};
use super::measure::baseline_mib;

pub(super) const CHANNEL_ROUNDS: usize = 7;
/// Fewer rounds than for channels, since each run takes seconds and averages out noise.
pub(super) const FILE_ROUNDS: usize = 3;

const CHANNEL: &str = "async-channel";

/// Printed with the results, because syncing to disk takes time.
const SYNC_NOTE: &str = "highwater and the Node script sync their output to disk before they exit; gzip and pigz do not.";

type Key = (Task, &'static str);

pub(super) struct StreamsOutcome {
    /// A description of the data and the peers.
    about: String,
    mib_per_second: BestResults<Key>,
    /// The highest of all rounds, since the worst case matters for memory.
    peak_mib: BestResults<Key>,
    compression: BestResults<Key>,
    /// Additional peak memory for a larger input, in MiB.
    growth_mib: Vec<(Task, f64)>,
    channels: Rates,
}

impl Default for StreamsOutcome {
    fn default() -> Self {
        StreamsOutcome {
            about: String::new(),
            mib_per_second: BestResults::highest(),
            peak_mib: BestResults::highest(),
            compression: BestResults::highest(),
            growth_mib: Vec::new(),
            channels: Rates::new(),
        }
    }
}

impl StreamsOutcome {
    pub(super) fn describe(&mut self, files: &Files) -> anyhow::Result<()> {
        let node = files.node.iter().map(|version| format!("Node {version}, "));
        self.about = format!(
            "{}{} of {}; a program that does nothing counts as {:.1} MiB",
            node.collect::<String>(),
            files.size,
            data::DATA_DESCRIPTION,
            baseline_mib()?,
        );
        Ok(())
    }

    pub(super) fn file(&mut self, task: Task, contestant: &'static str, result: &FileResult) {
        let key = (task, contestant);
        self.mib_per_second.add(key, result.mib_per_second);
        self.peak_mib.add(key, result.peak_mib);
        self.compression.add(key, result.compression);
    }

    pub(super) fn memory_growth(&mut self, task: Task, growth_mib: f64) {
        self.growth_mib.push((task, growth_mib));
    }

    pub(super) fn channel(&mut self, contestant: &'static str, setting: Setting, millions: f64) {
        self.channels.add(contestant, setting, millions);
    }
}

impl Outcome for StreamsOutcome {
    fn figures(&self) -> Value {
        let files = self.mib_per_second.iter().map(|(key, mib_per_second)| {
            json!({
                "task": key.0.name(),
                "contestant": key.1,
                "mib_per_second": mib_per_second,
                "spread_percent": self.mib_per_second.spread(key),
                "peak_rss_mib": self.peak_mib.get(key),
                "times_smaller": self.compression.get(key),
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
        for (task, least, max_mib) in [
            (Task::Upper, 3.0, 16.0),
            (Task::Copy, 3.0, 16.0),
            (Task::Gzip, 4.0, 48.0),
        ] {
            let name = task.name();
            for (peer, least) in [(NODE, least), (PIGZ, 1.0)] {
                let ratio = self.mib_per_second.ratio(&(task, HIGHWATER), &(task, peer));
                let text = format!("{name}: rate vs {peer}");
                targets.extend(ratio.map(|ratio| Target::at_least(text, least, ratio)));
            }
            let peak = self.peak_mib.get(&(task, HIGHWATER));
            let text = format!("{name}: peak memory, MiB");
            targets.extend(peak.map(|peak| Target::at_most(text, max_mib, peak)));
        }
        let size = self
            .compression
            .ratio(&(Task::Gzip, GZIP), &(Task::Gzip, HIGHWATER));
        let text = format!("gzip: output size vs {GZIP}");
        targets.extend(size.map(|size| Target::at_most(text, 1.0, size)));
        for (task, growth) in &self.growth_mib {
            let text = format!(
                "{}: additional memory for 8 times the input, MiB",
                task.name()
            );
            targets.push(Target::at_most(text, 2.0, *growth));
        }
        for setting in SETTINGS {
            let ratio = self.channels.ratio(HIGHWATER, CHANNEL, setting);
            let text = format!("channel, {}: item rate vs {CHANNEL}", setting.name());
            targets.extend(ratio.map(|ratio| Target::at_least(text, 1.0, ratio)));
        }
        targets
    }
}

impl fmt::Display for StreamsOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.about.is_empty() {
            writeln!(
                f,
                "Best of {FILE_ROUNDS} rounds. {}.\n{SYNC_NOTE}\n",
                self.about
            )?;
            writeln!(
                f,
                "FILE   PROGRAM                MIB/S  SPREAD  RATE ÷ NODE  PEAK MIB    COMPRESSION"
            )?;
            let mut files: Vec<_> = self.mib_per_second.iter().collect();
            files.sort_by_key(|((task, _), _)| task.name());
            for (key, rate) in files {
                let (task, contestant) = key;
                writeln!(
                    f,
                    "{:<5}  {contestant:<21}  {rate:>5.0}  {:>4.0} %  {:>11}  {:>8.1}  {:>13}",
                    task.name(),
                    self.mib_per_second.spread(key).unwrap_or_default(),
                    or_dash(self.mib_per_second.ratio(key, &(*task, NODE))),
                    self.peak_mib.get(key).unwrap_or_default(),
                    or_dash(self.compression.get(key).filter(|_| *task == Task::Gzip)),
                )?;
            }
            writeln!(f)?;
        }
        if !self.channels.is_empty() {
            writeln!(
                f,
                "Best of {CHANNEL_ROUNDS} rounds, capacity {CAPACITY}; highwater is bounded by bytes\n"
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
