//! CSV export.

use crate::trace::{Phase, Trace};
use std::io::{self, Write};

/// Writes a trace as comma-separated values (RFC 4180): a header, then a line per
/// record, in order. Times are whole nanoseconds since the start of the run. Absent
/// values are empty.
///
/// The output is written in small pieces, so pass a [`BufWriter`](std::io::BufWriter)
/// for a file.
///
/// ```
/// use highwater::{analysis::write_csv, trace::{RecordKind, Recorder, Trace}};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::from_micros(5)), 1024);
/// recorder.begin(RecordKind::Request, recorder.name("Api, \"v2\""), 7).succeed();
/// let mut trace = Trace::default();
/// trace.append(recorder.drain());
///
/// let mut csv = Vec::new();
/// write_csv(&trace, &mut csv)?;
/// let csv = String::from_utf8(csv).unwrap();
/// let lines: Vec<_> = csv.split("\r\n").collect();
/// assert_eq!(lines[2], r#"5000,0,request,end,"Api, ""v2""",,7,,0,1,1,0,0"#);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Returns the error of the writer.
pub fn write_csv(trace: &Trace, mut writer: impl Write) -> io::Result<()> {
    writer.write_all(
        b"at_ns,duration_ns,kind,phase,source,target,subject,failure,thread,started,succeeded,failed,sent\r\n",
    )?;
    for event in &trace.events {
        let phase = match event.phase {
            Phase::Begin => "begin",
            Phase::End => "end",
            Phase::Instant => "instant",
        };
        write!(
            writer,
            "{},{},{},{phase},",
            event.at.as_nanos(),
            event.duration.as_nanos(),
            event.kind.as_str(),
        )?;
        field(&mut writer, trace.name(event.source))?;
        writer.write_all(b",")?;
        field(&mut writer, event.target.map_or("", |id| trace.name(id)))?;
        write!(writer, ",{},", event.subject)?;
        field(&mut writer, event.failure.map_or("", |id| trace.name(id)))?;
        let counters = event.counters;
        write!(
            writer,
            ",{},{},{},{},{}\r\n",
            event.thread, counters.started, counters.succeeded, counters.failed, counters.sent,
        )?;
    }
    Ok(())
}

/// Writes a field, quoted if necessary. The crate `csv` can do this too, but would
/// add 17 KB to the download of the page.
fn field(writer: &mut impl Write, text: &str) -> io::Result<()> {
    if !text.contains(['"', ',', '\r', '\n']) {
        return writer.write_all(text.as_bytes());
    }
    writer.write_all(b"\"")?;
    writer.write_all(text.replace('"', "\"\"").as_bytes())?;
    writer.write_all(b"\"")
}
