//! Runs a command, shows what it prints and counts the tests in it.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::group::Group;
use crate::output::Output;
use crate::summary::Tally;

/// What came of a command.
pub(crate) struct Finished {
    /// Whether it exited with zero.
    pub(crate) success: bool,
    /// The sum of the summary lines it printed.
    pub(crate) tally: Tally,
    /// How long processors were busy with it.
    pub(crate) busy: Duration,
}

/// Runs `command` to its end. Its standard output goes through us, line by
/// line; its standard error directly.
pub(crate) fn run(command: &mut Command, output: &Output) -> Result<Finished> {
    output.say(format_args!("$ {}", line_of(command)));
    output.take_errors_of(command)?;
    let to = output.again()?;
    let (group, stdout) = Group::spawn(command)?;
    let counter = thread::spawn(move || relay(stdout, to));
    let ended = group.wait()?;
    Ok(Finished {
        success: ended.success,
        tally: counter.join().unwrap_or_default(),
        busy: ended.busy,
    })
}

/// Runs `command` for what it prints, however it ends.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    eprintln!("$ {}", line_of(command));
    let (group, mut stdout) = Group::spawn(command)?;
    let mut text = String::new();
    stdout.read_to_string(&mut text)?;
    group.wait()?;
    Ok(text)
}

/// Runs `command` for its effect.
pub(crate) fn run_checked(command: &mut Command) -> Result<()> {
    if run(command, &Output::Ours)?.success {
        return Ok(());
    }
    bail!("`{}` failed", line_of(command))
}

/// What a person would type for `command`.
fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Passes every line on, and adds up the summaries among them.
fn relay(from: impl Read, mut to: impl Write) -> Tally {
    let mut sum = Tally::default();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    // Bytes, since a test may print anything.
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // A closed output is no reason to stop counting.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        if let Some(tally) = Tally::parse(&String::from_utf8_lossy(&line)) {
            sum += tally;
        }
        line.clear();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    // The summaries of these tests must not reach the output: they would be
    // counted by the run that this test is part of.

    #[test]
    fn summaries_add_up_and_every_line_goes_on() {
        let text = "test result: ok. 2 passed; 0 failed; 0 ignored\nnoise \n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored";
        let mut out = Vec::new();
        let tally = relay(text.as_bytes(), &mut out);
        assert_eq!((tally.passed, tally.failed), (3, 1));
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn the_exit_status_is_told() {
        let run = |script| run(Command::new("sh").args(["-c", script]), &Output::Ours);
        assert!(run("exit 0").unwrap().success);
        assert!(!run("exit 3").unwrap().success);
    }

    #[test]
    fn what_is_held_back_has_everything_in_its_order() {
        let mut output = Output::held().unwrap();
        let script = "echo out; sleep 0.2; echo error >&2; sleep 0.2; echo last";
        for _ in 0..2 {
            run(Command::new("sh").args(["-c", script]), &output).unwrap();
        }
        let text = output.text().unwrap();
        let once = format!("$ sh -c {script}\nout\nerror\nlast\n");
        assert_eq!(text, once.repeat(2));
    }

    #[test]
    fn nothing_outlives_its_command() {
        // The sleeper keeps the output open: unless it is ended with its
        // parent, this test takes a minute and then fails.
        let started = std::time::Instant::now();
        let sleeper = "sleep 60 & exit 0";
        let finished = run(Command::new("sh").args(["-c", sleeper]), &Output::Ours);
        assert!(finished.unwrap().success);
        assert!(started.elapsed().as_secs() < 30);
    }

    #[test]
    fn time_that_is_waited_is_not_busy() {
        let busy = |script| {
            let finished = run(Command::new("sh").args(["-c", script]), &Output::Ours);
            finished.unwrap().busy
        };
        let counts = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
        // Of a child of the child too.
        assert!(busy(&format!("( {counts} ); true")) > busy("sleep 0.2"));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run_checked(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"));
    }
}
