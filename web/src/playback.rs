//! Playback of a trace, forward and back.

use highwater::scenario;
#[cfg(feature = "errors")]
use highwater::scenario::Tally;
#[cfg(any(feature = "errors", feature = "scaling"))]
use highwater::scenario::WorkerSlot;
#[cfg(all(feature = "scaling", not(feature = "errors")))]
use highwater::scenario::WorkerSlots;
#[cfg(feature = "scaling")]
use highwater::trace::NameId;
use highwater::trace::{Event, Phase, RecordBatch, Summary, Trace};
use std::time::Duration;

/// Screen time after the last record, for animations to complete. The run's time does
/// not advance.
const AFTERGLOW: Duration = Duration::from_millis(800);

/// Lag behind a live run above which playback speeds up.
const MAX_LAG: Duration = Duration::from_millis(100);

/// Maximum number of checkpoints.
const MAX_CHECKPOINTS: usize = 16;

/// Initial number of records between two checkpoints.
const INITIAL_SPACING: usize = 1024;

/// A position in a trace, with the [`Summary`] of the records before it.
///
/// The trace may grow during playback. A moment shows the same numbers whether it
/// is reached by playing, stepping or seeking.
#[derive(Debug)]
pub(crate) struct Playback {
    trace: Trace,
    is_complete: bool,
    /// Time on the run's clock at the last batch.
    known_until: Duration,
    time: Duration,
    afterglow: Duration,
    now: PlaybackState,
    /// States to seek from, one every `spacing` records. The first is the start.
    checkpoints: Vec<PlaybackState>,
    spacing: usize,
}

/// The state after a prefix of the trace.
#[derive(Clone, Debug, Default)]
struct PlaybackState {
    /// Number of records played.
    position: usize,
    summary: Summary,
    #[cfg(feature = "errors")]
    tally: Tally,
    /// The `errors` feature has these in its tally.
    #[cfg(all(feature = "scaling", not(feature = "errors")))]
    worker_slots: WorkerSlots,
    /// The begin records of spans in flight. There are few at any moment.
    open: Vec<Event>,
}

impl Playback {
    /// Creates a playback at the start of a trace.
    pub(crate) fn new(trace: Trace) -> Self {
        let mut playback = Playback {
            trace,
            is_complete: false,
            known_until: Duration::ZERO,
            time: Duration::ZERO,
            afterglow: Duration::ZERO,
            now: PlaybackState::default(),
            checkpoints: vec![PlaybackState::default()],
            spacing: INITIAL_SPACING,
        };
        playback.known_until = playback.last_record_time();
        playback
    }

    /// Adds the records up to `now` on the run's clock.
    pub(crate) fn push(&mut self, batch: RecordBatch, now: Duration) {
        self.trace.append(batch);
        self.known_until = self.known_until.max(now).max(self.last_record_time());
    }

    /// Marks the trace as complete; `died` is the cause if the run ended early.
    pub(crate) fn complete(&mut self, died: Option<String>) {
        self.is_complete = true;
        self.trace.died = died;
    }

    /// Plays for `elapsed`, up to the last known moment. With `can_catch_up`, plays
    /// faster if it lags behind a live run.
    pub(crate) fn advance(&mut self, elapsed: Duration, can_catch_up: bool) {
        let mut target = self.time + elapsed;
        if can_catch_up && !self.is_complete && self.known_until > self.time + MAX_LAG {
            target += elapsed / 2;
        }
        let end = self.length();
        if self.is_complete {
            self.afterglow += target.saturating_sub(end.max(self.time));
            self.afterglow = self.afterglow.min(AFTERGLOW);
        }
        self.time = target.min(end).max(self.time);
        while self
            .next_record()
            .is_some_and(|event| event.recorded_at() <= self.time)
        {
            self.apply_next();
        }
    }

    /// Plays the next record. Returns `false` if there is none yet.
    pub(crate) fn step(&mut self) -> bool {
        let Some(next) = self.next_record() else {
            return false;
        };
        self.time = self.time.max(next.recorded_at());
        self.apply_next();
        true
    }

    /// Undoes the last record. Returns `false` at the start.
    pub(crate) fn back(&mut self) -> bool {
        let Some(position) = self.now.position.checked_sub(1) else {
            return false;
        };
        self.go_to(position);
        true
    }

    /// Seeks to a time of the run. If that is not known yet, seeks to the latest known
    /// moment and returns `false`.
    pub(crate) fn seek(&mut self, time: Duration) -> bool {
        let is_known = time <= self.known_until;
        let time = time.min(self.length());
        let is_played = |event: &Event| event.recorded_at() <= time;
        self.go_to(self.trace.events.partition_point(is_played));
        self.time = time;
        is_known
    }

    /// Seeks to the state after `position` records, from the nearest checkpoint. If there
    /// are fewer records, plays all of them and returns `false`.
    pub(crate) fn go_to(&mut self, position: usize) -> bool {
        let is_known = position <= self.trace.events.len();
        let position = position.min(self.trace.events.len());
        let mut checkpoints = self.checkpoints.iter().rev();
        if let Some(nearest) = checkpoints.find(|moment| moment.position <= position)
            // The current state may be nearer.
            && !(nearest.position..=position).contains(&self.now.position)
        {
            self.now = nearest.clone();
        }
        while self.now.position < position {
            self.apply_next();
        }
        self.time = self.latest().map_or(Duration::ZERO, Event::recorded_at);
        self.afterglow = Duration::ZERO;
        is_known
    }

    /// Returns `true` once a complete trace and its last animations are played.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_at_end() && self.afterglow == AFTERGLOW
    }

    /// Returns `true` once every record of a complete trace is played.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_complete && self.now.position == self.trace.events.len()
    }

    /// Returns the trace received so far.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Returns the current totals.
    pub(crate) fn summary(&self) -> &Summary {
        &self.now.summary
    }

    /// Returns the request outcomes so far.
    #[cfg(feature = "errors")]
    pub(crate) fn tally(&self) -> &Tally {
        &self.now.tally
    }

    /// Returns the worker slots with their processes so far.
    #[cfg(any(feature = "errors", feature = "scaling"))]
    pub(crate) fn worker_slots(&self) -> &[WorkerSlot] {
        #[cfg(feature = "errors")]
        return self.now.tally.worker_slots();
        #[cfg(not(feature = "errors"))]
        self.now.worker_slots.as_slice()
    }

    /// Returns the slot of a worker, if it has one.
    #[cfg(feature = "scaling")]
    pub(crate) fn worker_slot(&self, worker: NameId) -> Option<&WorkerSlot> {
        self.worker_slots().iter().find(|it| it.worker == worker)
    }

    /// Returns the scenario's chapter.
    pub(crate) fn chapter(&self) -> &'static str {
        scenario::find(&self.trace.scenario).map_or("", |scenario| scenario.chapter)
    }

    /// Returns the trace as if the run had ended at this moment.
    #[cfg(feature = "scaling")]
    pub(crate) fn prefix(&self) -> Trace {
        let trace = &self.trace;
        Trace {
            version: trace.version,
            scenario: trace.scenario.clone(),
            world: trace.world.clone(),
            seed: trace.seed,
            params: trace.params.clone(),
            names: trace.names.clone(),
            events: self.played().to_vec(),
            dropped: trace.dropped,
            died: None,
        }
    }

    /// Returns the current time on the run's clock.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Returns the time for animations, which continues briefly after the run's last
    /// record.
    #[allow(dead_code, reason = "pictures of loops have no moving parts")]
    pub(crate) fn screen_time(&self) -> Duration {
        self.time + self.afterglow
    }

    /// Returns the number of records played.
    pub(crate) fn position(&self) -> usize {
        self.now.position
    }

    /// Returns the records played so far, oldest first.
    pub(crate) fn played(&self) -> &[Event] {
        &self.trace.events[..self.now.position]
    }

    /// Returns the known records that are not played yet.
    #[allow(dead_code, reason = "pictures of loops have no moving parts")]
    pub(crate) fn upcoming(&self) -> &[Event] {
        &self.trace.events[self.now.position..]
    }

    /// Returns the last record played.
    pub(crate) fn latest(&self) -> Option<&Event> {
        self.played().last()
    }

    /// Returns the begin records of spans still in flight.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Event> {
        self.now.open.iter()
    }

    fn next_record(&self) -> Option<&Event> {
        self.trace.events.get(self.now.position)
    }

    fn apply_next(&mut self) {
        let Some(event) = self.trace.events.get(self.now.position) else {
            return;
        };
        self.now.apply(&self.trace, event);
        if self.now.position == self.checkpoints.len() * self.spacing {
            self.save_checkpoint();
        }
    }

    fn save_checkpoint(&mut self) {
        if self.checkpoints.len() == MAX_CHECKPOINTS {
            // Drop every other checkpoint.
            self.spacing *= 2;
            for index in 1..MAX_CHECKPOINTS / 2 {
                self.checkpoints.swap(index, 2 * index);
            }
            self.checkpoints.truncate(MAX_CHECKPOINTS / 2);
        }
        self.checkpoints.push(self.now.clone());
    }

    fn last_record_time(&self) -> Duration {
        self.trace
            .events
            .last()
            .map_or(Duration::ZERO, Event::recorded_at)
    }

    /// Returns the latest moment that can be shown.
    pub(crate) fn length(&self) -> Duration {
        if self.is_complete {
            self.last_record_time()
        } else {
            self.known_until
        }
    }
}

impl PlaybackState {
    /// Applies the next record.
    fn apply(&mut self, trace: &Trace, event: &Event) {
        match event.phase {
            Phase::Begin => self.open.push(*event),
            Phase::End => {
                let is_matching_begin = |begin: &Event| {
                    (begin.kind, begin.source, begin.subject)
                        == (event.kind, event.source, event.subject)
                };
                if let Some(index) = self.open.iter().position(is_matching_begin) {
                    self.open.swap_remove(index);
                }
            }
            Phase::Instant => {}
        }
        self.summary.apply(event);
        #[cfg(feature = "errors")]
        self.tally.apply(trace, event);
        #[cfg(all(feature = "scaling", not(feature = "errors")))]
        self.worker_slots.apply(trace, event);
        #[cfg(not(any(feature = "errors", feature = "scaling")))]
        let _ = trace;
        self.position += 1;
    }
}
