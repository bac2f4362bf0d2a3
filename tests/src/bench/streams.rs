//! Channels and files, beside their peers.

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
use outcome::Streams;

const CHANNEL_ROUNDS: usize = 7;
/// A turn takes seconds: a bad moment matters less.
const FILE_ROUNDS: usize = 3;
/// Of those that take a second: as much of it is the disk's and the memory's
/// mood as the program's.
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
    let mut outcome = Streams::default();
    // Files come first: what a child is said to have used is never less than
    // what we had before it.
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
        for task in Task::FLAT {
            eprintln!("more data: {}", task.name());
            outcome.flat(task, files.flatness(task)?);
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
