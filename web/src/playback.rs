//! A place in a trace, to move forward and back.

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

/// How long a playback goes on after its last record, so that movements on the
/// screen complete. No time of the run passes meanwhile.
const AFTERGLOW: Duration = Duration::from_millis(800);

/// Behind a live run by more than this, a playback hurries to catch up.
const MAX_LAG: Duration = Duration::from_millis(100);

/// How many moments are checkpoints, at most, to go back to.
const MAX_CHECKPOINTS: usize = 16;

/// How many records lie between two of them at first.
const INITIAL_SPACING: usize = 1024;

/// Plays a trace: a moment in it, and the [`Summary`] of all that was recorded
/// up to then.
///
/// The trace may still grow while it is played. Whatever way a moment is
/// reached, by playing, stepping or going back, its numbers are the same.
#[derive(Debug)]
pub(crate) struct Playback {
    trace: Trace,
    is_complete: bool,
    /// The run's own clock when the last batch was taken.
    known_until: Duration,
    time: Duration,
    afterglow: Duration,
    now: PlaybackState,
    /// Moments to go back to, `spacing` records from one to the next. The first is
    /// the start.
    checkpoints: Vec<PlaybackState>,
    spacing: usize,
}

/// All that is known of a prefix of the trace.
#[derive(Clone, Debug, Default)]
struct PlaybackState {
    /// How many records are played.
    position: usize,
    summary: Summary,
    #[cfg(feature = "errors")]
    tally: Tally,
    /// A tally has them too.
    #[cfg(all(feature = "scaling", not(feature = "errors")))]
    worker_slots: WorkerSlots,
    /// The begins of what is in flight, which is little at any moment.
    open: Vec<Event>,
}

impl Playback {
    /// At the start of a trace.
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
        playback.known_until = playback.last_record();
        playback
    }

    /// Adds what was recorded up to `now` on the run's clock.
    pub(crate) fn push(&mut self, batch: RecordBatch, now: Duration) {
        self.trace.append(batch);
        self.known_until = self.known_until.max(now).max(self.last_record());
    }

    /// Marks the trace as whole; `died` says why, if the run ended early.
    pub(crate) fn complete(&mut self, died: Option<String>) {
        self.is_complete = true;
        self.trace.died = died;
    }

    /// Plays on for `elapsed`, but not past what is known. One that `may_catch_up`
    /// catches up with a run that it has fallen behind.
    pub(crate) fn advance(&mut self, elapsed: Duration, may_catch_up: bool) {
        let mut target = self.time + elapsed;
        if may_catch_up && !self.is_complete && self.known_until > self.time + MAX_LAG {
            target += elapsed / 2;
        }
        let end = self.length();
        if self.is_complete {
            self.afterglow += target.saturating_sub(end.max(self.time));
            self.afterglow = self.afterglow.min(AFTERGLOW);
        }
        self.time = target.min(end).max(self.time);
        while self
            .upcoming()
            .is_some_and(|event| event.recorded_at() <= self.time)
        {
            self.apply_next();
        }
    }

    /// Goes to the next record; `false` if there is none yet.
    pub(crate) fn step(&mut self) -> bool {
        let Some(next) = self.upcoming() else {
            return false;
        };
        self.time = self.time.max(next.recorded_at());
        self.apply_next();
        true
    }

    /// Goes back to before the last record; `false` at the start.
    pub(crate) fn back(&mut self) -> bool {
        let Some(position) = self.now.position.checked_sub(1) else {
            return false;
        };
        self.go_to(position);
        true
    }

    /// Goes to a moment of the run; `false` if it is not known yet, and goes to the
    /// latest that is.
    pub(crate) fn seek(&mut self, time: Duration) -> bool {
        let is_known = time <= self.known_until;
        let time = time.min(self.length());
        let is_past = |event: &Event| event.recorded_at() <= time;
        self.go_to(self.trace.events.partition_point(is_past));
        self.time = time;
        is_known
    }

    /// Goes to where the first `position` records are played; `false` if there are
    /// not as many, and all are played. It is not far from a moment that was checkpoints.
    pub(crate) fn go_to(&mut self, position: usize) -> bool {
        let is_known = position <= self.trace.events.len();
        let position = position.min(self.trace.events.len());
        let mut checkpoints = self.checkpoints.iter().rev();
        if let Some(nearest) = checkpoints.find(|moment| moment.position <= position)
            // This moment may be nearer yet.
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

    /// Whether all of a whole trace is played.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_at_end() && self.afterglow == AFTERGLOW
    }

    /// Whether every record of a whole trace is played: what it shows is final.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_complete && self.now.position == self.trace.events.len()
    }

    /// The trace as far as it is known.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The totals at this moment.
    pub(crate) fn summary(&self) -> &Summary {
        &self.now.summary
    }

    /// What became of requests, up to this moment.
    #[cfg(feature = "errors")]
    pub(crate) fn tally(&self) -> &Tally {
        &self.now.tally
    }

    /// The processes there are, and those there were, up to this moment.
    #[cfg(any(feature = "errors", feature = "scaling"))]
    pub(crate) fn worker_slots(&self) -> &[WorkerSlot] {
        #[cfg(feature = "errors")]
        return self.now.tally.worker_slots();
        #[cfg(not(feature = "errors"))]
        self.now.worker_slots.as_slice()
    }

    /// The place of that name, if there is one.
    #[cfg(feature = "scaling")]
    pub(crate) fn worker_slot(&self, worker: NameId) -> Option<&WorkerSlot> {
        self.worker_slots().iter().find(|it| it.worker == worker)
    }

    /// Whether it is a run of this chapter.
    pub(crate) fn is_about(&self, chapter: &str) -> bool {
        let scenario = scenario::find(&self.trace.scenario);
        scenario.is_ok_and(|scenario| scenario.chapter == chapter)
    }

    /// The trace as if the run had ended at this moment.
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

    /// The moment, on the run's clock.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// The moment for what moves on the screen: it goes on for a little when
    /// the run's own time is over.
    #[allow(dead_code, reason = "in a picture of loops nothing travels")]
    pub(crate) fn screen_time(&self) -> Duration {
        self.time + self.afterglow
    }

    /// How many records are played.
    pub(crate) fn position(&self) -> usize {
        self.now.position
    }

    /// The records played so far, the oldest first.
    pub(crate) fn played(&self) -> &[Event] {
        &self.trace.events[..self.now.position]
    }

    /// The last record played.
    pub(crate) fn latest(&self) -> Option<&Event> {
        self.played().last()
    }

    /// The begins whose end is not played yet.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Event> {
        self.now.open.iter()
    }

    fn upcoming(&self) -> Option<&Event> {
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
            // Every other one is given up.
            self.spacing *= 2;
            for place in 1..MAX_CHECKPOINTS / 2 {
                self.checkpoints.swap(place, 2 * place);
            }
            self.checkpoints.truncate(MAX_CHECKPOINTS / 2);
        }
        self.checkpoints.push(self.now.clone());
    }

    fn last_record(&self) -> Duration {
        self.trace
            .events
            .last()
            .map_or(Duration::ZERO, Event::recorded_at)
    }

    /// The latest moment that can be shown.
    pub(crate) fn length(&self) -> Duration {
        if self.is_complete {
            self.last_record()
        } else {
            self.known_until
        }
    }
}

impl PlaybackState {
    /// Adds the next record.
    fn apply(&mut self, trace: &Trace, event: &Event) {
        match event.phase {
            Phase::Begin => self.open.push(*event),
            Phase::End => {
                let is_its_begin = |begin: &Event| {
                    (begin.kind, begin.source, begin.subject)
                        == (event.kind, event.source, event.subject)
                };
                if let Some(place) = self.open.iter().position(is_its_begin) {
                    self.open.swap_remove(place);
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
