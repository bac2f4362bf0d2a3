//! Keeps a process serving: the shell around [`Supervisor`], which decides.
//!
//! This process holds the socket that connections come in by and serves none of
//! them. While no process serves, as between a crash and its replacement,
//! connections wait in the socket's queue and none is refused.

mod process;

use crate::{
    error::Error,
    interrupt::{Signal, interrupted},
};
use highwater::scale::{Action, Supervisor, SupervisorOptions};
use process::{End, Event, Process, Told};
use std::{collections::BTreeMap, net::TcpListener, path::PathBuf, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

pub(super) use process::Recipe;

/// How long serving processes have to end once they are told to: longer than
/// they give their clients.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Starts a process that serves and replaces it when it ends, until a signal
/// comes. `is_served` is called once, when the first process is ready.
///
/// # Errors
///
/// If the processes end too fast, and what `is_served` fails with. No process is
/// left in any case.
pub(super) async fn supervise(
    listener: TcpListener,
    www: PathBuf,
    faults: bool,
    signal: impl Future<Output = Signal>,
    is_served: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let recipe = Recipe {
        listener,
        www,
        faults,
    };
    let mut shell = Shell::new(recipe);
    tokio::select! {
        biased;
        _ = signal => {
            shell.stop().await;
            Ok(())
        }
        error = shell.run(is_served) => {
            shell.stop().await;
            Err(error)
        }
    }
}

struct Shell {
    recipe: Recipe,
    start: Instant,
    machine: Supervisor,
    /// Those that have not ended, the draining ones included, by slot and
    /// generation.
    processes: BTreeMap<(usize, u64), Process>,
    tell: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
    last_end: String,
}

impl Shell {
    fn new(recipe: Recipe) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Shell {
            recipe,
            start: Instant::now(),
            machine: Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO),
            processes: BTreeMap::new(),
            tell,
            told,
            last_end: String::new(),
        }
    }

    /// Runs until it is of no use any more.
    async fn run(&mut self, is_served: impl FnOnce() -> Result<(), Error>) -> Error {
        let mut is_served = Some(is_served);
        loop {
            while let Some(action) = self.machine.next_action() {
                if self.act(action) {
                    return Error::KeepsEnding(std::mem::take(&mut self.last_end));
                }
            }
            let deadline = self.machine.next_deadline();
            let deadline = async {
                match deadline {
                    Some(deadline) => sleep_until(self.start + deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(told) = self.told.recv() => {
                    let is_ready = self.hear(told);
                    if is_ready
                        && let Some(is_served) = is_served.take()
                        && let Err(error) = is_served()
                    {
                        return error;
                    }
                }
                () = deadline => self.machine.tick(self.start.elapsed()),
            }
        }
    }

    /// Does what the machine wants; whether that was to give up.
    fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Start { slot, generation } => {
                match Process::start(&self.recipe, (slot, generation), &self.tell) {
                    Ok(process) => {
                        self.processes.insert((slot, generation), process);
                    }
                    Err(cause) => {
                        self.last_end = format!("it cannot be started: {cause}");
                        log(&format!("the serving process: {}", self.last_end));
                        self.machine.exited(slot, generation, self.start.elapsed());
                    }
                }
            }
            Action::Kill { slot, generation } => {
                if let Some(process) = self.processes.get(&(slot, generation)) {
                    log(&format!("process {} is ended by force", process.id));
                    process.kill();
                }
            }
            Action::Escalate => return true,
            // A machine that can do more does it when it is told to.
            _ => {}
        }
        false
    }

    /// Hears of a process; whether it is that it serves.
    fn hear(&mut self, told: Told) -> bool {
        let Told { name, event } = told;
        let (slot, generation) = name;
        let now = self.start.elapsed();
        match event {
            Event::Ready => {
                let is_replacement = generation > 1;
                if let Some(process) = self.processes.get(&name)
                    && is_replacement
                {
                    log(&format!("process {} serves", process.id));
                }
                self.machine.ready(slot, generation, now);
                return true;
            }
            Event::Drains => {
                if let Some(process) = self.processes.get(&name) {
                    self.last_end = "a bug".into();
                    log(&format!(
                        "process {} had a bug: it finishes what it has, and another one takes over",
                        process.id
                    ));
                }
                // Its place is free: nobody is to wait for it.
                self.machine.exited(slot, generation, now);
            }
            Event::Exited(end) => {
                let Some(process) = self.processes.remove(&name) else {
                    return false;
                };
                if let End::Unexpected(how) = end {
                    log(&format!("process {} ended: {how}", process.id));
                    self.last_end = how;
                }
                self.machine.exited(slot, generation, now);
            }
        }
        false
    }

    /// Lets all processes end, and sees to it that they do: at once if there is
    /// another signal.
    async fn stop(&mut self) {
        for process in self.processes.values() {
            process.stop();
        }
        let end = async {
            while !self.processes.is_empty()
                && let Some(Told { name, event }) = self.told.recv().await
            {
                if let Event::Exited(_) = event {
                    self.processes.remove(&name);
                }
            }
        };
        tokio::select! {
            () = end => {}
            () = sleep(STOP_WITHIN) => {}
            _ = interrupted() => {}
        }
        // Those that are left are killed as they are dropped.
    }
}

fn log(line: &str) {
    use std::io::Write;
    // Nobody is left to be told if it cannot be written.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}
