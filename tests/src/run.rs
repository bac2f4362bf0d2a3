//! Runs a command, shows its output and counts its tests.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::output::Output;
use crate::process_group::ProcessGroup;
use crate::test_counts::TestCounts;

/// The result of running a command.
pub(crate) struct CommandResult {
    /// Set if the command exited with code 0.
    pub(crate) success: bool,
    /// The sum of all test summaries in its output.
    pub(crate) counts: TestCounts,
    /// CPU time of the command and its children.
    pub(crate) cpu_time: Duration,
}

/// Runs `command` to completion. Relays its standard output line by line and counts the
/// tests. Its standard error is redirected to `output`.
pub(crate) fn run(command: &mut Command, output: &Output) -> Result<CommandResult> {
    output.print_line(format_args!("$ {}", command_line(command)));
    output.redirect_stderr_of(command)?;
    let destination = output.try_clone()?;
    let (group, stdout) = ProcessGroup::spawn(command)?;
    let counting_thread = thread::spawn(move || relay(stdout, destination));
    let exit = group.wait()?;
    Ok(CommandResult {
        success: exit.success,
        counts: counting_thread.join().unwrap_or_default(),
        cpu_time: exit.cpu_time,
    })
}

/// Runs `command` and returns its standard output. Ignores the exit code.
pub(crate) fn read_stdout(command: &mut Command) -> Result<String> {
    eprintln!("$ {}", command_line(command));
    let (group, mut stdout) = ProcessGroup::spawn(command)?;
    let mut text = String::new();
    stdout.read_to_string(&mut text)?;
    group.wait()?;
    Ok(text)
}

/// Runs `command`. Returns an error if it fails.
pub(crate) fn run_checked(command: &mut Command) -> Result<()> {
    if run(command, &Output::Direct)?.success {
        return Ok(());
    }
    bail!("`{}` failed", command_line(command))
}

/// Runs `command` and returns its trimmed standard output, or `None` if it does not exist
/// or fails.
pub(crate) fn stdout_of(command: &mut Command) -> Option<String> {
    let result = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(result.stdout).ok()?;
    result.status.success().then(|| text.trim().to_owned())
}

/// Returns the command line of `command`.
fn command_line(command: &Command) -> String {
    let arguments = std::iter::once(command.get_program()).chain(command.get_args());
    arguments
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Relays every line and adds up the test summaries.
fn relay(source: impl Read, mut destination: impl Write) -> TestCounts {
    let mut sum = TestCounts::default();
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    // Bytes, since test output need not be UTF-8.
    while source
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        // Keeps counting even if the write fails.
        let _ = destination
            .write_all(&line)
            .and_then(|()| destination.flush());
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

    // The test summaries in these tests must not be printed, or the surrounding test
    // run would count them.

    #[test]
    fn relay_adds_up_summaries_and_relays_all_lines() {
        let text = "test result: ok. 2 passed; 0 failed; 0 ignored\nnoise \n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored";
        let mut out = Vec::new();
        let counts = relay(text.as_bytes(), &mut out);
        assert_eq!((counts.passed, counts.failed), (3, 1));
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn result_contains_the_exit_status() {
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
        let expected = format!("$ sh -c {script}\nout\nerror\nlast\n");
        assert_eq!(text, expected.repeat(2));
    }

    #[test]
    fn background_children_are_killed_with_the_command() {
        // The background process keeps the output open. Unless it is killed, this test
        // takes a minute and fails.
        let started = std::time::Instant::now();
        let script = "sleep 60 & exit 0";
        let result = run(Command::new("sh").args(["-c", script]), &Output::Direct);
        assert!(result.unwrap().success);
        assert!(started.elapsed().as_secs() < 30);
    }

    #[test]
    fn waiting_uses_no_cpu_time() {
        let cpu_time = |script| {
            let result = run(Command::new("sh").args(["-c", script]), &Output::Direct);
            result.unwrap().cpu_time
        };
        let counts = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
        // The CPU time of grandchildren counts too.
        assert!(cpu_time(&format!("( {counts} ); true")) > cpu_time("sleep 0.2"));
    }

    #[test]
    fn error_names_the_missing_program() {
        let error = run_checked(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"));
    }
}
