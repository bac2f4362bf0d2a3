//! Runs a command, shows its output and counts its tests.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::output::Output;
use crate::process_group::ProcessGroup;
use crate::test_counts::TestCounts;

/// The result of a command.
pub(crate) struct CommandResult {
    /// Set if it exited with code 0.
    pub(crate) success: bool,
    /// The sum of the summary lines in its output.
    pub(crate) counts: TestCounts,
    /// Processor time of the command and its children.
    pub(crate) busy: Duration,
}

/// Runs `command` to its end. Its standard output is relayed line by line, to count the
/// tests. Its standard error goes to `output` directly.
pub(crate) fn run(command: &mut Command, output: &Output) -> Result<CommandResult> {
    output.print_line(format_args!("$ {}", command_line(command)));
    output.redirect_stderr_of(command)?;
    let to = output.try_clone()?;
    let (group, stdout) = ProcessGroup::spawn(command)?;
    let counter = thread::spawn(move || relay(stdout, to));
    let exit = group.wait()?;
    Ok(CommandResult {
        success: exit.success,
        counts: counter.join().unwrap_or_default(),
        busy: exit.busy,
    })
}

/// Runs `command` and returns its standard output, whatever its exit code.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    eprintln!("$ {}", command_line(command));
    let (group, mut stdout) = ProcessGroup::spawn(command)?;
    let mut text = String::new();
    stdout.read_to_string(&mut text)?;
    group.wait()?;
    Ok(text)
}

/// Runs `command` and fails if it fails.
pub(crate) fn run_checked(command: &mut Command) -> Result<()> {
    if run(command, &Output::Direct)?.success {
        return Ok(());
    }
    bail!("`{}` failed", command_line(command))
}

/// Returns the command line of `command`.
fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Relays every line and adds up the summary lines.
fn relay(from: impl Read, mut to: impl Write) -> TestCounts {
    let mut sum = TestCounts::default();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    // Bytes, since the output of a test need not be UTF-8.
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Keeps counting even if the output is closed.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        if let Some(counts) = TestCounts::parse(&String::from_utf8_lossy(&line)) {
            sum += counts;
        }
        line.clear();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    // The summaries in these tests must not reach the output. The run that contains this
    // test would count them.

    #[test]
    fn relay_adds_up_summaries_and_keeps_every_line() {
        let text = "test result: ok. 2 passed; 0 failed; 0 ignored\nnoise \n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored";
        let mut out = Vec::new();
        let counts = relay(text.as_bytes(), &mut out);
        assert_eq!((counts.passed, counts.failed), (3, 1));
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn result_has_the_exit_status() {
        let run = |script| run(Command::new("sh").args(["-c", script]), &Output::Direct);
        assert!(run("exit 0").unwrap().success);
        assert!(!run("exit 3").unwrap().success);
    }

    #[test]
    fn buffered_output_is_complete_and_in_order() {
        let mut output = Output::buffered().unwrap();
        let script = "echo out; sleep 0.2; echo error >&2; sleep 0.2; echo last";
        for _ in 0..2 {
            run(Command::new("sh").args(["-c", script]), &output).unwrap();
        }
        let text = output.text().unwrap();
        let once = format!("$ sh -c {script}\nout\nerror\nlast\n");
        assert_eq!(text, once.repeat(2));
    }

    #[test]
    fn children_do_not_outlive_their_command() {
        // The sleeper keeps the output open. Unless it is killed with its parent, this
        // test takes a minute and then fails.
        let started = std::time::Instant::now();
        let sleeper = "sleep 60 & exit 0";
        let finished = run(Command::new("sh").args(["-c", sleeper]), &Output::Direct);
        assert!(finished.unwrap().success);
        assert!(started.elapsed().as_secs() < 30);
    }

    #[test]
    fn waiting_is_not_busy_time() {
        let busy = |script| {
            let finished = run(Command::new("sh").args(["-c", script]), &Output::Direct);
            finished.unwrap().busy
        };
        let counts = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
        // Grandchildren count too.
        assert!(busy(&format!("( {counts} ); true")) > busy("sleep 0.2"));
    }

    #[test]
    fn missing_program_is_named() {
        let error = run_checked(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"));
    }
}
