//! The figures, and whether they are what they should be.

use std::fmt;

use serde_json::{Value, json};

use super::ROUNDS;
use super::inboxes::Setting;

pub(super) const OURS: &str = "highwater";
/// What a loop that emits all the time uses; the targets are meant for it.
pub(super) const CACHED: &str = "highwater, cached";
const FLOOR: &str = "bare loop";
const NODE: &str = "Node EventEmitter";
const CHANNEL: &str = "async-channel";

/// The best of each contestant so far.
pub(super) struct Outcome {
    versions: Vec<String>,
    emits: Vec<Emit>,
    inboxes: Vec<Inbox>,
}

struct Emit {
    contestant: &'static str,
    listeners: usize,
    nanoseconds: f64,
}

struct Inbox {
    contestant: &'static str,
    setting: Setting,
    millions: f64,
}

/// What is wanted of ours against another.
struct Target {
    text: String,
    wanted: String,
    ratio: f64,
    is_met: bool,
}

impl Outcome {
    pub(super) fn new(versions: Vec<String>) -> Self {
        Outcome {
            versions,
            emits: Vec::new(),
            inboxes: Vec::new(),
        }
    }

    pub(super) fn emit(&mut self, contestant: &'static str, listeners: usize, nanoseconds: f64) {
        let mut known = self.emits.iter_mut();
        match known.find(|emit| (emit.contestant, emit.listeners) == (contestant, listeners)) {
            Some(emit) => emit.nanoseconds = emit.nanoseconds.min(nanoseconds),
            None => self.emits.push(Emit {
                contestant,
                listeners,
                nanoseconds,
            }),
        }
    }

    pub(super) fn inbox(&mut self, contestant: &'static str, setting: Setting, millions: f64) {
        let mut known = self.inboxes.iter_mut();
        match known.find(|inbox| (inbox.contestant, inbox.setting) == (contestant, setting)) {
            Some(inbox) => inbox.millions = inbox.millions.max(millions),
            None => self.inboxes.push(Inbox {
                contestant,
                setting,
                millions,
            }),
        }
    }

    /// How many targets were missed.
    pub(super) fn misses(&self) -> usize {
        let targets = self.targets();
        targets.iter().filter(|target| !target.is_met).count()
    }

    pub(super) fn json(&self) -> Value {
        let emits: Vec<Value> = self
            .emits
            .iter()
            .map(|emit| {
                json!({
                    "contestant": emit.contestant,
                    "listeners": emit.listeners,
                    "nanoseconds_per_emit": emit.nanoseconds,
                })
            })
            .collect();
        let inboxes: Vec<Value> = self
            .inboxes
            .iter()
            .map(|inbox| {
                json!({
                    "contestant": inbox.contestant,
                    "setting": inbox.setting.name(),
                    "million_events_per_second": inbox.millions,
                })
            })
            .collect();
        let targets: Vec<Value> = self
            .targets()
            .into_iter()
            .map(|target| {
                json!({
                    "target": target.text,
                    "wanted": target.wanted,
                    "ratio": target.ratio,
                    "met": target.is_met,
                })
            })
            .collect();
        json!({
            "peers": self.versions,
            "rounds": ROUNDS,
            "emits": emits,
            "inboxes": inboxes,
            "targets": targets,
        })
    }

    fn nanoseconds(&self, contestant: &str, listeners: usize) -> Option<f64> {
        let mut emits = self.emits.iter();
        let emit =
            emits.find(|emit| emit.contestant == contestant && emit.listeners == listeners)?;
        Some(emit.nanoseconds)
    }

    fn millions(&self, contestant: &str, setting: Setting) -> Option<f64> {
        let mut inboxes = self.inboxes.iter();
        let inbox =
            inboxes.find(|inbox| inbox.contestant == contestant && inbox.setting == setting)?;
        Some(inbox.millions)
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut at_least = |text: String, least: f64, ratio: Option<f64>| {
            targets.extend(ratio.map(|ratio| Target {
                text,
                wanted: format!("at least {least:.1}"),
                ratio,
                is_met: ratio >= least,
            }));
        };
        let against_node = |listeners| {
            let (node, ours) = (
                self.nanoseconds(NODE, listeners)?,
                self.nanoseconds(CACHED, listeners)?,
            );
            Some(node / ours)
        };
        let rate = "emits a second by a cached handle against Node's";
        at_least(format!("1 listener: {rate}"), 1.5, against_node(1));
        at_least(format!("10 listeners: {rate}"), 5.0, against_node(10));
        for setting in Setting::ALL {
            let ours = self.millions(OURS, setting);
            let ratio = ours.zip(self.millions(CHANNEL, setting));
            let ratio = ratio.map(|(ours, theirs)| ours / theirs);
            let text = format!(
                "inbox, {}: events a second against {CHANNEL}'s",
                setting.name()
            );
            at_least(text, 1.0, ratio);
        }
        let floor = self
            .nanoseconds(CACHED, 10)
            .zip(self.nanoseconds(FLOOR, 10))
            .map(|(ours, floor)| ours / floor);
        targets.extend(floor.map(|ratio| Target {
            text: "10 listeners: time by a cached handle against the bare loop's".to_owned(),
            wanted: "at most 1.3".to_owned(),
            ratio,
            is_met: ratio <= 1.3,
        }));
        targets
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = self.versions.join(", ");
        writeln!(f, "Best of {ROUNDS} rounds, in turn. {peers}\n")?;
        writeln!(
            f,
            "LISTENERS  EMITTER            NS/EMIT  M EMITS/S  TIME ÷ BARE LOOP  RATE ÷ NODE"
        )?;
        let mut emits: Vec<&Emit> = self.emits.iter().collect();
        emits.sort_by_key(|emit| emit.listeners);
        for emit in emits {
            let Emit {
                contestant,
                listeners,
                nanoseconds,
            } = emit;
            let ratio = |ratio: Option<f64>| {
                ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
            };
            let floor = self.nanoseconds(FLOOR, *listeners);
            let node = self.nanoseconds(NODE, *listeners);
            writeln!(
                f,
                "{listeners:>9}  {contestant:<17}  {nanoseconds:>7.1}  {:>9.1}  {:>16}  {:>11}",
                1e3 / nanoseconds,
                ratio(floor.map(|floor| nanoseconds / floor)),
                ratio(node.map(|node| node / nanoseconds)),
            )?;
        }
        writeln!(f, "\nINBOX 1→1             QUEUE          M EVENTS/S")?;
        for inbox in &self.inboxes {
            let setting = inbox.setting.name();
            writeln!(
                f,
                "{setting:<20}  {:<13}  {:>10.1}",
                inbox.contestant, inbox.millions
            )?;
        }
        writeln!(f)?;
        for target in self.targets() {
            let verdict = if target.is_met { "met   " } else { "missed" };
            let Target {
                text,
                wanted,
                ratio,
                ..
            } = target;
            writeln!(f, "{verdict}  {text}: {ratio:.2} ({wanted})")?;
        }
        Ok(())
    }
}
