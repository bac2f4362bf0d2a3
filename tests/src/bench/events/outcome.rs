//! The figures and targets of emitters and inboxes.

use std::fmt;

use serde_json::{Value, json};

use super::super::OURS;
use super::super::outcome::{BestResults, Outcome, Target, or_dash};
use super::super::queue::{Rates, Setting};
use super::{ROUNDS, inboxes};

/// The handle for loops that emit all the time. The targets apply to it.
pub(super) const CACHED: &str = "highwater, cached";
pub(super) const FLOOR: &str = "bare loop";
const NODE: &str = "Node EventEmitter";
const CHANNEL: &str = "async-channel";

pub(super) struct EventsOutcome {
    versions: Vec<String>,
    /// Nanoseconds per emit, by contestant and number of listeners.
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
        let mut at_least = |text: String, least: f64, found: Option<f64>| {
            targets.push(match found {
                Some(found) => Target::at_least(text, least, found),
                None => Target::not_measured(text),
            });
        };
        let against_node = |listeners| self.emits.ratio(&(NODE, listeners), &(CACHED, listeners));
        let rate = "emit rate of a cached handle ÷ Node";
        at_least(format!("1 listener: {rate}"), 1.5, against_node(1));
        at_least(format!("10 listeners: {rate}"), 5.0, against_node(10));
        for setting in inboxes::SETTINGS {
            let text = format!("inbox, {}: event rate ÷ {CHANNEL}", setting.name());
            at_least(text, 1.0, self.inboxes.ratio(OURS, CHANNEL, setting));
        }
        let text = "10 listeners: time of a cached handle ÷ bare loop";
        let floor = self.emits.ratio(&(CACHED, 10), &(FLOOR, 10));
        targets.extend(floor.map(|found| Target::at_most(text.to_owned(), 1.3, found)));
        targets
    }
}

impl fmt::Display for EventsOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = self.versions.join(", ");
        writeln!(f, "Best of {ROUNDS} rounds in turn. {peers}\n")?;
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
                or_dash(self.emits.ratio(key, &(FLOOR, *listeners))),
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
        let ratio_of = |contestant, listeners| {
            let theirs = self
                .emits
                .ratio(&(NODE, listeners), &(contestant, listeners));
            or_dash(theirs)
        };
        writeln!(
            f,
            "\nThe targets apply to a busy loop that emits through a cached handle to listeners\n\
             without a result, as in Node. An emit on the emitter itself works from any thread and\n\
             costs an atomic exchange: its rate is {} and {} times Node's with 1 and 10\n\
             listeners, and it takes {} times as long as the bare loop with 10.",
            ratio_of(OURS, 1),
            ratio_of(OURS, 10),
            or_dash(self.emits.ratio(&(OURS, 10), &(FLOOR, 10))),
        )?;
        Ok(())
    }
}
