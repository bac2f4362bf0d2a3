//! Runs suites side by side.
//!
//! Suites spend much of their time waiting: for scenarios in real time, for browsers,
//! for the last crate of a build. So two suites run at a time. One prints directly, the
//! output of the other is shown in one piece when it is done.
//!
//! Suites that run scenarios in real time follow one by one. Next to a compiler, a
//! process that takes a second to start would be taken for one that never starts.
//!
//! Suites that only compute run in the background of all others, at low priority.

use std::panic::resume_unwind;
use std::process::Command;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use std::{iter, vec};

use crate::output::Output;
use crate::suite::{Concurrency, Counting, Suite, SuiteOptions};
use crate::table::{Row, Table};
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// Runs each suite once and adds the results to the table.
pub(crate) fn run(
    workspace: &Workspace,
    suites: &[Suite],
    options: SuiteOptions,
    table: &mut Table,
) {
    let queue_of = |concurrency| {
        let suites = suites.iter().copied();
        let own: Vec<_> = suites
            .filter(|suite| suite.concurrency() == concurrency)
            .collect();
        SuiteQueue(Mutex::new(own.into_iter()))
    };
    let paired = queue_of(Concurrency::Paired);
    let exclusive = queue_of(Concurrency::Exclusive);
    let background = queue_of(Concurrency::Background);
    // The first suite prints directly, whatever its kind.
    let first = [&paired, &exclusive, &background]
        .into_iter()
        .find_map(SuiteQueue::next);
    let mut show = |row: Row, output: Output| {
        if let Err(error) = output.show() {
            eprintln!("tests: error: {error:#}");
        }
        table.add(row);
    };
    thread::scope(|scope| {
        let (sender, done) = mpsc::channel();
        let run_buffered = |queue| {
            let sender = sender.clone();
            move || {
                for suite in SuiteQueue::iter(queue) {
                    // Prints directly if there is no file to buffer the output in.
                    let output = Output::buffered().unwrap_or(Output::Direct);
                    let row = run_suite(workspace, suite, options, &output);
                    // The receiver lives until all suites are done.
                    let _ = sender.send((row, output));
                }
            }
        };
        let second = scope.spawn(run_buffered(&paired));
        scope.spawn(run_buffered(&background));
        drop(sender);

        let mut run_directly = |suite| {
            let row = run_suite(workspace, suite, options, &Output::Direct);
            show(row, Output::Direct);
            for (row, output) in done.try_iter() {
                show(row, output);
            }
        };
        first
            .into_iter()
            .chain(paired.iter())
            .for_each(&mut run_directly);
        second.join().unwrap_or_else(|panic| resume_unwind(panic));
        exclusive
            .iter()
            .chain(background.iter())
            .for_each(&mut run_directly);
        for (row, output) in done {
            show(row, output);
        }
    });
    table.sort_by(&Suite::ALL.map(Suite::name));
}

/// Suites that wait for a free runner.
struct SuiteQueue(Mutex<vec::IntoIter<Suite>>);

impl SuiteQueue {
    fn next(&self) -> Option<Suite> {
        let mut suites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        suites.next()
    }

    /// Takes the remaining suites one by one.
    fn iter(&self) -> impl Iterator<Item = Suite> {
        iter::from_fn(|| self.next())
    }
}

fn run_suite(workspace: &Workspace, suite: Suite, options: SuiteOptions, output: &Output) -> Row {
    let started = Instant::now();
    output.print_line(format_args!("\n== {}: {}", suite.name(), suite.about()));
    let mut counts = TestCounts::default();
    let mut busy = Duration::ZERO;
    let mut success = true;
    for mut command in suite.commands(workspace, options) {
        if suite.concurrency() == Concurrency::Background {
            command = at_low_priority(&command);
        }
        match crate::run::run(&mut command, output) {
            Ok(finished) => {
                counts += finished.counts;
                busy += finished.busy;
                success &= finished.success;
            }
            Err(error) => {
                output.print_line(format_args!("tests: error: {error:#}"));
                success = false;
            }
        }
    }
    Row {
        suite: suite.name(),
        counts: verdict(suite.counting(), counts, success),
        took: started.elapsed(),
        busy,
    }
}

/// Returns the same command at the lowest scheduling priority.
fn at_low_priority(command: &Command) -> Command {
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

/// Returns the final counts of a suite. A failed command counts as a failure even if no
/// test has failed, and a suite of tests in which none ran has failed.
fn verdict(counting: Counting, counts: TestCounts, success: bool) -> TestCounts {
    match counting {
        Counting::Check if success => TestCounts::PASS,
        Counting::Check => TestCounts::FAIL,
        Counting::Tests if success && counts == TestCounts::default() => TestCounts::FAIL,
        Counting::Tests if !success => TestCounts {
            failed: counts.failed.max(1),
            ..counts
        },
        Counting::Tests => counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_priority_keeps_the_command() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "nice; pwd; echo $WHAT $HOME"])
            .current_dir("/")
            .env("WHAT", "this")
            .env_remove("HOME");
        let output = at_low_priority(&command).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), ["19", "/", "this"]);
    }

    #[test]
    fn failed_command_counts_without_failed_tests() {
        let counts = |passed, failed| TestCounts { passed, failed };
        assert_eq!(verdict(Counting::Tests, counts(3, 0), false), counts(3, 1));
        assert_eq!(verdict(Counting::Tests, counts(3, 2), false), counts(3, 2));
        assert_eq!(verdict(Counting::Tests, counts(3, 0), true), counts(3, 0));
        assert_eq!(verdict(Counting::Tests, counts(0, 0), true), counts(0, 1));
        assert_eq!(verdict(Counting::Check, counts(9, 9), true), counts(1, 0));
    }
}
