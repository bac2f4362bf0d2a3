//! What the checks ask of a trace.

use super::{BUFFER, DESTINATION, SOURCE};
use crate::trace::{Event, Kind, Phase, Trace};

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(super) struct Facts {
    /// In bytes.
    pub(super) mark: u64,
    pub(super) chunk: u64,
    /// Chunks the source wrote, and the destination took: their numbers.
    pub(super) written: Vec<u64>,
    pub(super) taken: Vec<u64>,
    pub(super) dropped: u64,
    pub(super) refused: u64,
    /// The highest level while the first half of the chunks was written, and
    /// after.
    pub(super) peaks: [u64; 2],
    /// How often the level was not what was written and not yet taken.
    pub(super) unexplained: usize,
    /// The level when the run was over.
    pub(super) rest: u64,
    /// The level at the end of each wait, in bytes.
    pub(super) resumed_at: Vec<u64>,
    /// Where the destination failed, by the place in the trace.
    pub(super) failed: Option<usize>,
    /// What the source wrote after that.
    pub(super) written_after: usize,
    /// Which ends were closed, and are not open any more.
    pub(super) closed: usize,
    pub(super) opened: usize,
}

impl Facts {
    pub(super) fn of(trace: &Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let chunks = number("chunks");
        let mut facts = Facts {
            chunk: number("chunk") * 1024,
            ..Facts::default()
        };
        let [source, buffer, destination] =
            [SOURCE, BUFFER, DESTINATION].map(|name| trace.id(name));
        let mut second_half = false;
        for (place, event) in trace.events.iter().enumerate() {
            let by = |id| Some(event.source) == id;
            match event.kind {
                Kind::Mark => facts.mark = event.subject,
                Kind::Level if by(buffer) => facts.note_level(event.subject, second_half),
                Kind::Write if by(source) => {
                    facts.written.push(event.subject);
                    facts.written_after += usize::from(facts.failed.is_some());
                    second_half |= event.subject > chunks / 2;
                }
                Kind::Write if by(buffer) => facts.taken.push(event.subject),
                Kind::Drop => facts.dropped += event.subject,
                Kind::Refuse => facts.refused += 1,
                Kind::Stall if event.phase == Phase::End && event.failure.is_none() => {
                    facts.resumed_at.push(facts.rest);
                }
                Kind::Open => facts.note_open(event),
                Kind::Handle if by(destination) && event.failure.is_some() => {
                    facts.failed = Some(place);
                }
                _ => {}
            }
        }
        facts
    }

    pub(super) fn peak(&self) -> u64 {
        self.peaks[0].max(self.peaks[1])
    }

    fn note_level(&mut self, level: u64, second_half: bool) {
        let backlog = (self.written.len() - self.taken.len().min(self.written.len())) as u64;
        self.unexplained += usize::from(level != backlog * self.chunk);
        self.rest = level;
        let peak = &mut self.peaks[usize::from(second_half)];
        *peak = level.max(*peak);
    }

    fn note_open(&mut self, event: &Event) {
        match event.phase {
            Phase::Begin => self.opened += 1,
            _ => self.closed += 1,
        }
    }
}
