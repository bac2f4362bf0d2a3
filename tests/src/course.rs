//! The suites, run side by side.
//!
//! Much of what they take is not work but waiting: for the seconds of real time
//! that a scenario lasts, for a browser, for a compiler that has one thing left to
//! do. So two run at a time, whichever are next: one prints as it goes, and what
//! the other one prints is shown when it is over, and so in one piece.
//!
//! Those that run scenarios in real time come after that, one by one: a process
//! that takes a second to start, since compilers are at work, is taken for one that
//! never will.
//!
//! Beside all of these, those that only compute get what is left of the processors.

use std::panic::resume_unwind;
use std::process::Command;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use std::{iter, vec};

use crate::output::Output;
use crate::suite::{Kind, Pace, Suite, Wishes};
use crate::summary::Tally;
use crate::table::{Row, Table};
use crate::workspace::Workspace;

/// Runs the suites, each once, and adds what came of them to the table.
pub(crate) fn run(workspace: &Workspace, suites: &[Suite], wishes: Wishes, table: &mut Table) {
    let of = |pace| {
        let suites = suites.iter().copied();
        let own: Vec<_> = suites.filter(|suite| suite.pace() == pace).collect();
        Queue(Mutex::new(own.into_iter()))
    };
    let (quick, timed, patient) = (of(Pace::Quick), of(Pace::Timed), of(Pace::Patient));
    // One of them prints as it goes in any case.
    let first = [&quick, &timed, &patient].into_iter().find_map(Queue::next);
    let mut show = |row: Row, output: Output| {
        if let Err(error) = output.show() {
            eprintln!("tests: error: {error:#}");
        }
        table.add(row);
    };
    thread::scope(|scope| {
        let (sender, over) = mpsc::channel();
        let beside = |queue| {
            let sender = sender.clone();
            move || {
                for suite in Queue::iter(queue) {
                    // Without a file to hold it back in, it is shown as it comes.
                    let output = Output::held().unwrap_or(Output::Ours);
                    let row = run_suite(workspace, suite, wishes, &output);
                    // The receiver is there until all are over.
                    let _ = sender.send((row, output));
                }
            }
        };
        let second = scope.spawn(beside(&quick));
        scope.spawn(beside(&patient));
        drop(sender);

        let mut in_front = |suite| {
            let row = run_suite(workspace, suite, wishes, &Output::Ours);
            show(row, Output::Ours);
            for (row, output) in over.try_iter() {
                show(row, output);
            }
        };
        first
            .into_iter()
            .chain(quick.iter())
            .for_each(&mut in_front);
        second.join().unwrap_or_else(|panic| resume_unwind(panic));
        timed.iter().chain(patient.iter()).for_each(&mut in_front);
        for (row, output) in over {
            show(row, output);
        }
    });
    table.sort_by(&Suite::ALL.map(Suite::name));
}

/// Suites that wait for whoever is next to run one.
struct Queue(Mutex<vec::IntoIter<Suite>>);

impl Queue {
    fn next(&self) -> Option<Suite> {
        let mut suites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        suites.next()
    }

    /// What is left, as it is asked for.
    fn iter(&self) -> impl Iterator<Item = Suite> {
        iter::from_fn(|| self.next())
    }
}

fn run_suite(workspace: &Workspace, suite: Suite, wishes: Wishes, output: &Output) -> Row {
    let started = Instant::now();
    output.say(format_args!("\n== {}: {}", suite.name(), suite.about()));
    let mut tally = Tally::default();
    let mut busy = Duration::ZERO;
    let mut success = true;
    for mut command in suite.commands(workspace, wishes) {
        if suite.pace() == Pace::Patient {
            command = patient(&command);
        }
        match crate::run::run(&mut command, output) {
            Ok(finished) => {
                tally += finished.tally;
                busy += finished.busy;
                success &= finished.success;
            }
            Err(error) => {
                output.say(format_args!("tests: error: {error:#}"));
                success = false;
            }
        }
    }
    Row {
        suite: suite.name(),
        tally: verdict(suite.kind(), tally, success),
        took: started.elapsed(),
        busy,
    }
}

/// The same command, which gets what the others leave of the processors.
fn patient(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(command.get_program());
    nice.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        nice.current_dir(folder);
    }
    nice
}

/// A failure always counts, even one that happened before any test could; and
/// a suite of tests in which none ran has not passed.
fn verdict(kind: Kind, tally: Tally, success: bool) -> Tally {
    match kind {
        Kind::Check if success => Tally::PASS,
        Kind::Check => Tally::FAIL,
        Kind::Tests if success && tally == Tally::default() => Tally::FAIL,
        Kind::Tests if !success => Tally {
            failed: tally.failed.max(1),
            ..tally
        },
        Kind::Tests => tally,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_command_is_the_same_command() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "nice; pwd; echo $WHAT $HOME"])
            .current_dir("/")
            .env("WHAT", "this")
            .env_remove("HOME");
        let output = patient(&command).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), ["19", "/", "this"]);
    }

    #[test]
    fn a_failure_counts_even_without_a_failed_test() {
        let tally = |passed, failed| Tally { passed, failed };
        assert_eq!(verdict(Kind::Tests, tally(3, 0), false), tally(3, 1));
        assert_eq!(verdict(Kind::Tests, tally(3, 2), false), tally(3, 2));
        assert_eq!(verdict(Kind::Tests, tally(3, 0), true), tally(3, 0));
        assert_eq!(verdict(Kind::Tests, tally(0, 0), true), tally(0, 1));
        assert_eq!(verdict(Kind::Check, tally(9, 9), true), tally(1, 0));
    }
}
