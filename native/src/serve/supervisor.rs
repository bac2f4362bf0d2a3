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

mod failing;
mod files;
mod journal;
mod news;
mod plan;
mod process;
mod program;
mod scrape;
mod signals;
mod systemd;
mod wishes;

pub(crate) use plan::{Content, Plan};
pub(crate) use signals::Signals;

use super::{
    children,
    control::{ALIVE_WITHIN, Order},
    turns::TurnTable,
    worker::{DRAIN_WITHIN, GRACE},
};
use crate::error::Error;
use failing::FailingSlots;
use highwater::scale::{Action, Escalation, Supervisor, SupervisorOptions};
use journal::{Journal, Who, log};
use process::{Name, Process, Recipe, Stage, Told};
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

const HANGS: &str = "it hangs, and gave no sign of life in time";

/// The longest time between two looks at whether this process was held up.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A time between two looks that means that it was stopped, and perhaps its workers too.
const HELD_UP: Duration = Duration::from_secs(1);

/// Starts workers and replaces those that end, until a signal asks for the end of
/// all. `is_served` is called once, when the first one is ready.
///
/// # Errors
///
/// If no worker is ready for too long, and what `is_served` fails with. No worker is left in
/// any case.
pub(super) async fn supervise(
    plan: Plan,
    signals: Signals,
    is_served: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    files::make_room();
    let mut shell = Shell::new(plan)?;
    tokio::select! {
        ended = shell.run(signals, is_served) => ended,
        never = children::reap() => match never {},
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

struct Shell {
    recipe: Recipe,
    journal: Journal,
    patience: Duration,
    start: Instant,
    machine: Supervisor,
    /// Those that have not ended, the draining ones included.
    processes: BTreeMap<Name, Process>,
    scrapes: Scrapes,
    tell: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
    /// Whether all is to end.
    is_ending: bool,
    /// When those that drain for that are to be hurried.
    hurry_at: Option<Instant>,
    last_end: String,
    failing: FailingSlots,
    give_up_after: Duration,
    /// The time of the last look at whether it was held up.
    looked_at: Instant,
}

impl Shell {
    fn new(plan: Plan) -> Result<Self, Error> {
        let (tell, told) = mpsc::unbounded_channel();
        let patience = plan.content.patience();
        let options = SupervisorOptions::new()
            .escalation(Escalation::NoneReady {
                within: plan.give_up_after,
            })
            .steady_after(STEADY_AFTER)
            .ready_within(READY_WITHIN)
            .heartbeat_within(ALIVE_WITHIN)
            // Longer than they give themselves.
            .drain_within(DRAIN_WITHIN + 2 * GRACE)
            .stop_within(patience + 2 * GRACE)
            // What the standard library seeds its maps with comes from the system.
            .seed(RandomState::new().hash_one("pauses"));
        Ok(Shell {
            recipe: Recipe {
                listener: Some(plan.listener),
                content: plan.content,
                program: Program::this().map_err(Error::Runtime)?,
                turns: turn_table(),
            },
            journal: Journal { json: plan.json },
            patience,
            start: Instant::now(),
            machine: Supervisor::new(plan.workers, options, Duration::ZERO),
            processes: BTreeMap::new(),
            scrapes: Scrapes::default(),
            tell,
            told,
            is_ending: false,
            hurry_at: None,
            last_end: String::new(),
            failing: FailingSlots::default(),
            give_up_after: plan.give_up_after,
            looked_at: Instant::now(),
        })
    }

    /// Runs until all workers have ended for good.
    async fn run(
        &mut self,
        mut signals: Signals,
        is_served: impl FnOnce() -> Result<(), Error>,
    ) -> Result<ExitCode, Error> {
        let mut is_served = Some(is_served);
        let mut is_stopping = false;
        loop {
            self.act();
            if self.machine.is_stopped() {
                break;
            }
            self.note_recovered();
            let deadline = self.deadline();
            tokio::select! {
                // News first: they may be what a deadline is about.
                biased;
                wish = signals.next() => {
                    if let signals::Wish::Stop(signal) = wish {
                        if is_stopping {
                            log("asked again to end: what is under way is cut off");
                            return Ok(ExitCode::from(signal.exit_code()));
                        }
                        is_stopping = true;
                    }
                    self.grant(wish);
                }
                Some(told) = self.told.recv() => {
                    let is_ready = self.hear(told);
                    if is_ready && let Some(is_served) = is_served.take() {
                        is_served()?;
                        systemd::ready(&self.status());
                    }
                }
                () = sleep_until(deadline) => self.tick(),
            }
        }
        if self.machine.has_escalated() {
            let last_end = std::mem::take(&mut self.last_end);
            return Err(Error::WorkersKeepExiting(last_end));
        }
        log("all workers have ended");
        self.journal.of_all("stopped", json!({}));
        Ok(ExitCode::SUCCESS)
    }

    /// When something is to be done if nothing happens.
    fn deadline(&self) -> Instant {
        let deadlines = [self.machine.next_deadline(), self.scrapes.deadline()];
        let deadlines = deadlines.into_iter().flatten();
        // Those of the machine may be as far away as no clock goes.
        let deadlines = deadlines.filter_map(|after| self.start.checked_add(after));
        let silences = self.processes.values().filter_map(Process::hangs_at);
        let deadlines = deadlines.chain(self.hurry_at).chain(silences);
        deadlines.fold(self.looked_at + LOOK_EVERY, Instant::min)
    }

    /// Looks whether this process could not run for a while, as after `SIGSTOP`. The
    /// workers may have been stopped as well and may go on later: then nobody's
    /// silence counts.
    fn look_whether_held_up(&mut self) {
        let now = Instant::now();
        let paused = now - std::mem::replace(&mut self.looked_at, now);
        if paused < HELD_UP {
            return;
        }
        log(format!(
            "held up for {:.1} s: all workers get their full time again",
            paused.as_secs_f64()
        ));
        self.machine.resumed(paused, self.start.elapsed());
        for process in self.processes.values_mut() {
            process.is_heard();
        }
        if let Some(hurry_at) = &mut self.hurry_at {
            *hurry_at += paused;
        }
    }

    fn tick(&mut self) {
        self.look_whether_held_up();
        let now = self.start.elapsed();
        self.machine.tick(now);
        self.answer_scrapes();
        self.kill_silent_leavers();
        if self.hurry_at.is_some_and(|at| at <= Instant::now()) {
            self.hurry_at = None;
            for process in self.processes.values() {
                process.order(Order::Stop);
            }
        }
    }

    /// Does what the machine wants.
    fn act(&mut self) {
        while let Some(action) = self.machine.next_action() {
            match action {
                Action::Start { slot, generation } => self.start(slot, generation),
                Action::Drain { slot, generation } => self.drain((slot, generation)),
                Action::Kill { slot, generation } => self.kill((slot, generation)),
                Action::Reloaded => self.reloaded(),
                Action::ReloadAborted { slot, .. } => self.reload_aborted(slot),
                Action::Escalate => self.give_up(),
                // A machine that can do more does it when it is told to.
                _ => {}
            }
        }
    }

    fn start(&mut self, slot: usize, generation: u64) {
        let name = (slot, generation);
        // A reload is to bring what stands there now, or nothing.
        let may_fall_back = !self.machine.is_reloading();
        let recipe = &self.recipe;
        let launched = recipe.program.launch(may_fall_back, |program| {
            Process::start(recipe, program, name, &self.tell)
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
                        process.who,
                        file.display()
                    ));
                }
                self.journal.started(process.who, &file);
                process.program = file;
                self.processes.insert(name, process);
            }
            Err(cause) => {
                self.machine.exited(slot, generation, self.start.elapsed());
                let what = format!("worker {} cannot be started: {cause}", slot + 1);
                self.failed_to_start(slot, what);
            }
        }
    }

    fn drain(&mut self, name: Name) {
        let is_hurried = self.is_ending && self.patience.is_zero();
        let Some(process) = self.processes.get_mut(&name) else {
            return;
        };
        process.stage = Stage::Drains;
        self.journal.of("draining", process.who);
        process.order(if is_hurried {
            Order::Stop
        } else {
            Order::Drain
        });
    }

    fn kill(&mut self, name: Name) {
        let Some(process) = self.processes.get(&name) else {
            return;
        };
        let why = match process.stage {
            _ if self.machine.has_escalated() => "it is not needed any more",
            Stage::Starts => "it was not ready in time",
            Stage::Serves => HANGS,
            Stage::Drains => "it has not come to its end in time",
        };
        self.end_by_force(name, why);
    }

    /// The machine gives those that drain their time. But nobody has anything of one
    /// that hangs.
    fn kill_silent_leavers(&mut self) {
        let now = Instant::now();
        let hangs = |process: &Process| process.hangs_at().is_some_and(|at| at <= now);
        let silent = self.processes.iter().filter(|(_, it)| hangs(it));
        let silent: Vec<Name> = silent.map(|(name, _)| *name).collect();
        for name in silent {
            self.end_by_force(name, HANGS);
        }
    }

    fn end_by_force(&mut self, name: Name, why: &str) {
        let Some(process) = self.processes.get_mut(&name) else {
            return;
        };
        if process.kill() {
            log(format!("{} is ended by force: {why}", process.who));
            self.journal.of_why("killed", process.who, why);
        }
    }

    fn give_up(&mut self) {
        log(format!(
            "gives up: no worker was ready for {} s",
            self.give_up_after.as_secs()
        ));
        self.journal.of_all("gave_up", json!({}));
        systemd::stopping();
        self.end();
    }

    /// All is to end: nobody is to come any more.
    fn end(&mut self) {
        self.is_ending = true;
        self.hurry_at = Some(Instant::now() + self.patience);
        self.recipe.listener = None;
    }

    /// The worker that has a slot now.
    fn in_slot(&self, slot: usize) -> Option<Who> {
        let mut workers = self.processes.range((slot, 0)..=(slot, u64::MAX)).rev();
        let serves = |(_, process): &(&Name, &Process)| process.stage == Stage::Serves;
        workers.find(serves).map(|(_, process)| process.who)
    }

    fn status(&self) -> String {
        let (ready, all) = (self.machine.ready_count(), self.machine.slots());
        let failing = match self.failing.line() {
            workers if workers.is_empty() => String::new(),
            workers => format!("; these fail to start: {workers}"),
        };
        format!(
            "{ready} of {all} workers serve, {} were replaced{failing}",
            self.machine.restarts()
        )
    }
}
