//! A place in a trace, to move forward and back.

use highwater::scenario;
#[cfg(any(feature = "errors", feature = "scaling"))]
use highwater::scenario::Stations;
#[cfg(feature = "errors")]
use highwater::scenario::Tally;
use highwater::trace::{Batch, Event, Phase, Summary, Trace};
use std::time::Duration;

/// How long a playback goes on after its last record, so that movements on the
/// screen complete. No time of the run passes meanwhile.
const AFTERGLOW: Duration = Duration::from_millis(800);

/// Behind a live run by more than this, a playback hurries to catch up.
const LATE: Duration = Duration::from_millis(100);

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
    /// How many records are played.
    position: usize,
    time: Duration,
    afterglow: Duration,
    summary: Summary,
    #[cfg(feature = "errors")]
    tally: Tally,
    #[cfg(any(feature = "errors", feature = "scaling"))]
    stations: Stations,
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
            position: 0,
            time: Duration::ZERO,
            afterglow: Duration::ZERO,
            summary: Summary::default(),
            #[cfg(feature = "errors")]
            tally: Tally::default(),
            #[cfg(any(feature = "errors", feature = "scaling"))]
            stations: Stations::default(),
            open: Vec::new(),
        };
        playback.known_until = playback.last_record();
        playback
    }

    /// Adds what was recorded up to `now` on the run's clock.
    pub(crate) fn push(&mut self, batch: Batch, now: Duration) {
        self.trace.append(batch);
        self.known_until = self.known_until.max(now).max(self.last_record());
    }

    /// Marks the trace as whole; `died` says why, if the run ended early.
    pub(crate) fn complete(&mut self, died: Option<String>) {
        self.is_complete = true;
        self.trace.died = died;
    }

    /// Plays on for `elapsed`, but not past what is known.
    pub(crate) fn advance(&mut self, elapsed: Duration) {
        let mut target = self.time + elapsed;
        if !self.is_complete && self.known_until > self.time + LATE {
            target += elapsed / 2;
        }
        let end = self.end();
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
        let Some(position) = self.position.checked_sub(1) else {
            return false;
        };
        self.go_to(position);
        true
    }

    /// Goes to where the first `position` records are played; all of them, if
    /// there are not as many.
    pub(crate) fn go_to(&mut self, position: usize) {
        self.position = 0;
        self.summary = Summary::default();
        #[cfg(feature = "errors")]
        {
            self.tally = Tally::default();
        }
        #[cfg(any(feature = "errors", feature = "scaling"))]
        {
            self.stations = Stations::default();
        }
        self.open.clear();
        while self.position < position.min(self.trace.events.len()) {
            self.apply_next();
        }
        self.time = self.latest().map_or(Duration::ZERO, Event::recorded_at);
        self.afterglow = Duration::ZERO;
    }

    /// Whether all of a whole trace is played.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_at_end() && self.afterglow == AFTERGLOW
    }

    /// Whether every record of a whole trace is played: what it shows is final.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_complete && self.position == self.trace.events.len()
    }

    /// The trace as far as it is known.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The totals at this moment.
    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What became of requests, up to this moment.
    #[cfg(feature = "errors")]
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The processes there are, and those there were, up to this moment.
    #[cfg(any(feature = "errors", feature = "scaling"))]
    pub(crate) fn stations(&self) -> &Stations {
        &self.stations
    }

    /// Whether it is a run about what loops do.
    pub(crate) fn is_about_loops(&self) -> bool {
        let scenario = scenario::find(&self.trace.scenario);
        scenario.is_ok_and(|scenario| scenario.chapter == "scaling")
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
        self.position
    }

    /// The records played so far, the oldest first.
    pub(crate) fn played(&self) -> &[Event] {
        &self.trace.events[..self.position]
    }

    /// The last record played.
    pub(crate) fn latest(&self) -> Option<&Event> {
        self.played().last()
    }

    /// The begins whose end is not played yet.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Event> {
        self.open.iter()
    }

    fn upcoming(&self) -> Option<&Event> {
        self.trace.events.get(self.position)
    }

    fn apply_next(&mut self) {
        let Some(event) = self.trace.events.get(self.position) else {
            return;
        };
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
        self.tally.apply(&self.trace, event);
        #[cfg(any(feature = "errors", feature = "scaling"))]
        self.stations.apply(&self.trace, event);
        self.position += 1;
    }

    fn last_record(&self) -> Duration {
        self.trace
            .events
            .last()
            .map_or(Duration::ZERO, Event::recorded_at)
    }

    /// The latest moment that can be shown.
    fn end(&self) -> Duration {
        if self.is_complete {
            self.last_record()
        } else {
            self.known_until
        }
    }
}
