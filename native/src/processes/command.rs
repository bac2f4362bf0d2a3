//! The command that starts a child process, and the argument that identifies it.

use std::{env, io, path::PathBuf, process::Command};

/// The internal argument that precedes the name of the child's program.
#[cfg(not(test))]
const PROGRAM_ARGUMENT: &str = "--process";

/// The environment variable that replaces the argument in tests, because the test harness
/// parses the arguments.
#[cfg(test)]
pub(super) const PROGRAM_VARIABLE: &str = "HIGHWATER_PROCESS";

/// Returns the command that starts this program as a child.
pub(super) fn command(program: &str) -> io::Result<Command> {
    let mut command = Command::new(this_program()?);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;

        // A separate process group, so that Ctrl-C reaches only the parent.
        command.process_group(0);
        command.arg0(env::args_os().next().unwrap_or_default());
    }
    #[cfg(not(test))]
    command.args([PROGRAM_ARGUMENT, program]);
    #[cfg(test)]
    command
        .args(["--exact", "--nocapture", "-q", "processes::tests::child"])
        .env(PROGRAM_VARIABLE, program);
    Ok(command)
}

/// Returns the name of the program to run, if this process is a child.
pub(super) fn program() -> Option<String> {
    #[cfg(not(test))]
    {
        let mut arguments = env::args_os().skip(1);
        arguments.next().filter(|first| first == PROGRAM_ARGUMENT)?;
        let name = arguments.next().unwrap_or_default();
        Some(name.to_string_lossy().into_owned())
    }
    #[cfg(test)]
    env::var(PROGRAM_VARIABLE).ok()
}

/// Returns the path of this program's executable. On Linux, returns `/proc/self/exe` if a
/// new build has replaced the file, because the new build may use another protocol. The
/// regular path is preferred, because a process started through `/proc/self/exe` has a
/// different name.
fn this_program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    let proc_self_exe = PathBuf::from("/proc/self/exe");
    Ok(if !path.exists() && proc_self_exe.exists() {
        proc_self_exe
    } else {
        path
    })
}
