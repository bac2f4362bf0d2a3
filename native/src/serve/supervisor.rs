//! Starts, monitors, drains and replaces the worker processes.
//!
//! The [`SupervisorDriver`] executes the decisions of a [`Supervisor`]. This process
//! keeps the listening socket open but serves no connections itself. While no worker is
//! ready, such as between a crash and the replacement, connections wait in the accept
//! queue instead of being refused.
//!
//! | signal | action |
//! |---|---|
//! | `SIGHUP` | rolling reload |
//! | `SIGTERM`, `SIGINT` | graceful shutdown; a second one aborts open requests |
//! | `SIGTTIN`, `SIGTTOU` | add a worker, remove a worker |

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

/// A worker that has served for this long counts as stable.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// The time limit for a worker to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

const NO_HEARTBEAT_REASON: &str = "no heartbeat for 5 s";

/// The requested limit on open files: two for each worker and each replacement, plus a
/// reserve. If the limit cannot be raised, starting too many workers fails.
const WANTED_OPEN_FILES: usize = 4096;

/// The maximum interval between checks for a suspension of this process.
const SUSPENSION_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// A longer interval between checks means that this process was suspended, and possibly
/// its workers too.
const SUSPENSION_THRESHOLD: Duration = Duration::from_secs(1);

/// Starts workers and replaces those that exit, until a signal shuts the server down.
/// `on_ready` is called once, when the first worker is ready.
///
/// # Errors
///
/// If no worker is ready for too long, or if `on_ready` fails. In both cases, no worker
/// is left running.
pub(super) async fn supervise(
    config: ClusterConfig,
    signals: Signals,
    on_ready: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    worker::raise_open_files(WANTED_OPEN_FILES);
    let mut driver = SupervisorDriver::new(config)?;
    tokio::select! {
        result = driver.run(signals, on_ready) => result,
        never = reaper::reap() => match never {},
    }
    // Dropping the driver kills any remaining workers.
}

/// Creates the turn table. Workers can serve without it.
fn create_turn_table() -> Option<Arc<TurnTable>> {
    let table = TurnTable::create();
    table
        .inspect_err(|cause| {
            log(format!(
                "cannot create the table that balances connections ({cause}); workers may receive \
                 uneven shares"
            ));
        })
        .ok()
}

/// Drives a [`Supervisor`]: starts processes, forwards their events and executes the
/// resulting actions.
struct SupervisorDriver {
    spec: WorkerSpec,
    journal: Journal,
    shutdown_timeout: Duration,
    started_at: Instant,
    supervisor: Supervisor,
    /// The running processes, including draining ones.
    processes: BTreeMap<WorkerId, WorkerProcess>,
    scrapes: Scrapes,
    event_sender: mpsc::UnboundedSender<WorkerEvent>,
    events: mpsc::UnboundedReceiver<WorkerEvent>,
    is_shutting_down: bool,
    /// The deadline of a shutdown, at which workers that are still draining are stopped.
    shutdown_deadline: Option<Instant>,
    /// The last crash or failed start, for the error message when the supervisor gives up.
    last_failure: String,
    failing: FailingSlots,
    give_up_after: Duration,
    /// The time of the last check for a suspension.
    last_suspension_check: Instant,
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
            .ready_within(READY_TIMEOUT)
            .heartbeat_within(HEARTBEAT_TIMEOUT)
            // Longer than the workers' own timeouts.
            .drain_within(DRAIN_TIMEOUT + 2 * GRACE_PERIOD)
            .stop_within(shutdown_timeout + 2 * GRACE_PERIOD)
            // `RandomState` is seeded with random bytes from the system.
            .seed(RandomState::new().hash_one("pauses"));
        Ok(SupervisorDriver {
            spec: WorkerSpec {
                listener: Some(config.listener),
                content: config.content,
                program: Program::current().map_err(Error::Runtime)?,
                turns: create_turn_table(),
            },
            journal: Journal { json: config.json },
            shutdown_timeout,
            started_at: Instant::now(),
            supervisor: Supervisor::new(config.workers, options, Duration::ZERO),
            processes: BTreeMap::new(),
            scrapes: Scrapes::default(),
            event_sender,
            events,
            is_shutting_down: false,
            shutdown_deadline: None,
            last_failure: String::new(),
            failing: FailingSlots::default(),
            give_up_after: config.give_up_after,
            last_suspension_check: Instant::now(),
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
                // Events are handled before the deadline, because they can cancel it.
                biased;
                command = signals.next() => {
                    if let SupervisorCommand::Stop(signal) = command {
                        if is_stopping {
                            log("second signal: aborting open requests");
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

    /// Returns the time at which [`tick`](Self::tick) is due, unless an event comes
    /// first.
    fn deadline(&self) -> Instant {
        let deadlines = [self.supervisor.next_deadline(), self.scrapes.deadline()];
        let deadlines = deadlines.into_iter().flatten();
        // The supervisor's deadline may exceed the range of `Instant`.
        let deadlines = deadlines.filter_map(|after| self.started_at.checked_add(after));
        let processes = self.processes.values();
        let hang_deadlines = processes.filter_map(WorkerProcess::hang_deadline);
        let deadlines = deadlines
            .chain(self.shutdown_deadline)
            .chain(hang_deadlines);
        deadlines.fold(
            self.last_suspension_check + SUSPENSION_CHECK_INTERVAL,
            Instant::min,
        )
    }

    /// Detects that this process was suspended, for example by `SIGSTOP`. The workers may
    /// also have been suspended and may resume later, so their heartbeat timeouts are
    /// restarted.
    fn detect_suspension(&mut self) {
        let now = Instant::now();
        let suspended_for = now - std::mem::replace(&mut self.last_suspension_check, now);
        if suspended_for < SUSPENSION_THRESHOLD {
            return;
        }
        log(format!(
            "the supervisor was suspended for {:.1} s; restarting the timeouts of all workers",
            suspended_for.as_secs_f64()
        ));
        self.supervisor
            .resumed(suspended_for, self.started_at.elapsed());
        for process in self.processes.values_mut() {
            process.restart_heartbeat_timeout();
        }
        if let Some(shutdown_deadline) = &mut self.shutdown_deadline {
            *shutdown_deadline += suspended_for;
        }
    }

    fn tick(&mut self) {
        self.detect_suspension();
        let now = self.started_at.elapsed();
        self.supervisor.tick(now);
        self.complete_scrapes();
        self.kill_hung_workers();
        if self
            .shutdown_deadline
            .is_some_and(|at| at <= Instant::now())
        {
            self.shutdown_deadline = None;
            for process in self.processes.values() {
                process.send(SupervisorMessage::Stop);
            }
        }
    }

    /// Executes the supervisor's pending actions.
    fn run_actions(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(id) => self.start(id),
                Action::Drain(id) => self.drain(id),
                Action::Kill(id) => self.kill(id),
                Action::Reloaded => self.on_reloaded(),
                Action::ReloadAborted(id) => self.on_reload_aborted(id.slot),
                Action::Escalate => self.give_up(),
                // The enum is non-exhaustive. Other actions are opt-in.
                _ => {}
            }
        }
    }

    fn start(&mut self, id: WorkerId) {
        // A reload starts the program's current file or fails.
        let can_fall_back = !self.supervisor.is_reloading();
        let spec = &self.spec;
        let result = spec.program.launch(can_fall_back, |program| {
            WorkerProcess::start(spec, program, id, &self.event_sender)
        });
        match result {
            Ok(Launched {
                value: mut process,
                file,
                fallback_cause,
            }) => {
                if let Some(cause) = fallback_cause {
                    log(format!(
                        "{} falls back to the running program, {}: {cause}",
                        process.label,
                        file.display()
                    ));
                }
                self.journal.started(process.label, &file);
                process.program = file;
                self.processes.insert(id, process);
            }
            Err(cause) => {
                self.supervisor.exited(id, self.started_at.elapsed());
                let failure = format!("worker {} cannot be started: {cause}", id.slot + 1);
                self.on_start_failure(id.slot, failure);
            }
        }
    }

    fn drain(&mut self, id: WorkerId) {
        let should_stop = self.is_shutting_down && self.shutdown_timeout.is_zero();
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.stage = Stage::Draining;
        self.journal.worker("draining", process.label);
        process.send(if should_stop {
            SupervisorMessage::Stop
        } else {
            SupervisorMessage::Drain
        });
    }

    fn kill(&mut self, id: WorkerId) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let reason = match process.stage {
            _ if self.supervisor.has_escalated() => "the supervisor gave up",
            Stage::Starting => "not ready in time",
            Stage::Serving => NO_HEARTBEAT_REASON,
            Stage::Draining => "draining took too long",
        };
        self.kill_process(id, reason);
    }

    /// Kills draining workers that have stopped sending heartbeats. Otherwise the
    /// supervisor would wait for the drain timeout, although a hung worker never
    /// finishes.
    fn kill_hung_workers(&mut self) {
        let now = Instant::now();
        let is_hung = |process: &WorkerProcess| process.hang_deadline().is_some_and(|at| at <= now);
        let hung = self.processes.iter().filter(|(_, it)| is_hung(it));
        let hung: Vec<WorkerId> = hung.map(|(id, _)| *id).collect();
        for id in hung {
            self.kill_process(id, NO_HEARTBEAT_REASON);
        }
    }

    fn kill_process(&mut self, id: WorkerId, reason: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.kill() {
            log(format!("{} killed: {reason}", process.label));
            self.journal
                .worker_with_reason("killed", process.label, reason);
        }
    }

    fn give_up(&mut self) {
        log(format!(
            "giving up: no worker was ready for {} s; shutting down",
            self.give_up_after.as_secs()
        ));
        self.journal.cluster("gave_up", json!({}));
        systemd::stopping();
        self.begin_shutdown();
    }

    /// Closes the listening socket and limits the time that workers have to drain.
    fn begin_shutdown(&mut self) {
        self.is_shutting_down = true;
        self.shutdown_deadline = Some(Instant::now() + self.shutdown_timeout);
        self.spec.listener = None;
    }

    /// Returns the serving worker of a slot.
    fn serving_worker(&self, slot: usize) -> Option<WorkerLabel> {
        let ids = WorkerId::new(slot, 0)..=WorkerId::new(slot, u64::MAX);
        let mut workers = self.processes.range(ids).rev();
        let is_serving =
            |(_, process): &(&WorkerId, &WorkerProcess)| process.stage == Stage::Serving;
        workers.find(is_serving).map(|(_, process)| process.label)
    }

    /// Returns a summary for the service manager.
    fn status(&self) -> String {
        let (ready, total) = (self.supervisor.ready_count(), self.supervisor.slots());
        let failing = match self.failing.worker_list() {
            workers if workers.is_empty() => String::new(),
            workers => format!("; failing to start: {workers}"),
        };
        format!(
            "{ready} of {total} workers ready, {} replaced{failing}",
            self.supervisor.restarts()
        )
    }
}
