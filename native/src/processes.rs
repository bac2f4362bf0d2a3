//! Processes: this program again, started for one program of a scenario.
//!
//! A child gets its orders through standard input and tells what it has to by
//! standard output, a line each. Its standard error is ours.
//!
//! Nothing is left behind. A child is killed when its handle is dropped, and
//! waited for by the thread that listens to it. If this process is gone, however
//! that came, the child's standard input ends, and so does the child; one that was
//! stopped is an orphaned group then, which the system wakes or ends.

mod child;
mod command;
#[cfg(all(test, target_os = "linux"))]
mod tests;

pub(crate) use child::run_as_child;

use crate::logging;
use futures::channel::mpsc::{self, UnboundedSender};
use highwater::platform::{
    Exit, Process, ProcessEvent, ProcessInput, ProcessLink, Processes, Program,
};
use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio},
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as orders},
    thread,
};

/// Starts child processes.
#[derive(Debug)]
pub(crate) struct NativeProcesses;

impl Processes for NativeProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let (events, told) = mpsc::unbounded();
        match start(program.name, &events) {
            Ok((id, line)) => Process::new(id, told, Rc::new(line)),
            Err(cause) => {
                let reason = format!("it could not be started: {cause}");
                // The handle that is to read it is about to be made.
                let _ = events.unbounded_send(ProcessEvent::Exited(Exit::Lost { reason }));
                Process::new(0, told, Rc::new(Line::to_nobody()))
            }
        }
    }
}

fn start(program: &str, events: &UnboundedSender<ProcessEvent>) -> io::Result<(u32, Line)> {
    let mut child = command::command(program)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let id = child.id();
    let pipes = (child.stdin.take(), child.stdout.take());
    let child = Arc::new(Mutex::new(child));
    let (sender, orders) = orders::channel();
    // From here on it is killed if anything fails.
    let line = Line {
        orders: Some(sender),
        child: Some(Arc::clone(&child)),
    };
    let (Some(stdin), Some(stdout)) = pipes else {
        line.kill();
        return Err(io::Error::other("it has no pipes"));
    };
    let events = events.clone();
    let threads = [
        spawn(format!("tells {id}"), move || tell(stdin, &orders)),
        spawn(format!("hears {id}"), move || hear(stdout, &child, &events)),
    ];
    for thread in threads {
        thread.inspect_err(|_| line.kill())?;
    }
    Ok((id, line))
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name).spawn(work).map(drop)
}

/// The way to a child. A thread writes, so that a child that does not read
/// holds up nobody.
struct Line {
    orders: Option<orders::Sender<ProcessInput>>,
    child: Option<Arc<Mutex<Child>>>,
}

impl Line {
    fn to_nobody() -> Self {
        Line {
            orders: None,
            child: None,
        }
    }

    fn order(&self, order: ProcessInput) {
        if let Some(orders) = &self.orders {
            // Nobody takes it if the child has ended.
            let _ = orders.send(order);
        }
    }
}

impl ProcessLink for Line {
    fn send(&self, message: String) {
        self.order(ProcessInput::Message(message));
    }

    fn close(&self) {
        self.order(ProcessInput::Close);
    }

    fn kill(&self) {
        if let Some(child) = &self.child {
            // It fails where the child has ended; its number may be another's
            // by now, but the library knows that it was waited for.
            let _ = lock(child).kill();
        }
    }
}

/// Writes orders until there are none to come, or nobody to take them.
fn tell(mut stdin: ChildStdin, orders: &orders::Receiver<ProcessInput>) {
    for order in orders {
        let line = order.to_line() + "\n";
        if stdin.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Hands on what a child tells, waits for its end and tells that.
fn hear(stdout: ChildStdout, child: &Mutex<Child>, events: &UnboundedSender<ProcessEvent>) {
    let mut exit = None;
    for line in BufReader::new(stdout).split(b'\n') {
        let Ok(line) = line else {
            // It may go on, and nobody would hear it.
            let _ = lock(child).kill();
            break;
        };
        let line = String::from_utf8_lossy(&line);
        match ProcessEvent::from_line(&line) {
            Some(ProcessEvent::Exited(why)) => exit = Some(why),
            // Nobody reads if the handle was dropped.
            Some(event) => drop(events.unbounded_send(event)),
            // Somebody printed it.
            None => logging::line(&line),
        }
    }
    // Its output has ended, as it does when a process ends: it takes no time.
    let status = lock(child).wait();
    let exit = exit.unwrap_or_else(|| match status {
        Ok(status) => unexplained(status),
        Err(cause) => lost(&format!("its end is unknown: {cause}")),
    });
    let _ = events.unbounded_send(ProcessEvent::Exited(exit));
}

/// The end of a child that did not say why.
fn unexplained(status: ExitStatus) -> Exit {
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
    lost(&format!("it ended without a word: {status}"))
}

fn lost(reason: &str) -> Exit {
    Exit::Lost {
        reason: reason.to_owned(),
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}
