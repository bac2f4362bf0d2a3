//! A batch as plain numbers.

use super::{Counters, Event, NameId, Phase, RecordBatch, RecordKind, VERSION};
use crate::latency::nanos;
use std::time::Duration;

/// A batch in the form in which instances of the program exchange it: names, and
/// 64-bit words, 80 bytes per record. Reading it takes very little code.
///
/// ```
/// use highwater::trace::{PackedBatch, RecordBatch};
///
/// let batch = RecordBatch { names: vec!["EmailService".into()], ..RecordBatch::default() };
/// let PackedBatch { names, words } = batch.clone().into();
/// assert_eq!(RecordBatch::try_from(PackedBatch { names, words })?, batch);
/// # Ok::<(), highwater::trace::MalformedBatch>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedBatch {
    /// The names of the batch.
    pub names: Vec<String>,
    /// The schema version, the index of the first name and the number of dropped
    /// records, followed by ten words per record.
    pub words: Vec<u64>,
}

impl PackedBatch {
    /// Returns the words of the records, without the header.
    #[cfg(feature = "analysis")]
    pub(crate) fn records(&self) -> &[u64] {
        self.words.get(HEADER..).unwrap_or_default()
    }
}

/// The error of unpacking words that are not a batch of this schema version.
///
/// ```
/// use highwater::trace::{MalformedBatch, PackedBatch, RecordBatch};
///
/// let packed = PackedBatch { names: Vec::new(), words: vec![0, 0, 0] };
/// assert_eq!(RecordBatch::try_from(packed), Err(MalformedBatch));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a batch of records of version {VERSION}")]
pub struct MalformedBatch;

const HEADER: usize = 3;
const RECORD: usize = 10;

/// Stands for an absent name.
const NONE: u32 = u32::MAX;

impl From<RecordBatch> for PackedBatch {
    fn from(batch: RecordBatch) -> Self {
        let mut words = Vec::with_capacity(HEADER + RECORD * batch.events.len());
        words.extend([VERSION.into(), batch.first_name as u64, batch.dropped]);
        for event in &batch.events {
            words.extend(pack(event));
        }
        PackedBatch {
            names: batch.names,
            words,
        }
    }
}

impl TryFrom<PackedBatch> for RecordBatch {
    type Error = MalformedBatch;

    fn try_from(PackedBatch { names, words }: PackedBatch) -> Result<Self, MalformedBatch> {
        let (header, records) = words.split_first_chunk::<HEADER>().ok_or(MalformedBatch)?;
        let [version, first_name, dropped] = *header;
        let (records, []) = records.as_chunks::<RECORD>() else {
            return Err(MalformedBatch);
        };
        // All names must exist, since readers index totals by name.
        let known = usize::try_from(first_name).ok();
        let known = known.and_then(|first| first.checked_add(names.len()));
        let known = known.ok_or(MalformedBatch)?;
        let is_known = |event: &Event| {
            let others = event.target.into_iter().chain(event.failure);
            others
                .chain([event.source])
                .all(|name| name.index() < known)
        };
        let unpack = |record| unpack(record).filter(is_known);
        let events: Option<Vec<Event>> = records.iter().map(unpack).collect();
        match (events, usize::try_from(first_name)) {
            (Some(events), Ok(first_name)) if version == u64::from(VERSION) => Ok(RecordBatch {
                first_name,
                names,
                events,
                dropped,
            }),
            _ => Err(MalformedBatch),
        }
    }
}

fn pack(event: &Event) -> [u64; RECORD] {
    let Counters {
        started,
        succeeded,
        failed,
        sent,
    } = event.counters;
    let index = |name: Option<NameId>| name.map_or(NONE, NameId::to_u32);
    [
        nanos(event.at),
        nanos(event.duration),
        pair(event.source.to_u32(), index(event.target)),
        pair(event.kind as u32, event.phase as u32),
        pair(index(event.failure), event.thread),
        event.subject,
        started,
        succeeded,
        failed,
        sent,
    ]
}

fn unpack(record: &[u64; RECORD]) -> Option<Event> {
    let [at, duration, names, what, more, subject, ..] = *record;
    let [.., started, succeeded, failed, sent] = *record;
    let name = |index: u32| (index != NONE).then(|| NameId::from_index(index as usize));
    let (source, target) = halves(names);
    let (kind, phase) = halves(what);
    let (failure, thread) = halves(more);
    Some(Event {
        at: Duration::from_nanos(at),
        duration: Duration::from_nanos(duration),
        source: name(source)?,
        target: name(target),
        kind: *RecordKind::ALL.get(kind as usize)?,
        phase: *[Phase::Begin, Phase::End, Phase::Instant].get(phase as usize)?,
        subject,
        failure: name(failure),
        counters: Counters {
            started,
            succeeded,
            failed,
            sent,
        },
        thread,
    })
}

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[expect(clippy::cast_possible_truncation, reason = "takes the halves")]
fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
