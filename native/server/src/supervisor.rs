//! Starts, monitors, drains and replaces the worker processes.
//!
//! The [`SupervisorDriver`] executes the decisions of a [`Supervisor`]. This process
//! keeps the listening sockets open but serves no connections itself. While no worker is
//! ready, such as between a crash and the replacement, connections wait in the accept
//! queue instead of being refused.
//!
//! | signal | action |
//! |---|---|
//! | `SIGHUP` | rolling reload |
//! | `SIGTERM`, `SIGINT` | graceful shutdown; a second one aborts open requests |
//! | `SIGTTIN`, `SIGTTOU` | add a worker, remove a worker |

mod failing;
mod journal;
mod process;
mod program;
mod scrape;
mod systemd;

use crate::{
    control::{HEARTBEAT_TIMEOUT, SupervisorMessage, WorkerMessage},
    error::Error,
    limits::{Limits, raise_open_files},
    listen::Listeners,
    listen_addr::ListenAddr,
    logging,
    metrics::{Snapshot, SupervisorMetrics},
    options::{ClusterOptions, MAX_WORKERS, Opened, Options},
    reaper,
    signals::{Signals, SupervisorCommand},
    tls::Tls,
    turns::TurnTable,
};
use failing::FailingSlots;
use highwater::scale::{Action, Escalation, Supervisor, SupervisorOptions, WorkerId};
use journal::{Journal, WorkerLabel, log, log_at, log_worker};
use log::Level;
use process::{
    EVENTS_CAPACITY, Exit, ProcessEvent, Stage, StartFailure, WorkerEvent, WorkerProcess,
    WorkerSpec, with_remedy,
};
use program::{Launched, Program};
use scrape::Scrapes;
use serde_json::json;
use std::{
    collections::BTreeMap,
    env,
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

const NO_HEARTBEAT_REASON: &str = "no heartbeat for 5 s";

/// The requested limit on open files: two for each worker and each replacement, plus a
/// reserve. If the limit cannot be raised, starting too many workers fails.
const WANTED_OPEN_FILES: usize = 4096;

/// The maximum interval between checks for a suspension of this process.
const SUSPENSION_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// A longer interval between checks means that this process was suspended, and possibly
/// its workers too.
const SUSPENSION_THRESHOLD: Duration = Duration::from_secs(1);

/// Binds the address, starts workers and replaces those that exit, until a signal shuts the
/// cluster down.
///
/// # Errors
///
/// If the address cannot be bound, or no worker is ready for too long. In both cases, no
/// worker is left running.
pub(crate) async fn run(mut options: Options, cluster: ClusterOptions) -> Result<ExitCode, Error> {
    logging::start(options.log_level).map_err(Error::Runtime)?;
    // Signals are handled from here on, including during the preparation.
    let mut signals = Signals::new()?;
    // Checked first, so that no worker is started in vain. The workers read it again.
    options.load_tls()?;
    let journal = Journal {
        json: cluster.json_events,
    };
    let workers = cluster.workers;
    let on_bound = |addr: &ListenAddr| {
        let fields = json!({"addr": addr.to_string(), "workers": workers});
        journal.cluster("listening", fields);
    };
    let listeners = match options.open(signals.stop_cluster(), on_bound).await? {
        Opened::Listening(listeners) => listeners,
        Opened::Stopped(code) => return Ok(code),
    };
    let addr = listeners.service.local_addr().map_err(Error::Runtime)?;
    let on_ready = options.on_ready.take().unwrap_or_else(|| {
        let noun = if workers == 1 { "worker" } else { "workers" };
        let url = options.url(&addr);
        Box::new(move |_| log(format!("{workers} {noun} serving {url}")))
    });
    raise_open_files(WANTED_OPEN_FILES);
    let mut driver = SupervisorDriver::new(listeners, &options, &cluster)?;
    tokio::select! {
        result = driver.run(signals, || on_ready(addr)) => result,
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
    /// The certificate of the workers, checked before a reload.
    tls: Option<Tls>,
    started_at: Instant,
    supervisor: Supervisor,
    /// The running processes, including draining ones.
    processes: BTreeMap<WorkerId, WorkerProcess>,
    scrapes: Scrapes,
    event_sender: mpsc::Sender<WorkerEvent>,
    events: mpsc::Receiver<WorkerEvent>,
    is_shutting_down: bool,
    /// The deadline of a shutdown, at which workers that are still draining are stopped.
    shutdown_deadline: Option<Instant>,
    /// The last crash or failed start, for the error message when the supervisor gives up.
    last_failure: String,
    failing: FailingSlots,
    /// True once a worker was ready.
    has_started: bool,
    /// The failure that ends the cluster, because no worker was ever ready.
    start_error: Option<Error>,
    give_up_after: Duration,
    /// The time of the last check for a suspension.
    last_suspension_check: Instant,
}

impl SupervisorDriver {
    fn new(
        listeners: Listeners,
        options: &Options,
        cluster: &ClusterOptions,
    ) -> Result<Self, Error> {
        let (event_sender, events) = mpsc::channel(EVENTS_CAPACITY);
        let shutdown_timeout = options.shutdown_timeout;
        let Limits { drain, grace, .. } = options.limits;
        let supervisor_options = SupervisorOptions::new()
            .escalation(Escalation::NoneReady {
                within: cluster.give_up_after,
            })
            .stable_after(STABLE_AFTER)
            .ready_within(cluster.ready_timeout)
            .heartbeat_within(HEARTBEAT_TIMEOUT)
            // Longer than the workers' own timeouts.
            .drain_within(drain + 2 * grace)
            .stop_within(shutdown_timeout + 2 * grace)
            // `RandomState` is seeded with random bytes from the system.
            .seed(RandomState::new().hash_one("pauses"));
        Ok(SupervisorDriver {
            spec: WorkerSpec {
                listeners: Some(listeners),
                arguments: env::args_os().skip(1).collect(),
                program: Program::current().map_err(Error::Runtime)?,
                turns: create_turn_table(),
            },
            journal: Journal {
                json: cluster.json_events,
            },
            shutdown_timeout,
            tls: options.tls.clone(),
            started_at: Instant::now(),
            supervisor: Supervisor::new(cluster.workers, supervisor_options, Duration::ZERO),
            processes: BTreeMap::new(),
            scrapes: Scrapes::default(),
            event_sender,
            events,
            is_shutting_down: false,
            shutdown_deadline: None,
            last_failure: String::new(),
            failing: FailingSlots::default(),
            has_started: false,
            start_error: None,
            give_up_after: cluster.give_up_after,
            last_suspension_check: Instant::now(),
        })
    }

    /// Runs until all workers have exited.
    async fn run(
        &mut self,
        mut signals: Signals,
        on_ready: impl FnOnce(),
    ) -> Result<ExitCode, Error> {
        let mut on_ready = Some(on_ready);
        let mut is_stopping = false;
        loop {
            self.run_actions();
            if let Some(error) = self.start_error.take() {
                self.journal.cluster("gave_up", json!({}));
                return Err(error);
            }
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
                        on_ready();
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
            }
        }
    }

    fn start(&mut self, id: WorkerId) {
        // A reload starts the program's current file or fails.
        let can_fall_back = !self.supervisor.is_reloading();
        let spec = &self.spec;
        let result = spec.program.launch(can_fall_back, |program| {
            WorkerProcess::start(spec, program, id, &self.event_sender).map_err(with_remedy)
        });
        match result {
            Ok(Launched {
                value: mut process,
                file,
                fallback_cause,
            }) => {
                if let Some(cause) = fallback_cause {
                    let line = format!(
                        "{} falls back to the running program, {}: {cause}",
                        process.label,
                        file.display()
                    );
                    log_worker(Level::Warn, process.label, line);
                }
                self.journal.started(process.label, &file);
                process.program = file;
                self.processes.insert(id, process);
            }
            Err(cause) if !self.has_started => {
                let worker = id.slot + 1;
                self.start_error = Some(Error::StartWorker { worker, cause });
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
            let line = format!("{} killed: {reason}", process.label);
            log_worker(Level::Warn, process.label, line);
            self.journal
                .worker_with_reason("killed", process.label, reason);
        }
    }

    /// Handles an event. Returns true if a worker became ready.
    fn handle_event(&mut self, event: WorkerEvent) -> bool {
        self.detect_suspension();
        let WorkerEvent { id, event } = event;
        if let Some(process) = self.processes.get_mut(&id) {
            process.restart_heartbeat_timeout();
        }
        match event {
            ProcessEvent::Message(message) => return self.handle_message(id, message),
            ProcessEvent::Exited(exit) => self.on_exit(id, &exit),
        }
        false
    }

    fn handle_message(&mut self, id: WorkerId, message: WorkerMessage) -> bool {
        let now = self.started_at.elapsed();
        match message {
            WorkerMessage::Ready => {
                self.has_started = true;
                self.on_ready(id);
                self.supervisor.ready(id, now);
                return true;
            }
            WorkerMessage::Version(version) => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.version = Some(version);
                }
            }
            WorkerMessage::Failed {
                is_transient,
                cause,
            } => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.start_failure = Some(StartFailure {
                        is_transient,
                        cause,
                    });
                }
            }
            WorkerMessage::Heartbeat => self.supervisor.heartbeat(id, now),
            WorkerMessage::HadBug => self.retire(id, "had a bug"),
            WorkerMessage::GotSignal => self.retire(id, "received a signal"),
            WorkerMessage::Retire(reason) => {
                self.retire(id, &format!("requested a replacement: {reason}"));
            }
            WorkerMessage::Metrics(line) => {
                if let Ok(metrics) = Snapshot::from_line(&line) {
                    self.scrapes.record(id, metrics);
                    self.complete_scrapes();
                }
            }
            WorkerMessage::Scrape => {
                let workers = self.processes.keys().copied().collect();
                self.scrapes.begin(id, workers, now);
                for process in self.processes.values() {
                    process.send(SupervisorMessage::Metrics);
                }
            }
        }
        false
    }

    fn on_ready(&mut self, id: WorkerId) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.stage == Stage::Starting {
            process.stage = Stage::Serving;
        }
        let version = process.version.as_deref();
        self.journal.ready(process.label, version);
        let version = version.map_or_else(String::new, |version| format!(", version {version}"));
        let line = format!(
            "{} is ready: {}{version}",
            process.label,
            process.program.display()
        );
        log_worker(Level::Info, process.label, line);
        if self.failing.count() > 0 {
            process.send(SupervisorMessage::Failing(self.failing.worker_list()));
        }
    }

    /// Handles a worker's request to be replaced. Workers repeat the request.
    fn retire(&mut self, id: WorkerId, reason: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process.stage != Stage::Draining && !process.is_retiring {
            process.is_retiring = true;
            let label = process.label;
            let line = format!("{label} {reason}; it serves until its replacement is ready");
            log_worker(Level::Warn, label, line);
            self.journal.worker_with_reason("retiring", label, reason);
        }
        self.supervisor.retire(id, self.started_at.elapsed());
    }

    fn on_exit(&mut self, id: WorkerId, exit: &Exit) {
        self.scrapes.exited(id);
        self.complete_scrapes();
        let Some(process) = self.processes.remove(&id) else {
            return;
        };
        let WorkerProcess { label, stage, .. } = process;
        let verb = if process.is_killed() {
            "exited"
        } else if exit.is_clean() {
            "exited unexpectedly"
        } else {
            "crashed"
        };
        self.journal
            .worker_with_reason("exited", label, &exit.to_string());
        self.supervisor.exited(id, self.started_at.elapsed());
        match stage {
            // The supervisor gave up and is shutting down. The cause has already been
            // logged.
            _ if self.supervisor.has_escalated() => {
                log_worker(Level::Warn, label, format!("{label} exited: {exit}"));
            }
            Stage::Starting => {
                let program = process.program.display();
                let failure = match &process.start_failure {
                    Some(failure) => {
                        format!("{label} cannot create the service: {}", failure.cause)
                    }
                    None => format!("{label} exited before it was ready: {exit} ({program})"),
                };
                if self.can_retry_start(&process, exit) {
                    self.on_start_failure(id.slot, failure);
                } else {
                    self.start_error.get_or_insert(match process.start_failure {
                        Some(failure) => Error::Service(failure.cause.into()),
                        None => Error::WorkerExited(failure),
                    });
                }
            }
            Stage::Serving => {
                self.last_failure = format!("{label} {verb}: {exit}");
                // After a scale-down there may be no slot to fill.
                let next = if id.slot < self.supervisor.slots() {
                    "; it will be replaced"
                } else {
                    ""
                };
                let line = format!("{}{next}", self.last_failure);
                log_worker(Level::Error, label, line);
            }
            Stage::Draining if exit.is_clean() => {}
            Stage::Draining => {
                self.last_failure = format!("{label} {verb} while draining: {exit}");
                log_worker(Level::Error, label, &self.last_failure);
            }
        }
    }

    /// Returns false if a worker failed to start, and the cluster never served: then the
    /// program or its settings are wrong. A dependency that is unavailable may be starting
    /// at the same time.
    fn can_retry_start(&self, process: &WorkerProcess, exit: &Exit) -> bool {
        let is_transient = match &process.start_failure {
            Some(failure) => failure.is_transient,
            None => process.is_killed() || exit.is_requested(),
        };
        self.has_started || self.is_shutting_down || is_transient
    }

    /// Records and logs a failed start. The supervisor has already been notified.
    fn on_start_failure(&mut self, slot: usize, failure: String) {
        let now = self.started_at.elapsed();
        self.last_failure = failure;
        if !self.supervisor.is_failing(slot) {
            return log_at(Level::Error, &self.last_failure);
        }
        let before = self.failing.count();
        let Some(suppressed) = self.failing.record_failure(slot, now) else {
            return;
        };
        let (ready, total) = (self.supervisor.ready_count(), self.supervisor.slots());
        let suppressed_note = match suppressed {
            0 => String::new(),
            count => format!(" ({count} more failures since the last log line)"),
        };
        log(format!(
            "{}{suppressed_note}; retrying worker {} with delays of up to 10 s, {ready} of {total} \
             workers ready",
            self.last_failure,
            slot + 1
        ));
        if self.failing.count() > before {
            self.publish_failing();
        }
    }

    /// Forgets failing slots that have recovered or were removed.
    fn forget_recovered(&mut self) {
        let (supervisor, slots) = (&self.supervisor, self.supervisor.slots());
        if self
            .failing
            .retain(|slot| slot < slots && supervisor.is_failing(slot))
        {
            self.publish_failing();
        }
    }

    /// Reports the failing workers to the journal, the service manager and all workers.
    fn publish_failing(&self) {
        let workers = self.failing.worker_numbers();
        self.journal.cluster("failing", json!({"workers": workers}));
        systemd::status(&self.status());
        for process in self.processes.values() {
            process.send(SupervisorMessage::Failing(self.failing.worker_list()));
        }
    }

    /// Replies to the scrapes that are complete or have timed out.
    fn complete_scrapes(&mut self) {
        let supervisor_metrics = SupervisorMetrics {
            configured: self.supervisor.slots(),
            ready: self.supervisor.ready_count(),
            failing: self.failing.count(),
            restarts: self.supervisor.restarts(),
        };
        for (requester, mut sum) in self.scrapes.take_complete(self.started_at.elapsed()) {
            if let Some(process) = self.processes.get(&requester) {
                supervisor_metrics.add_to(&mut sum);
                process.send(SupervisorMessage::Scraped(sum.to_line()));
            }
        }
    }

    /// Executes a command.
    fn handle_command(&mut self, command: SupervisorCommand) {
        self.detect_suspension();
        match command {
            SupervisorCommand::Stop(_) => self.stop(),
            SupervisorCommand::Reload => self.reload(),
            SupervisorCommand::AddWorker => self.scale_to(self.supervisor.slots() + 1),
            SupervisorCommand::RemoveWorker => self.scale_to(self.supervisor.slots() - 1),
        }
    }

    fn stop(&mut self) {
        if self.supervisor.has_escalated() {
            // The supervisor is already shutting down.
            return;
        }
        log(
            "shutting down: no new connections are accepted; a second signal aborts open \
             requests",
        );
        self.journal.cluster("stopping", json!({}));
        systemd::stopping();
        self.begin_shutdown();
        self.supervisor.shutdown(self.started_at.elapsed());
    }

    fn reload(&mut self) {
        if self.is_shutting_down {
            return log("reload ignored: the server is shutting down");
        }
        if let Err(cause) = self.check_reload() {
            let line = format!("reload aborted: {cause}; all workers keep serving");
            log_at(Level::Warn, line);
            let fields = json!({"why": cause});
            self.journal.cluster("reload_aborted", fields);
            // A service manager that requested the reload waits for both notifications.
            systemd::reloading();
            if !self.supervisor.is_reloading() {
                systemd::ready(&self.status());
            }
            return;
        }
        if self.supervisor.is_reloading() {
            log("reload queued: it starts after the current one");
        } else {
            log("reload started: workers are replaced one at a time");
        }
        self.journal.cluster("reloading", json!({}));
        systemd::reloading();
        self.supervisor.reload(self.started_at.elapsed());
    }

    /// Returns why the workers of a reload could not start.
    fn check_reload(&self) -> Result<(), String> {
        let program = self.spec.program.resolve();
        program.map_err(|cause| cause.to_string())?;
        let tls = self.tls.as_ref().map(Tls::load_and_warn).transpose();
        tls.map(drop).map_err(|cause| cause.to_string())
    }

    fn scale_to(&mut self, workers: usize) {
        let current = self.supervisor.slots();
        if self.is_shutting_down {
            return log("scaling ignored: the server is shutting down");
        }
        if !(1..=MAX_WORKERS).contains(&workers) {
            return log(format!(
                "scaling ignored: the number of workers stays {current}, because it must be 1 to 1,024"
            ));
        }
        let direction = if workers < current { "down" } else { "up" };
        let noun = if workers == 1 { "worker" } else { "workers" };
        log(format!("scaling {direction} to {workers} {noun}"));
        self.journal.cluster("scaled", json!({"workers": workers}));
        self.supervisor.scale_to(workers, self.started_at.elapsed());
        systemd::status(&self.status());
    }

    /// Reports a completed reload.
    fn on_reloaded(&mut self) {
        log("reload complete");
        self.journal.cluster("reloaded", json!({}));
        if !self.supervisor.is_reloading() {
            systemd::ready(&self.status());
        }
    }

    /// Reports a reload that was aborted because the replacement in this slot failed.
    fn on_reload_aborted(&mut self, slot: usize) {
        let serving_worker = self.serving_worker(slot);
        let next = serving_worker.map_or_else(
            || "its start is retried".to_owned(),
            |label| format!("{label} and all others keep serving"),
        );
        let line = format!(
            "reload aborted: the replacement for worker {} never became ready; {next}",
            slot + 1
        );
        log_at(Level::Warn, line);
        self.journal
            .cluster("reload_aborted", json!({"worker": slot + 1}));
        if !self.supervisor.is_reloading() {
            systemd::ready(&self.status());
        }
    }

    fn give_up(&mut self) {
        let line = format!(
            "giving up: no worker was ready for {} s; shutting down",
            self.give_up_after.as_secs()
        );
        log_at(Level::Error, line);
        self.journal.cluster("gave_up", json!({}));
        systemd::stopping();
        self.begin_shutdown();
    }

    /// Closes the listening sockets and limits the time that workers have to drain.
    fn begin_shutdown(&mut self) {
        self.is_shutting_down = true;
        self.shutdown_deadline = Some(Instant::now() + self.shutdown_timeout);
        self.spec.listeners = None;
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
