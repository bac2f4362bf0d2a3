//! The comparison of channels and of programs that stream files.
//!
//! `highwater pipe` syncs its output to disk before it exits, and so does the Node script.
//! gzip and pigz do not.

mod channels;
mod data;
mod files;
mod measure;
mod outcome;

use bytesize::ByteSize;

use super::outcome::Outcome;
use super::queue::Setting;
use super::rounds;
use crate::workspace::Workspace;
use files::{Files, Task};
use outcome::StreamsOutcome;

const CHANNEL_ROUNDS: usize = 7;
/// Fewer rounds, since a turn takes seconds and averages out disturbances.
const FILE_ROUNDS: usize = 3;
/// Turns per round of the tasks that take about a second, since disk and memory cause as
/// much variation as the program.
const QUICK_TURNS: usize = 3;

const SETTINGS: [Setting; 2] = [Setting::OneThread, Setting::TwoThreads];

/// One half of the comparison.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Half {
    Channels,
    Files,
}

pub(super) fn run(size: ByteSize, only: Option<Half>) -> anyhow::Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let mut outcome = StreamsOutcome::default();
    // Files come first: the reported peak memory of a child is never less than that of
    // this process when it started the child.
    if only != Some(Half::Channels) {
        let files = Files::prepare(&workspace, size)?;
        outcome.describe(&files)?;
        rounds(FILE_ROUNDS, |round, progress| {
            for task in Task::ALL {
                for mut contestant in files.contestants(task) {
                    progress(&format!("{}, {}", task.name(), contestant.name));
                    for turn in 0..task.turns() {
                        let is_checked = round == 1 && turn == 0;
                        let used = files.run(task, &mut contestant, is_checked)?;
                        outcome.file(task, contestant.name, &used);
                    }
                }
            }
            Ok(())
        })?;
        for task in Task::QUICK {
            eprintln!("memory with more data: {}", task.name());
            outcome.memory_growth(task, files.memory_growth(task)?);
        }
    }
    if only != Some(Half::Files) {
        rounds(CHANNEL_ROUNDS, |_, progress| {
            for setting in SETTINGS {
                for (name, time) in channels::ALL {
                    progress(&format!("channels, {name}"));
                    outcome.channel(name, setting, time(setting));
                }
            }
            Ok(())
        })?;
    }
    Ok(Box::new(outcome))
}
