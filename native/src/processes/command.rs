//! The command that starts a child, and the argument by which it recognises itself.

use std::{env, io, path::PathBuf, process::Command};

/// The internal argument that precedes the name of the child's program.
#[cfg(not(test))]
const ARGUMENT: &str = "--process";

/// The environment variable that replaces the argument in tests, because the test harness
/// owns the arguments.
#[cfg(test)]
pub(super) const VARIABLE: &str = "HIGHWATER_PROCESS";

/// Returns the command that starts this program as a child.
pub(super) fn command(program: &str) -> io::Result<Command> {
    let mut command = Command::new(this_program()?);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;

        // In its own process group: Ctrl-C must reach only the parent, which reports how
        // the child ended.
        command.process_group(0);
        command.arg0(env::args_os().next().unwrap_or_default());
    }
    #[cfg(not(test))]
    command.args([ARGUMENT, program]);
    #[cfg(test)]
    command
        .args(["--exact", "--nocapture", "-q", "processes::tests::child"])
        .env(VARIABLE, program);
    Ok(command)
}

/// Returns the name of the program to run, if this process is a child.
pub(super) fn program() -> Option<String> {
    #[cfg(not(test))]
    {
        let mut arguments = env::args_os().skip(1);
        arguments.next().filter(|first| first == ARGUMENT)?;
        let name = arguments.next().unwrap_or_default();
        Some(name.to_string_lossy().into_owned())
    }
    #[cfg(test)]
    env::var(VARIABLE).ok()
}

/// Returns the path of this program's file. On Linux, a file that a new build has replaced
/// is found by `/proc/self/exe`, since the new build may speak another protocol. The usual
/// path comes first, because a process started by `/proc/self/exe` has another name.
fn this_program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    let running = PathBuf::from("/proc/self/exe");
    Ok(if !path.exists() && running.exists() {
        running
    } else {
        path
    })
}
