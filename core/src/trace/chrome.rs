//! Export in the Chrome trace-event format.
//!
//! The format ("Trace Event Format", Google, 2016) requires the spans of a track to
//! nest. Those of a busy service overlap, so each source gets as many tracks as it
//! had concurrent spans.

use super::{Event, NameId, Phase, Trace, VERSION};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, io, time::Duration};

impl Trace {
    /// Writes the trace in the Chrome trace-event format, which Perfetto and
    /// `about:tracing` open.
    ///
    /// Each source is a named track. If its spans overlap, more tracks with the same
    /// name follow. The same trace always gives the same bytes. The output is written
    /// in small pieces, so pass a [`BufWriter`](std::io::BufWriter) for a file. Needs
    /// the feature `serde`.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.begin(RecordKind::Request, recorder.name("Api"), 1).succeed();
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    ///
    /// let mut json = Vec::new();
    /// trace.write_chrome(&mut json)?;
    /// assert!(json.starts_with(b"{\"traceEvents\":["));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of the writer.
    pub fn write_chrome(&self, writer: impl io::Write) -> io::Result<()> {
        write(self, writer)
    }
}

/// Writes one JSON object, with an event per line.
fn write(trace: &Trace, mut writer: impl io::Write) -> io::Result<()> {
    let tracks = Tracks::new(trace);
    let mut separator = "{\"traceEvents\":[\n";
    let mut line = |event: &ChromeEvent| -> io::Result<()> {
        writer.write_all(separator.as_bytes())?;
        separator = ",\n";
        serde_json::to_writer(&mut writer, event)?;
        Ok(())
    };
    let title = format!("{} ({})", trace.scenario, trace.world);
    line(&ChromeEvent::metadata("process_name", 0, &title))?;
    for (tid, name) in tracks.names(trace) {
        line(&ChromeEvent::metadata("thread_name", tid, &name))?;
    }
    for (index, event) in trace.events.iter().enumerate() {
        if let Some(shown) = tracks.chrome_event(trace, index, event) {
            line(&shown)?;
        }
        line(&ChromeEvent::in_flight(trace, event))?;
    }
    let params: BTreeMap<_, _> = trace.params.iter().cloned().collect();
    let other = json!({
        "schema": VERSION, "scenario": trace.scenario, "world": trace.world,
        "seed": trace.seed, "params": params, "dropped": trace.dropped, "died": trace.died,
    });
    writeln!(
        writer,
        "\n],\"displayTimeUnit\":\"ms\",\"otherData\":{other}}}"
    )
}

/// The track of each record.
struct Tracks {
    /// The lane of each record within its source, by index in the trace. `None` for a
    /// start whose end is on record: the end draws both.
    lanes: Vec<Option<usize>>,
    /// The first track number of each source, and the number of its tracks.
    first: BTreeMap<NameId, (usize, usize)>,
}

impl Tracks {
    fn new(trace: &Trace) -> Self {
        let mut lanes = vec![None; trace.events.len()];
        let mut sources: BTreeMap<NameId, Vec<Lane>> = BTreeMap::new();
        for (index, event) in trace.events.iter().enumerate() {
            let busy = sources
                .entry(event.source)
                .or_insert_with(|| vec![Lane::default()]);
            lanes[index] = Some(match event.phase {
                Phase::Instant => 0,
                Phase::Begin => {
                    let lane = Lane::free_at(event.at, busy);
                    busy[lane].open = Some(index);
                    lane
                }
                Phase::End => {
                    let ours = busy.iter().position(|lane| lane.has(trace, event));
                    // No lane matches if the start was dropped from the ring.
                    let lane = ours.unwrap_or_else(|| Lane::free_at(event.at, busy));
                    if let Some(begin) = busy[lane].open.take() {
                        lanes[begin] = None;
                    }
                    busy[lane].free_since = event.recorded_at();
                    lane
                }
            });
        }
        let mut next = 1;
        let first = sources
            .into_iter()
            .map(|(source, lanes)| {
                let first = next;
                next += lanes.len();
                (source, (first, lanes.len()))
            })
            .collect();
        Tracks { lanes, first }
    }

    fn names<'a>(&'a self, trace: &'a Trace) -> impl Iterator<Item = (usize, String)> + 'a {
        self.first.iter().flat_map(move |(source, (first, count))| {
            (0..*count).map(move |lane| {
                let name = trace.name(*source);
                let name = match lane {
                    0 => name.to_owned(),
                    _ => format!("{name} ({})", lane + 1),
                };
                (first + lane, name)
            })
        })
    }

    fn chrome_event<'a>(
        &self,
        trace: &'a Trace,
        index: usize,
        event: &Event,
    ) -> Option<ChromeEvent<'a>> {
        let lane = self.lanes[index]?;
        let ph = match event.phase {
            Phase::Begin => "B",
            Phase::End => "X",
            Phase::Instant => "i",
        };
        let mut args = BTreeMap::from([("subject", json!(event.subject))]);
        if let Some(target) = event.target {
            args.insert("target", json!(trace.name(target)));
        }
        if let Some(failure) = event.failure {
            args.insert("failure", json!(trace.name(failure)));
        }
        if event.thread != 0 {
            args.insert("thread", json!(event.thread));
        }
        Some(ChromeEvent {
            name: format!("{} {}", event.kind.as_str(), event.subject),
            cat: Some(event.kind.as_str()),
            ph,
            ts: Some(micros(event.at)),
            dur: (event.phase == Phase::End).then(|| micros(event.duration)),
            pid: 1,
            tid: self.first[&event.source].0 + lane,
            s: (event.phase == Phase::Instant).then_some("t"),
            args,
        })
    }
}

/// A track of one source, while the trace is read.
#[derive(Default)]
struct Lane {
    /// The start of the open span, by index in the trace.
    open: Option<usize>,
    /// The end of the last span.
    free_since: Duration,
}

impl Lane {
    /// Returns the first free lane for a span that began at `at`. That may be before
    /// the span before it ended, since a request counts from when it was due.
    fn free_at(at: Duration, lanes: &mut Vec<Lane>) -> usize {
        let free = |lane: &Lane| lane.open.is_none() && lane.free_since <= at;
        lanes.iter().position(free).unwrap_or_else(|| {
            lanes.push(Lane::default());
            lanes.len() - 1
        })
    }

    /// Returns whether `end` ends the open span of this lane.
    fn has(&self, trace: &Trace, end: &Event) -> bool {
        self.open.is_some_and(|begin| {
            let begin = &trace.events[begin];
            (begin.kind, begin.subject, begin.at) == (end.kind, end.subject, end.at)
        })
    }
}

#[derive(Serialize)]
struct ChromeEvent<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'a str>,
    ph: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u32,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    args: BTreeMap<&'a str, Value>,
}

impl ChromeEvent<'_> {
    fn metadata(name: &str, tid: usize, value: &str) -> Self {
        ChromeEvent {
            name: name.to_owned(),
            cat: None,
            ph: "M",
            ts: None,
            dur: None,
            pid: 1,
            tid,
            s: None,
            args: BTreeMap::from([("name", json!(value))]),
        }
    }

    /// Creates a point of the counter track of the open spans of the source.
    fn in_flight(trace: &Trace, event: &Event) -> Self {
        ChromeEvent {
            name: format!("{} in flight", trace.name(event.source)),
            cat: None,
            ph: "C",
            ts: Some(micros(event.recorded_at())),
            dur: None,
            pid: 1,
            tid: 0,
            s: None,
            args: BTreeMap::from([("spans", json!(event.counters.in_flight()))]),
        }
    }
}

/// The format's unit.
fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1000.0
}
