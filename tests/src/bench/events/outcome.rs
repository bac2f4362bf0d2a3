//! Results and targets of the event comparison.

use std::fmt;

use serde_json::{Value, json};

use super::super::outcome::{Outcome, Target, or_dash};
use super::super::queue::{Rates, Setting};
use super::super::rounds::{BestResults, HIGHWATER};
use super::inboxes;

pub(super) const ROUNDS: usize = 7;

/// The handle for loops that emit continuously. The targets apply to it.
pub(super) const HIGHWATER_CACHED: &str = "highwater, cached";
pub(super) const BARE_LOOP: &str = "bare loop";
const NODE: &str = "Node EventEmitter";
const CHANNEL: &str = "async-channel";

pub(super) struct EventsOutcome {
    versions: Vec<String>,
    /// Nanoseconds per emit, by contestant and listener count.
    emits: BestResults<(&'static str, usize)>,
    inboxes: Rates,
}

impl EventsOutcome {
    pub(super) fn new(versions: Vec<String>) -> Self {
        EventsOutcome {
            versions,
            emits: BestResults::lowest(),
            inboxes: Rates::new(),
        }
    }

    pub(super) fn emit(&mut self, contestant: &'static str, listeners: usize, nanoseconds: f64) {
        self.emits.add((contestant, listeners), nanoseconds);
    }

    pub(super) fn inbox(&mut self, contestant: &'static str, setting: Setting, millions: f64) {
        self.inboxes.add(contestant, setting, millions);
    }
}

impl Outcome for EventsOutcome {
    fn figures(&self) -> Value {
        let emits = self.emits.iter().map(|(key, nanoseconds)| {
            json!({
                "contestant": key.0,
                "listeners": key.1,
                "nanoseconds_per_emit": nanoseconds,
                "spread_percent": self.emits.spread(key),
            })
        });
        json!({
            "peers": self.versions,
            "rounds": ROUNDS,
            "emits": emits.collect::<Value>(),
            "inboxes": self.inboxes.json("million_events_per_second"),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut at_least = |text: String, min: f64, value: Option<f64>| {
            targets.push(match value {
                Some(value) => Target::at_least(text, min, value),
                None => Target::not_measured(text),
            });
        };
        let ratio_to_node = |listeners| {
            self.emits
                .ratio(&(NODE, listeners), &(HIGHWATER_CACHED, listeners))
        };
        let rate = "emit rate of a cached handle vs Node";
        at_least(format!("1 listener: {rate}"), 1.5, ratio_to_node(1));
        at_least(format!("10 listeners: {rate}"), 5.0, ratio_to_node(10));
        for setting in inboxes::SETTINGS {
            let text = format!("inbox, {}: event rate vs {CHANNEL}", setting.name());
            at_least(text, 1.0, self.inboxes.ratio(HIGHWATER, CHANNEL, setting));
        }
        let text = "10 listeners: time of a cached handle vs a bare loop";
        let bare_loop_ratio = self.emits.ratio(&(HIGHWATER_CACHED, 10), &(BARE_LOOP, 10));
        targets.extend(bare_loop_ratio.map(|value| Target::at_most(text.to_owned(), 1.3, value)));
        targets
    }
}

impl fmt::Display for EventsOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = self.versions.join(", ");
        writeln!(f, "Best of {ROUNDS} rounds. {versions}\n")?;
        writeln!(
            f,
            "LISTENERS  EMITTER            NS/EMIT  SPREAD  M EMITS/S  TIME ÷ BARE LOOP  RATE ÷ NODE"
        )?;
        let mut emits: Vec<_> = self.emits.iter().collect();
        emits.sort_by_key(|((_, listeners), _)| listeners);
        for (key, nanoseconds) in emits {
            let (contestant, listeners) = key;
            writeln!(
                f,
                "{listeners:>9}  {contestant:<17}  {nanoseconds:>7.1}  {:>4.0} %  {:>9.1}  {:>16}  {:>11}",
                self.emits.spread(key).unwrap_or_default(),
                1e3 / nanoseconds,
                or_dash(self.emits.ratio(key, &(BARE_LOOP, *listeners))),
                or_dash(self.emits.ratio(&(NODE, *listeners), key)),
            )?;
        }
        writeln!(
            f,
            "\nINBOX 1→1             QUEUE          M EVENTS/S    SPREAD"
        )?;
        writeln!(f, "{}", self.inboxes)?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        let rate_ratio_to_node = |contestant, listeners| {
            let ratio = self
                .emits
                .ratio(&(NODE, listeners), &(contestant, listeners));
            or_dash(ratio)
        };
        writeln!(
            f,
            "\nThe targets apply to a busy loop that emits through a cached handle to listeners\n\
             without a result, as in Node. An emit on the emitter itself works from any thread and\n\
             costs an atomic exchange: its rate is {} and {} times Node's with 1 and 10\n\
             listeners, and it takes {} times as long as the bare loop with 10.",
            rate_ratio_to_node(HIGHWATER, 1),
            rate_ratio_to_node(HIGHWATER, 10),
            or_dash(self.emits.ratio(&(HIGHWATER, 10), &(BARE_LOOP, 10))),
        )?;
        Ok(())
    }
}
