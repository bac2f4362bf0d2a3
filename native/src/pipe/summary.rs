//! The summary of a run, as text and as JSON.

use super::size::human_bytes;
use crate::report::{human_duration, render};
use highwater::stream::PipelineReport;
use serde_json::{Value, json};
use std::{fmt::Write, time::Duration};

/// Statistics of a completed run.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The names of the input and the output.
    pub(crate) files: [String; 2],
    /// Bytes read.
    pub(crate) bytes_in: u64,
    /// Bytes written.
    pub(crate) bytes_out: u64,
    /// The time from the first read to the complete output.
    pub(crate) duration: Duration,
    /// The peak number of bytes in flight.
    pub(crate) peak_in_flight: usize,
    /// The total time that the read thread was stalled.
    pub(crate) input_stalled: Duration,
    /// The statistics of each stage.
    pub(crate) report: PipelineReport,
}

impl Summary {
    /// Returns the throughput in MiB/s of the larger of input and output, so that
    /// compression and decompression are comparable.
    fn mib_per_second(&self) -> f64 {
        let bytes = self.bytes_in.max(self.bytes_out);
        bytes as f64 / (1024.0 * 1024.0) / self.duration.as_secs_f64().max(1e-9)
    }

    /// Returns the stages, each with the time that the next stage stalled it, if
    /// measured.
    fn stages(&self) -> impl Iterator<Item = (&highwater::stream::StageReport, Option<Duration>)> {
        self.report.stages.iter().enumerate().map(|(index, stage)| {
            let stalled = match index {
                0 => Some(self.input_stalled),
                _ => stage
                    .stalled
                    .filter(|_| index + 1 == self.report.stages.len()),
            };
            (stage, stalled)
        })
    }

    /// Returns the summary as text.
    pub(crate) fn text(&self) -> String {
        let [input, output] = &self.files;
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{input} to {output}: {} in, {} out, {}, {:.0} MiB/s",
            human_bytes(self.bytes_in),
            human_bytes(self.bytes_out),
            human_duration(self.duration),
            self.mib_per_second()
        );
        let resident = peak_rss().map_or_else(String::new, |bytes| {
            format!("; peak process memory {}", human_bytes(bytes))
        });
        let _ = writeln!(
            text,
            "peak {} in flight{resident}\n",
            human_bytes(self.peak_in_flight as u64)
        );
        let mut rows = vec![["STAGE", "CHUNKS", "PEAK", "STALLED", ""].map(str::to_owned)];
        for (stage, stalled) in self.stages() {
            rows.push([
                stage.name.to_string(),
                stage.output.items.to_string(),
                human_bytes(stage.peak as u64).to_string(),
                stalled.map_or_else(|| "–".to_owned(), human_duration),
                String::new(),
            ]);
        }
        text.push_str(&render(&rows));
        text
    }

    /// Returns the summary as one JSON object. Durations are whole nanoseconds.
    pub(crate) fn json(&self) -> String {
        let stages: Vec<Value> = self
            .stages()
            .map(|(stage, stalled)| {
                json!({
                    "name": &*stage.name,
                    "chunks_in": stage.input.items,
                    "chunks_out": stage.output.items,
                    "peak_bytes": stage.peak,
                    "stalled_ns": stalled.map(|it| it.as_nanos()),
                })
            })
            .collect();
        let [input, output] = &self.files;
        let report = json!({
            "input": input,
            "output": output,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "duration_ns": self.duration.as_nanos(),
            "mib_per_second": (self.mib_per_second() * 10.0).round() / 10.0,
            "peak_in_flight_bytes": self.peak_in_flight,
            "peak_rss_bytes": peak_rss(),
            "stages": stages,
        });
        format!("{report:#}\n")
    }
}

/// Returns the peak resident memory of the process in bytes, if the system reports it.
#[cfg(target_os = "linux")]
fn peak_rss() -> Option<u64> {
    // On Linux, `getrusage` includes the peak of the parent process before `exec`.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns the peak resident memory of the process in bytes, if the system reports it.
#[cfg(all(unix, not(target_os = "linux")))]
fn peak_rss() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let peak = u64::try_from(usage.max_rss()).ok()?;
    // Apple systems report bytes, others report kibibytes.
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    Some(peak * unit)
}

/// Returns `None`: not measured on this system.
#[cfg(not(unix))]
fn peak_rss() -> Option<u64> {
    None
}
