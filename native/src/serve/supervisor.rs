//! Supervision of the workers: starts, monitors, drains and replaces their processes.
//!
//! The [`SupervisorDriver`] executes the decisions of a [`Supervisor`]. This process holds
//! the listening socket but serves no connections itself. While no worker is ready, as
//! between a crash and its replacement, connections wait in the accept queue and none is
//! refused.
//!
//! | signal | action |
//! |---|---|
//! | `SIGHUP` | rolling reload |
//! | `SIGTERM`, `SIGINT` | graceful shutdown; a second one aborts open requests |
//! | `SIGTTIN`, `SIGTTOU` | one worker more, one worker fewer |

mod commands;
mod failing;
mod journal;
mod process;
mod program;
mod scrape;
mod signals;
mod systemd;
mod worker_events;

pub(crate) use signals::Signals;

use super::{
    config::ClusterConfig,
    control::{HEARTBEAT_TIMEOUT, SupervisorMessage},
    reaper,
    turns::TurnTable,
    worker::{self, DRAIN_TIMEOUT, GRACE_PERIOD},
};
use crate::error::Error;
use commands::SupervisorCommand;
use failing::FailingSlots;
use highwater::scale::{Action, Escalation, Supervisor, SupervisorOptions, WorkerId};
use journal::{Journal, WorkerLabel, log};
use process::{Stage, WorkerEvent, WorkerProcess, WorkerSpec};
use program::{Launched, Program};
use scrape::Scrapes;
use serde_json::json;
use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// The time of serving after which a worker counts as stable.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// The time that a worker has to become ready.
const READY_WITHIN: Duration = Duration::from_secs(10);

const NO_HEARTBEAT: &str = "no heartbeat for 5 s";

/// The wanted limit on open files: two for each worker and each replacement, and a
/// reserve. If it cannot be raised, starting too many workers fails with an error.
const OPEN_FILES: usize = 4096;

/// The maximum time between two checks for a suspension of this process.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The time between two checks that means that this process was suspended, and its
/// workers possibly too.
const SUSPENDED_AFTER: Duration = Duration::from_secs(1);

/// Starts workers and replaces those that exit, until a signal shuts the server down.
/// `on_ready` is called once, when the first worker is ready.
///
/// # Errors
///
/// If no worker is ready for too long, or if `on_ready` fails. No worker is left running
/// in any case.
pub(super) async fn supervise(
    config: ClusterConfig,
    signals: Signals,
    on_ready: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    worker::raise_open_files(OPEN_FILES);
    let mut driver = SupervisorDriver::new(config)?;
    tokio::select! {
        result = driver.run(signals, on_ready) => result,
        never = reaper::reap() => match never {},
    }
    // Dropping the driver kills any remaining workers.
}

/// Creates the table of turns. Workers also serve without it.
fn turn_table() -> Option<Arc<TurnTable>> {
    let table = TurnTable::create();
    table
        .inspect_err(|cause| {
            log(format!(
                "cannot create the table that balances connections ({cause}); workers may get \
                 uneven shares"
            ));
        })
        .ok()
}

/// Drives a [`Supervisor`]: starts processes, passes on their events and executes the
/// resulting actions.
struct SupervisorDriver {
    spec: WorkerSpec,
    journal: Journal,
    shutdown_timeout: Duration,
    start: Instant,
    supervisor: Supervisor,
    /// The running processes, including draining ones.
    processes: BTreeMap<WorkerId, WorkerProcess>,
    scrapes: Scrapes,
    event_sender: mpsc::UnboundedSender<WorkerEvent>,
    events: mpsc::UnboundedReceiver<WorkerEvent>,
    is_shutting_down: bool,
    /// The time at which a shutdown stops the workers that are still draining.
    stop_at: Option<Instant>,
    /// The last crash or failed start, for the error message when the supervisor gives up.
    last_failure: String,
    failing: FailingSlots,
    give_up_after: Duration,
    /// The time of the last check for a suspension.
    checked_at: Instant,
}

impl SupervisorDriver {
    fn new(config: ClusterConfig) -> Result<Self, Error> {
        let (event_sender, events) = mpsc::unbounded_channel();
        let shutdown_timeout = config.content.shutdown_timeout();
        let options = SupervisorOptions::new()
            .escalation(Escalation::NoneReady {
                within: config.give_up_after,
            })
            .stable_after(STABLE_AFTER)
            .ready_within(READY_WITHIN)
            .heartbeat_within(HEARTBEAT_TIMEOUT)
            // Longer than the workers' own timeouts.
            .drain_within(DRAIN_TIMEOUT + 2 * GRACE_PERIOD)
            .stop_within(shutdown_timeout + 2 * GRACE_PERIOD)
            // The standard library seeds its hash maps with random bytes from the system.
            .seed(RandomState::new().hash_one("pauses"));
        Ok(SupervisorDriver {
            spec: WorkerSpec {
                listener: Some(config.listener),
                content: config.content,
                program: Program::this().map_err(Error::Runtime)?,
                turns: turn_table(),
            },
            journal: Journal { json: config.json },
            shutdown_timeout,
            start: Instant::now(),
            supervisor: Supervisor::new(config.workers, options, Duration::ZERO),
            processes: BTreeMap::new(),
            scrapes: Scrapes::default(),
            event_sender,
            events,
            is_shutting_down: false,
            stop_at: None,
            last_failure: String::new(),
            failing: FailingSlots::default(),
            give_up_after: config.give_up_after,
            checked_at: Instant::now(),
        })
    }

    /// Runs until all workers have exited.
    async fn run(
        &mut self,
        mut signals: Signals,
        on_ready: impl FnOnce() -> Result<(), Error>,
    ) -> Result<ExitCode, Error> {
        let mut on_ready = Some(on_ready);
        let mut is_stopping = false;
        loop {
            self.run_actions();
            if self.supervisor.is_stopped() {
                break;
            }
            self.forget_recovered();
            let deadline = self.deadline();
            tokio::select! {
                // Events come before the deadline, because they may cancel it.
                biased;
                command = signals.next() => {
                    if let SupervisorCommand::Stop(signal) = command {
                        if is_stopping {
                            log("second signal: open requests are aborted");
                            return Ok(ExitCode::from(signal.exit_code()));
                        }
                        is_stopping = true;
                    }
                    self.handle_command(command);
                }
                Some(event) = self.events.recv() => {
                    let is_ready = self.handle_event(event);
                    if is_ready && let Some(on_ready) = on_ready.take() {
                        on_ready()?;
                        systemd::ready(&self.status());
                    }
                }
                () = sleep_until(deadline) => self.tick(),
            }
        }
        if self.supervisor.has_escalated() {
            let last_failure = std::mem::take(&mut self.last_failure);
            return Err(Error::WorkersKeepExiting(last_failure));
        }
        log("all workers have exited");
        self.journal.cluster("stopped", json!({}));
        Ok(ExitCode::SUCCESS)
    }

    /// Returns when [`tick`](Self::tick) is due if no event comes first.
    fn deadline(&self) -> Instant {
        let deadlines = [self.supervisor.next_deadline(), self.scrapes.deadline()];
        let deadlines = deadlines.into_iter().flatten();
        // The supervisor's deadline may exceed the range of `Instant`.
        let deadlines = deadlines.filter_map(|after| self.start.checked_add(after));
        let processes = self.processes.values();
        let hang_deadlines = processes.filter_map(WorkerProcess::hang_deadline);
        let deadlines = deadlines.chain(self.stop_at).chain(hang_deadlines);
        deadlines.fold(self.checked_at + CHECK_INTERVAL, Instant::min)
    }

    /// Detects that this process was suspended, as by `SIGSTOP`. The workers may have been
    /// suspended too and may resume later, so their heartbeat timeouts start anew.
    fn detect_suspension(&mut self) {
        let now = Instant::now();
        let paused = now - std::mem::replace(&mut self.checked_at, now);
        if paused < SUSPENDED_AFTER {
            return;
        }
        log(format!(
            "the supervisor was suspended for {:.1} s; timeouts of all workers start anew",
            paused.as_secs_f64()
        ));
        self.supervisor.resumed(paused, self.start.elapsed());
        for process in self.processes.values_mut() {
            process.note_activity();
        }
        if let Some(stop_at) = &mut self.stop_at {
            *stop_at += paused;
        }
    }

    fn tick(&mut self) {
        self.detect_suspension();
        let now = self.start.elapsed();
        self.supervisor.tick(now);
        self.complete_scrapes();
        self.kill_hung_workers();
        if self.stop_at.is_some_and(|at| at <= Instant::now()) {
            self.stop_at = None;
            for process in self.processes.values() {
                process.send(SupervisorMessage::Stop);
            }
        }
    }

    /// Executes the actions that the supervisor has decided on.
    fn run_actions(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(id) => self.start(id),
                Action::Drain(id) => self.drain(id),
                Action::Kill(id) => self.kill(id),
                Action::Reloaded => self.reloaded(),
                Action::ReloadAborted(id) => self.reload_aborted(id.slot),
                Action::Escalate => self.give_up(),
                // The enum is non-exhaustive. Further actions would have to be enabled.
                _ => {}
            }
        }
    }

    fn start(&mut self, id: WorkerId) {
        // A reload starts the current file of the program or fails.
        let may_fall_back = !self.supervisor.is_reloading();
        let spec = &self.spec;
        let launched = spec.program.launch(may_fall_back, |program| {
            WorkerProcess::start(spec, program, id, &self.event_sender)
        });
        match launched {
            Ok(Launched {
                value: mut process,
                file,
                fallback_cause,
            }) => {
                if let Some(cause) = fallback_cause {
                    log(format!(
                        "{} was started from the running program, {}: {cause}",
                        process.label,
                        file.display()
                    ));
                }
                self.journal.started(process.label, &file);
                process.program = file;
                self.processes.insert(id, process);
            }
            Err(cause) => {
                self.supervisor.exited(id, self.start.elapsed());
                let failure = format!("worker {} cannot be started: {cause}", id.slot + 1);
                self.on_start_failure(id.slot, failure);
            }
        }
    }

    fn drain(&mut self, id: WorkerId) {
        let stops_at_once = self.is_shutting_down && self.shutdown_timeout.is_zero();
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.stage = Stage::Draining;
        self.journal.worker("draining", process.label);
        process.send(if stops_at_once {
            SupervisorMessage::Stop
        } else {
            SupervisorMessage::Drain
        });
    }

    fn kill(&mut self, id: WorkerId) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let why = match process.stage {
            _ if self.supervisor.has_escalated() => "the supervisor gave up",
            Stage::Starting => "not ready in time",
            Stage::Serving => NO_HEARTBEAT,
            Stage::Draining => "draining took too long",
        };
        self.kill_process(id, why);
    }

    /// Kills draining workers that have stopped sending heartbeats. The supervisor itself
    /// would wait for the drain timeout, but a hung worker never finishes.
    fn kill_hung_workers(&mut self) {
        let now = Instant::now();
        let is_hung = |process: &WorkerProcess| process.hang_deadline().is_some_and(|at| at <= now);
        let hung = self.processes.iter().filter(|(_, it)| is_hung(it));
        let hung: Vec<WorkerId> = hung.map(|(id, _)| *id).collect();
        for id in hung {
            self.kill_process(id, NO_HEARTBEAT);
        }
    }

    fn kill_process(&mut self, id: WorkerId, why: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.kill() {
            log(format!("{} killed: {why}", process.label));
            self.journal.worker_because("killed", process.label, why);
        }
    }

    fn give_up(&mut self) {
        log(format!(
            "giving up: no worker was ready for {} s; all workers are killed",
            self.give_up_after.as_secs()
        ));
        self.journal.cluster("gave_up", json!({}));
        systemd::stopping();
        self.begin_shutdown();
    }

    /// Closes the listening socket and limits the time that workers have to drain.
    fn begin_shutdown(&mut self) {
        self.is_shutting_down = true;
        self.stop_at = Some(Instant::now() + self.shutdown_timeout);
        self.spec.listener = None;
    }

    /// Returns the worker that serves in a slot.
    fn serving_in_slot(&self, slot: usize) -> Option<WorkerLabel> {
        let ids = WorkerId::new(slot, 0)..=WorkerId::new(slot, u64::MAX);
        let mut workers = self.processes.range(ids).rev();
        let serves = |(_, process): &(&WorkerId, &WorkerProcess)| process.stage == Stage::Serving;
        workers.find(serves).map(|(_, process)| process.label)
    }

    /// Returns a summary for the service manager.
    fn status(&self) -> String {
        let (ready, all) = (self.supervisor.ready_count(), self.supervisor.slots());
        let failing = match self.failing.line() {
            workers if workers.is_empty() => String::new(),
            workers => format!("; failing to start: {workers}"),
        };
        format!(
            "{ready} of {all} workers ready, {} replaced{failing}",
            self.supervisor.restarts()
        )
    }
}
