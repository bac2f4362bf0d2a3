//! Keeps workers serving: the shell around [`Supervisor`], which decides.
//!
//! This process holds the socket that connections come in by and serves none of
//! them. While no worker serves, as between a crash and its replacement,
//! connections wait in the socket's queue and none is refused.
//!
//! | signal | what is done |
//! |---|---|
//! | `SIGHUP` | a rolling reload |
//! | `SIGTERM`, `SIGINT` | the end, in peace; a second one: at once |
//! | `SIGTTIN`, `SIGTTOU` | one worker more, one fewer |

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
use commands::Command;
use failing::FailingSlots;
use highwater::scale::{Action, Escalation, Supervisor, SupervisorOptions};
use journal::{Journal, WorkerLabel, log};
use process::{Stage, WorkerEvent, WorkerId, WorkerProcess, WorkerSpec};
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

/// A worker that has served for so long can do its work.
const STEADY_AFTER: Duration = Duration::from_secs(1);

/// How long a worker may take until it serves.
const READY_WITHIN: Duration = Duration::from_secs(10);

const NO_HEARTBEAT: &str = "it hangs, and gave no sign of life in time";

/// Two for each worker and each replacement, and some.
const OPEN_FILES: usize = 4096;

/// The longest time between two looks at whether this process was held up.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// A time between two looks that means that it was stopped, and perhaps its workers too.
const SUSPENDED_AFTER: Duration = Duration::from_secs(1);

/// Starts workers and replaces those that end, until a signal asks for the end of
/// all. `on_ready` is called once, when the first one is ready.
///
/// # Errors
///
/// If no worker is ready for too long, and what `on_ready` fails with. No worker is left in
/// any case.
pub(super) async fn supervise(
    config: ClusterConfig,
    signals: Signals,
    on_ready: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    worker::raise_open_files(OPEN_FILES);
    let mut shell = SupervisorDriver::new(config)?;
    tokio::select! {
        ended = shell.run(signals, on_ready) => ended,
        never = reaper::reap() => match never {},
    }
    // If workers are left after all, they are killed as they are dropped.
}

/// Creates the table by which the workers take turns. They serve without it, too.
fn turn_table() -> Option<Arc<TurnTable>> {
    let table = TurnTable::create();
    table
        .inspect_err(|cause| {
            log(format!(
                "the workers cannot take turns ({cause}): connections may be shared unevenly"
            ));
        })
        .ok()
}

struct SupervisorDriver {
    spec: WorkerSpec,
    journal: Journal,
    shutdown_timeout: Duration,
    start: Instant,
    supervisor: Supervisor,
    /// Those that have not ended, the draining ones included.
    processes: BTreeMap<WorkerId, WorkerProcess>,
    scrapes: Scrapes,
    event_sender: mpsc::UnboundedSender<WorkerEvent>,
    events: mpsc::UnboundedReceiver<WorkerEvent>,
    /// Whether all is to end.
    is_shutting_down: bool,
    /// When those that drain for that are to be hurried.
    expedite_at: Option<Instant>,
    last_exit: String,
    failing: FailingSlots,
    give_up_after: Duration,
    /// The time of the last look at whether it was held up.
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
            .stable_after(STEADY_AFTER)
            .ready_within(READY_WITHIN)
            .heartbeat_within(HEARTBEAT_TIMEOUT)
            // Longer than they give themselves.
            .drain_within(DRAIN_TIMEOUT + 2 * GRACE_PERIOD)
            .stop_within(shutdown_timeout + 2 * GRACE_PERIOD)
            // What the standard library seeds its maps with comes from the system.
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
            expedite_at: None,
            last_exit: String::new(),
            failing: FailingSlots::default(),
            give_up_after: config.give_up_after,
            checked_at: Instant::now(),
        })
    }

    /// Runs until all workers have ended for good.
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
                // News first: they may be what a deadline is about.
                biased;
                command = signals.next() => {
                    if let Command::Stop(signal) = command {
                        if is_stopping {
                            log("asked again to end: what is under way is cut off");
                            return Ok(ExitCode::from(signal.exit_code()));
                        }
                        is_stopping = true;
                    }
                    self.handle_command(command);
                }
                Some(events) = self.events.recv() => {
                    let is_ready = self.handle_event(events);
                    if is_ready && let Some(on_ready) = on_ready.take() {
                        on_ready()?;
                        systemd::ready(&self.status());
                    }
                }
                () = sleep_until(deadline) => self.tick(),
            }
        }
        if self.supervisor.has_escalated() {
            let last_exit = std::mem::take(&mut self.last_exit);
            return Err(Error::WorkersKeepExiting(last_exit));
        }
        log("all workers have ended");
        self.journal.cluster("stopped", json!({}));
        Ok(ExitCode::SUCCESS)
    }

    /// When something is to be done if nothing happens.
    fn deadline(&self) -> Instant {
        let deadlines = [self.supervisor.next_deadline(), self.scrapes.deadline()];
        let deadlines = deadlines.into_iter().flatten();
        // Those of the supervisor may be as far away as no clock goes.
        let deadlines = deadlines.filter_map(|after| self.start.checked_add(after));
        let silences = self
            .processes
            .values()
            .filter_map(WorkerProcess::hang_deadline);
        let deadlines = deadlines.chain(self.expedite_at).chain(silences);
        deadlines.fold(self.checked_at + CHECK_INTERVAL, Instant::min)
    }

    /// Looks whether this process could not run for a while, as after `SIGSTOP`. The
    /// workers may have been stopped as well and may go on later: then nobody's
    /// silence counts.
    fn detect_suspension(&mut self) {
        let now = Instant::now();
        let paused = now - std::mem::replace(&mut self.checked_at, now);
        if paused < SUSPENDED_AFTER {
            return;
        }
        log(format!(
            "held up for {:.1} s: all workers get their full time again",
            paused.as_secs_f64()
        ));
        self.supervisor.resumed(paused, self.start.elapsed());
        for process in self.processes.values_mut() {
            process.note_activity();
        }
        if let Some(expedite_at) = &mut self.expedite_at {
            *expedite_at += paused;
        }
    }

    fn tick(&mut self) {
        self.detect_suspension();
        let now = self.start.elapsed();
        self.supervisor.tick(now);
        self.complete_scrapes();
        self.kill_hung_workers();
        if self.expedite_at.is_some_and(|at| at <= Instant::now()) {
            self.expedite_at = None;
            for process in self.processes.values() {
                process.send(SupervisorMessage::Stop);
            }
        }
    }

    /// Does what the supervisor wants.
    fn run_actions(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(id) => self.start(id),
                Action::Drain(id) => self.drain(id),
                Action::Kill(id) => self.kill(id),
                Action::Reloaded => self.reloaded(),
                Action::ReloadAborted(id) => self.reload_aborted(id.slot),
                Action::Escalate => self.give_up(),
                // A supervisor that can do more does it when it is events to.
                _ => {}
            }
        }
    }

    fn start(&mut self, id: WorkerId) {
        // A reload is to bring what stands there now, or nothing.
        let may_fall_back = !self.supervisor.is_reloading();
        let spec = &self.spec;
        let launched = spec.program.launch(may_fall_back, |program| {
            WorkerProcess::start(spec, program, id, &self.event_sender)
        });
        match launched {
            Ok(Launched {
                what: mut process,
                file,
                in_place_of,
            }) => {
                if let Some(cause) = in_place_of {
                    log(format!(
                        "{}: {cause}; the running program is started in its place: {}",
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
                let what = format!("worker {} cannot be started: {cause}", id.slot + 1);
                self.failed_to_start(id.slot, what);
            }
        }
    }

    fn drain(&mut self, id: WorkerId) {
        let is_expedited = self.is_shutting_down && self.shutdown_timeout.is_zero();
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.stage = Stage::Draining;
        self.journal.worker("draining", process.label);
        process.send(if is_expedited {
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
            _ if self.supervisor.has_escalated() => "it is not needed any more",
            Stage::Starting => "it was not ready in time",
            Stage::Serving => NO_HEARTBEAT,
            Stage::Draining => "it has not come to its end in time",
        };
        self.kill_process(id, why);
    }

    /// The supervisor gives those that drain their time. But nobody has anything of one
    /// that hangs.
    fn kill_hung_workers(&mut self) {
        let now = Instant::now();
        let hangs = |process: &WorkerProcess| process.hang_deadline().is_some_and(|at| at <= now);
        let silent = self.processes.iter().filter(|(_, it)| hangs(it));
        let silent: Vec<WorkerId> = silent.map(|(id, _)| *id).collect();
        for id in silent {
            self.kill_process(id, NO_HEARTBEAT);
        }
    }

    fn kill_process(&mut self, id: WorkerId, why: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.kill() {
            log(format!("{} is ended by force: {why}", process.label));
            self.journal.worker_because("killed", process.label, why);
        }
    }

    fn give_up(&mut self) {
        log(format!(
            "gives up: no worker was ready for {} s",
            self.give_up_after.as_secs()
        ));
        self.journal.cluster("gave_up", json!({}));
        systemd::stopping();
        self.end();
    }

    /// All is to end: nobody is to come any more.
    fn end(&mut self) {
        self.is_shutting_down = true;
        self.expedite_at = Some(Instant::now() + self.shutdown_timeout);
        self.spec.listener = None;
    }

    /// The worker that has a slot now.
    fn serving_in_slot(&self, slot: usize) -> Option<WorkerLabel> {
        let of_slot = WorkerId::new(slot, 0)..=WorkerId::new(slot, u64::MAX);
        let mut workers = self.processes.range(of_slot).rev();
        let serves = |(_, process): &(&WorkerId, &WorkerProcess)| process.stage == Stage::Serving;
        workers.find(serves).map(|(_, process)| process.label)
    }

    fn status(&self) -> String {
        let (ready, all) = (self.supervisor.ready_count(), self.supervisor.slots());
        let failing = match self.failing.line() {
            workers if workers.is_empty() => String::new(),
            workers => format!("; these fail to start: {workers}"),
        };
        format!(
            "{ready} of {all} workers serve, {} were replaced{failing}",
            self.supervisor.restarts()
        )
    }
}
