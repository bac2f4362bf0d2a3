//! The comparison of channels and of programs that process files.
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
use super::rounds::run_rounds;
use crate::workspace::Workspace;
use files::{Files, Task};
use outcome::{CHANNEL_ROUNDS, FILE_ROUNDS, StreamsOutcome};

/// A part of the comparison.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    Channels,
    Files,
}

pub(super) fn run(size: ByteSize, only: Option<Part>) -> anyhow::Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let mut outcome = StreamsOutcome::default();
    // Files are measured first: the reported peak memory of a child process is at least
    // the memory of this process when it started the child.
    if only != Some(Part::Channels) {
        let files = Files::prepare(&workspace, size)?;
        outcome.describe(&files)?;
        run_rounds(FILE_ROUNDS, |round, progress| {
            for task in Task::ALL {
                for mut contestant in files.contestants(task) {
                    progress(&format!("{}, {}", task.name(), contestant.name));
                    for run in 0..task.runs_per_round() {
                        let is_checked = round == 1 && run == 0;
                        let result = files.run(task, &mut contestant, is_checked)?;
                        outcome.file(task, contestant.name, &result);
                    }
                }
            }
            Ok(())
        })?;
        for task in Task::FAST {
            eprintln!("memory growth: {}", task.name());
            outcome.memory_growth(task, files.memory_growth(task)?);
        }
    }
    if only != Some(Part::Files) {
        run_rounds(CHANNEL_ROUNDS, |_, progress| {
            for setting in channels::SETTINGS {
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
