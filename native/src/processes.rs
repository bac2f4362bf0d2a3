//! The process port: each process of a scenario is a child process that runs this
//! program.
//!
//! A child receives input on standard input and sends events on standard output, one per
//! line. It shares the parent's standard error.
//!
//! No child outlives its parent. Dropping a child's handle kills it, and the thread that
//! reads its output reaps it. If the parent exits for any reason, the child's standard
//! input is closed, and the child exits. A stopped child is then in an orphaned process
//! group, so the system sends it SIGHUP and SIGCONT.

mod child;
mod command;
#[cfg(all(test, target_os = "linux"))]
mod tests;

pub(crate) use child::run_as_child;

use futures::channel::mpsc::{self, UnboundedSender};
use highwater::platform::{
    Exit, Process, ProcessEvent, ProcessInput, ProcessLink, Processes, Program,
};
use highwater_server::logging;
use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio},
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as sync_mpsc},
    thread,
};

/// A process port that starts child processes.
#[derive(Debug)]
pub(crate) struct NativeProcesses;

impl Processes for NativeProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let (events, receiver) = mpsc::unbounded();
        match start(program.name, &events) {
            Ok((id, link)) => Process::new(id, receiver, Rc::new(link)),
            Err(cause) => {
                let reason = format!("failed to start: {cause}");
                // The receiver is still open.
                let _ = events.unbounded_send(ProcessEvent::Exited(Exit::Lost { reason }));
                Process::new(0, receiver, Rc::new(ChildLink::disconnected()))
            }
        }
    }
}

fn start(program: &str, events: &UnboundedSender<ProcessEvent>) -> io::Result<(u32, ChildLink)> {
    let mut child = command::command(program)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let id = child.id();
    let pipes = (child.stdin.take(), child.stdout.take());
    let child = Arc::new(Mutex::new(child));
    let (sender, inputs) = sync_mpsc::channel();
    // From here on, the child is killed if anything fails.
    let link = ChildLink {
        inputs: Some(sender),
        child: Some(Arc::clone(&child)),
    };
    let (Some(stdin), Some(stdout)) = pipes else {
        link.kill();
        return Err(io::Error::other(
            "the child has no standard input or output",
        ));
    };
    let events = events.clone();
    let threads = [
        spawn(format!("to {id}"), move || write_inputs(stdin, &inputs)),
        spawn(format!("from {id}"), move || {
            read_events(stdout, &child, &events);
        }),
    ];
    for thread in threads {
        thread.inspect_err(|_| link.kill())?;
    }
    Ok((id, link))
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name).spawn(work).map(drop)
}

/// The link to a child. A separate thread writes the input, so a child that does not read
/// cannot block the parent.
struct ChildLink {
    inputs: Option<sync_mpsc::Sender<ProcessInput>>,
    child: Option<Arc<Mutex<Child>>>,
}

impl ChildLink {
    /// Creates a link for a child that failed to start.
    fn disconnected() -> Self {
        ChildLink {
            inputs: None,
            child: None,
        }
    }

    fn write(&self, input: ProcessInput) {
        if let Some(inputs) = &self.inputs {
            // The receiver is gone if the child has exited.
            let _ = inputs.send(input);
        }
    }
}

impl ProcessLink for ChildLink {
    fn send(&self, message: String) {
        self.write(ProcessInput::Message(message));
    }

    fn close(&self) {
        self.write(ProcessInput::Close);
    }

    fn kill(&self) {
        if let Some(child) = &self.child {
            // Fails if the child was already reaped. Its pid may have been reused, so it
            // is not signalled.
            let _ = lock(child).kill();
        }
    }
}

/// Writes inputs until the link is dropped or the child closes its standard input.
fn write_inputs(mut stdin: ChildStdin, inputs: &sync_mpsc::Receiver<ProcessInput>) {
    for input in inputs {
        let line = input.to_line() + "\n";
        if stdin.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Forwards a child's events, reaps the child and reports its exit.
fn read_events(stdout: ChildStdout, child: &Mutex<Child>, events: &UnboundedSender<ProcessEvent>) {
    let mut exit = None;
    for line in BufReader::new(stdout).split(b'\n') {
        let Ok(line) = line else {
            // The child may still be running, but its events can no longer be read.
            let _ = lock(child).kill();
            break;
        };
        let line = String::from_utf8_lossy(&line);
        match ProcessEvent::from_line(&line) {
            Some(ProcessEvent::Exited(reported)) => exit = Some(reported),
            // The receiver is gone if the handle was dropped.
            Some(event) => drop(events.unbounded_send(event)),
            // Other output of the child, such as a debug print.
            None => logging::line(&line),
        }
    }
    // The child has closed its output and is exiting, so the wait is short.
    let status = lock(child).wait();
    let exit = exit.unwrap_or_else(|| match status {
        Ok(status) => exit_from_status(status),
        Err(cause) => lost(&format!("unknown exit status: {cause}")),
    });
    let _ = events.unbounded_send(ProcessEvent::Exited(exit));
}

/// Returns the exit of a child that did not report a reason.
fn exit_from_status(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    {
        use nix::sys::signal::Signal;
        use std::os::unix::process::ExitStatusExt;

        let signal = status.signal().map(Signal::try_from);
        if let Some(Ok(Signal::SIGKILL | Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP)) =
            signal
        {
            return Exit::Killed;
        }
    }
    lost(&format!("it exited without reporting a reason: {status}"))
}

fn lost(reason: &str) -> Exit {
    Exit::Lost {
        reason: reason.to_owned(),
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}
