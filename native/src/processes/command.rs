//! How a child is started, and how it knows that it is one.

use std::{env, io, path::PathBuf, process::Command};

/// An argument of no use to people: what follows is the name of a program.
#[cfg(not(test))]
const ARGUMENT: &str = "--process";

/// Where a test program is told the same: its arguments are not its own.
#[cfg(test)]
pub(super) const VARIABLE: &str = "HIGHWATER_PROCESS";

/// What starts this program as a child of that name.
pub(super) fn command(program: &str) -> io::Result<Command> {
    let mut command = Command::new(this_program()?);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;

        // In a group of its own, or Ctrl-C would end it too, and before we
        // could say how.
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

/// The program that this process is to run as a child, if it is one.
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

/// This program's file. On Linux it is found although it was replaced meanwhile,
/// by a new build that might talk another way; there its name is not its own any
/// more, so the usual way comes first.
fn this_program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    let running = PathBuf::from("/proc/self/exe");
    Ok(if !path.exists() && running.exists() {
        running
    } else {
        path
    })
}
