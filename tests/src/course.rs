//! The suites, run side by side.
//!
//! Much of what they take is not work but waiting: for the seconds of real time
//! that a scenario lasts, for a browser, for a compiler that has one thing left to
//! do. So two run at a time, whichever are next: one prints as it goes, and what
//! the other one prints is shown when it is over, and so in one piece.
//!
//! Those that run scenarios in real time have the machine to themselves after that:
//! a process that takes a second to start, since compilers are at work, is taken
//! for one that never will.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::output::Output;
use crate::suite::{Kind, Suite, Wishes};
use crate::summary::Tally;
use crate::table::{Row, Table};
use crate::workspace::Workspace;

/// Runs the suites, and adds what came of them to the table.
pub(crate) fn run(workspace: &Workspace, suites: &[Suite], wishes: Wishes, table: &mut Table) {
    let (alone, others): (Vec<_>, Vec<_>) =
        suites.iter().copied().partition(|suite| suite.is_timed());
    side_by_side(workspace, &others, wishes, table);
    for suite in alone {
        table.add(run_suite(workspace, suite, wishes, &Output::Ours));
    }
    table.sort_by(&Suite::ALL.map(Suite::name));
}

fn side_by_side(workspace: &Workspace, suites: &[Suite], wishes: Wishes, table: &mut Table) {
    let left = Mutex::new(suites.iter().copied());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut show = |row: Row, output: Output| {
        if let Err(error) = output.show() {
            eprintln!("tests: error: {error:#}");
        }
        table.add(row);
    };
    thread::scope(|scope| {
        let (sender, over) = mpsc::channel();
        // The first is ours in any case.
        let first = next();
        scope.spawn(move || {
            while let Some(suite) = next() {
                // Without a file to hold it back in, it is shown as it comes.
                let output = Output::held().unwrap_or(Output::Ours);
                let row = run_suite(workspace, suite, wishes, &output);
                // The receiver is there until all are over.
                let _ = sender.send((row, output));
            }
        });
        let mut suite = first;
        while let Some(ours) = suite {
            let row = run_suite(workspace, ours, wishes, &Output::Ours);
            show(row, Output::Ours);
            for (row, output) in over.try_iter() {
                show(row, output);
            }
            suite = next();
        }
        for (row, output) in over {
            show(row, output);
        }
    });
}

fn run_suite(workspace: &Workspace, suite: Suite, wishes: Wishes, output: &Output) -> Row {
    let started = Instant::now();
    output.say(format_args!("\n== {}: {}", suite.name(), suite.about()));
    let mut tally = Tally::default();
    let mut busy = Duration::ZERO;
    let mut success = true;
    for mut command in suite.commands(workspace, wishes) {
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
    fn a_failure_counts_even_without_a_failed_test() {
        let tally = |passed, failed| Tally { passed, failed };
        assert_eq!(verdict(Kind::Tests, tally(3, 0), false), tally(3, 1));
        assert_eq!(verdict(Kind::Tests, tally(3, 2), false), tally(3, 2));
        assert_eq!(verdict(Kind::Tests, tally(3, 0), true), tally(3, 0));
        assert_eq!(verdict(Kind::Tests, tally(0, 0), true), tally(0, 1));
        assert_eq!(verdict(Kind::Check, tally(9, 9), true), tally(1, 0));
    }
}
