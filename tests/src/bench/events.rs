//! Emitters and inboxes, beside their peers.

mod emitters;
mod inboxes;
mod node;
mod outcome;

use super::outcome::Outcome;
use super::{OURS, rounds};
use crate::workspace::Workspace;
use outcome::{CACHED, Events};

const ROUNDS: usize = 7;

pub(super) fn run() -> anyhow::Result<Box<dyn Outcome>> {
    let node = node::Node::find(&Workspace::new()?);
    let mut outcome = Events::new(node.versions());
    rounds(ROUNDS, |_, progress| {
        for listeners in emitters::LISTENERS {
            progress(&format!("emits to {listeners}"));
            outcome.emit("bare loop", listeners, emitters::bare_loop(listeners));
            outcome.emit(OURS, listeners, emitters::highwater(listeners));
            let cached = emitters::highwater_cached(listeners);
            outcome.emit(CACHED, listeners, cached);
            for (name, nanoseconds) in node.emits(listeners)? {
                outcome.emit(name, listeners, nanoseconds);
            }
        }
        progress("inboxes");
        for setting in inboxes::SETTINGS {
            outcome.inbox(OURS, setting, inboxes::highwater(setting));
            outcome.inbox("async-channel", setting, inboxes::async_channel(setting));
        }
        Ok(())
    })?;
    Ok(Box::new(outcome))
}
