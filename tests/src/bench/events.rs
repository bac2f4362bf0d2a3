//! The comparison of emitters and inboxes.

mod emitters;
mod inboxes;
mod node;
mod outcome;

use super::outcome::Outcome;
use super::rounds::{HIGHWATER, run_rounds};
use crate::workspace::Workspace;
pub(super) use emitters::EmitterTurn;

use emitters::EmitterKind;
use outcome::{EventsOutcome, ROUNDS};

pub(super) fn run() -> anyhow::Result<Box<dyn Outcome>> {
    let node = node::find(&Workspace::new()?);
    let mut outcome = EventsOutcome::new(node.versions());
    run_rounds(ROUNDS, |_, progress| {
        for listeners in emitters::LISTENERS {
            progress(&format!("emits to {listeners} listeners"));
            for kind in EmitterKind::ALL {
                outcome.emit(kind.name(), listeners, kind.time(listeners)?);
            }
            for (name, nanoseconds) in node::emits(&node, listeners)? {
                outcome.emit(name, listeners, nanoseconds);
            }
        }
        progress("inboxes");
        for setting in inboxes::SETTINGS {
            outcome.inbox(HIGHWATER, setting, inboxes::highwater(setting));
            outcome.inbox("async-channel", setting, inboxes::async_channel(setting));
        }
        Ok(())
    })?;
    Ok(Box::new(outcome))
}
