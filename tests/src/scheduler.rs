//! Runs suites concurrently.
//!
//! Suites spend much of their time waiting: for scenarios in real time, for browsers,
//! for the last crate of a build. So two suites run at a time. One prints directly; the
//! output of the other is buffered and shown when it is done.
//!
//! Suites that run scenarios in real time then run one by one. While a compiler runs, a
//! process may start so slowly that a test times out.
//!
//! Suites that only compute run in the background, at low priority.

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
    let queue_for = |concurrency| {
        let suites = suites.iter().copied();
        let matching: Vec<_> = suites
            .filter(|suite| suite.concurrency() == concurrency)
            .collect();
        SuiteQueue(Mutex::new(matching.into_iter()))
    };
    let paired = queue_for(Concurrency::Paired);
    let exclusive = queue_for(Concurrency::Exclusive);
    let background = queue_for(Concurrency::Background);
    // The first suite always prints directly.
    let first = [&paired, &exclusive, &background]
        .into_iter()
        .find_map(SuiteQueue::next);
    let mut show = |row: Row, output: Output| {
        if let Err(error) = output.print_buffered() {
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
                    // Prints directly if the buffer file cannot be created.
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

/// Suites waiting for a free runner.
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
    let mut cpu_time = Duration::ZERO;
    let mut success = true;
    for mut command in suite.commands(workspace, options) {
        if suite.concurrency() == Concurrency::Background {
            command = at_low_priority(&command);
        }
        match crate::run::run(&mut command, output) {
            Ok(finished) => {
                counts += finished.counts;
                cpu_time += finished.cpu_time;
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
        counts: final_counts(suite.counting(), counts, success),
        elapsed: started.elapsed(),
        cpu_time,
    }
}

/// Returns the same command at the lowest scheduling priority.
fn at_low_priority(command: &Command) -> Command {
    let mut nice_command = Command::new("nice");
    nice_command.args(["-n", "19"]).arg(command.get_program());
    nice_command.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nice_command.env(name, value),
            None => nice_command.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        nice_command.current_dir(folder);
    }
    nice_command
}

/// Returns the final counts of a suite. A failed command counts as a failure even if no
/// test failed. A suite of tests that ran no tests has failed.
fn final_counts(counting: Counting, counts: TestCounts, success: bool) -> TestCounts {
    match counting {
        Counting::Check if success => TestCounts::ONE_PASSED,
        Counting::Check => TestCounts::ONE_FAILED,
        Counting::Tests if success && counts == TestCounts::default() => TestCounts::ONE_FAILED,
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
    fn low_priority_preserves_the_command() {
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
    fn failed_command_counts_as_one_failure() {
        let counts = |passed, failed| TestCounts { passed, failed };
        assert_eq!(
            final_counts(Counting::Tests, counts(3, 0), false),
            counts(3, 1)
        );
        assert_eq!(
            final_counts(Counting::Tests, counts(3, 2), false),
            counts(3, 2)
        );
        assert_eq!(
            final_counts(Counting::Tests, counts(3, 0), true),
            counts(3, 0)
        );
        assert_eq!(
            final_counts(Counting::Tests, counts(0, 0), true),
            counts(0, 1)
        );
        assert_eq!(
            final_counts(Counting::Check, counts(9, 9), true),
            counts(1, 0)
        );
    }
}
