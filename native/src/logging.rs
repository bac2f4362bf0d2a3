//! The log and the journal of a serving process. Writing to them never blocks.
//!
//! Lines go through bounded queues, with a writer thread each: the log to standard
//! error, the journal and the address of the service to standard output. A line that
//! does not fit is dropped and counted. When the reader reads again, one line reports
//! the number. Repeated lines are left out and counted. Before [`start`], and in
//! other commands, lines are written at once.

mod sampler;
mod writer;

use crate::report;
use highwater::error::ErrorReport;
use log::{Level, LevelFilter};
use sampler::{LineKind, Sampler};
use serde_json::json;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt, io, process,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use writer::{LineQueue, Notices, StandardStream, cut, one_line};

/// The level without `--log-level`.
pub(crate) const DEFAULT_LEVEL: LevelFilter = LevelFilter::Info;

/// The longest that an exiting process waits for a stalled reader.
const FLUSH_WITHIN: Duration = Duration::from_millis(250);

/// The longest part of a panic's message that is logged, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;

static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    level: LevelFilter,
    stderr: Arc<LineQueue>,
    /// Standard output, unless that is the control channel of a worker.
    stdout: Option<Arc<LineQueue>>,
    sampler: Arc<Mutex<Sampler>>,
}

/// Numbers of the lines that were not written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Lines of the log that found the queue full or the reader gone.
    pub(crate) log_dropped: u64,
    /// The same of the journal.
    pub(crate) journal_dropped: u64,
    /// Lines of the log that the sampler left out.
    pub(crate) left_out: u64,
}

/// Starts the writer threads: of the log, and of the journal unless this is a worker,
/// whose standard output is its control channel.
///
/// # Errors
///
/// If the system has no room for another thread or file.
pub(crate) fn start(level: LevelFilter, is_worker: bool) -> io::Result<()> {
    let sampler = Arc::default();
    let notices = LogNotices {
        sampler: Arc::clone(&sampler),
    };
    let stderr = LineQueue::start("log", StandardStream::stderr()?, notices)?;
    let stdout = if is_worker {
        None
    } else {
        let stdout = StandardStream::stdout()?;
        Some(LineQueue::start("journal", stdout, JournalNotices)?)
    };
    // A process serves once.
    let _ = LOG.set(Log {
        level,
        stderr,
        stdout,
        sampler,
    });
    Ok(())
}

/// Returns whether lines go to writer threads.
pub(crate) fn is_started() -> bool {
    LOG.get().is_some()
}

/// Returns the level that was chosen.
#[cfg(unix)]
pub(crate) fn level() -> LevelFilter {
    LOG.get().map_or(DEFAULT_LEVEL, |log| log.level)
}

/// Returns whether lines of that level are written.
pub(crate) fn is_enabled(level: Level) -> bool {
    LOG.get().map_or(DEFAULT_LEVEL, |log| log.level) >= level
}

/// Returns how many lines were not written so far.
pub(crate) fn counts() -> Counts {
    let Some(log) = LOG.get() else {
        return Counts::default();
    };
    Counts {
        log_dropped: log.stderr.dropped(),
        journal_dropped: log.stdout.as_ref().map_or(0, |stdout| stdout.dropped()),
        left_out: lock(&log.sampler).left_out(),
    }
}

/// Writes a line to the log, whatever the level.
pub(crate) fn line(line: &str) {
    match LOG.get() {
        Some(log) => {
            let line = one_line(line);
            log.write(|| LineKind::of_text(&line), || line.clone());
        }
        None => write_now(line),
    }
}

/// Writes a line at debug level.
pub(crate) fn debug(line: impl fmt::Display) {
    if let Some(log) = LOG.get().filter(|_| is_enabled(Level::Debug)) {
        log.stderr
            .push(one_line(&format!("{} {line}", Level::Debug)));
    }
}

/// Writes the line of a failed request, unless the level or the sampler leaves it out.
pub(crate) fn request(report: &ErrorReport<'_>) {
    let level = report.level();
    let Some(log) = LOG.get() else {
        return write_now(&format!("{level} {}", report.line()));
    };
    if log.level < level {
        return;
    }
    let kind = || {
        let mut context = report.error.context();
        let panicked_at = context.find(|(key, _)| *key == "panicked_at");
        LineKind::Request {
            level,
            code: report.error.code(),
            status: report.error.status(),
            at: report.error.location(),
            panicked_at: panicked_at.map(|(_, place)| place.to_owned()),
        }
    };
    log.write(kind, || one_line(&format!("{level} {}", report.line())));
}

/// Writes a panic as one line, and its backtrace if `RUST_BACKTRACE` asks for one.
///
/// After a panic that cannot unwind, the standard library would write to standard
/// error and abort. That write could block, so this aborts first.
pub(crate) fn panic(place: &str, thread: &str, message: &str) {
    let Some(log) = LOG.get() else { return };
    let mut shown = message.to_owned();
    cut(&mut shown, MAX_MESSAGE_BYTES);
    let line = format!(
        "{} process {}: thread '{thread}' panicked at {place}: {shown}",
        Level::Error,
        process::id()
    );
    let is_written = log.write(|| LineKind::Panic(place.to_owned()), || one_line(&line));
    if is_written {
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            for line in trace.to_string().lines() {
                log.stderr.push(one_line(line));
            }
        }
    }
    let is_fatal = [
        "panic in a destructor during cleanup",
        "panic in a function that cannot unwind",
    ];
    if is_fatal.contains(&message) {
        flush();
        process::abort();
    }
}

/// Writes a line that may contain colours. They are removed unless a terminal shows
/// them.
pub(crate) fn styled(line: &str) {
    match LOG.get() {
        Some(log) => log.stderr.push(plain(line)),
        None => write_now(line),
    }
}

/// Writes a line to standard output.
pub(crate) fn print(line: &str) {
    if let Some(stdout) = LOG.get().and_then(|log| log.stdout.as_ref()) {
        stdout.push(line.to_owned());
    }
}

/// Writes all queued lines before the process exits. Gives up after a quarter of a
/// second if the reader stalls.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        let deadline = Instant::now() + FLUSH_WITHIN;
        log.stderr.flush(deadline);
        if let Some(stdout) = &log.stdout {
            stdout.flush(deadline);
        }
    }
}

/// Flushes, and counts the lines that could not be written as dropped. A worker
/// calls it before it sends its last metrics.
#[cfg(unix)]
pub(crate) fn give_up() {
    flush();
    if let Some(log) = LOG.get() {
        log.stderr.give_up();
    }
}

impl Log {
    /// Writes a line unless the sampler leaves it out. Returns whether it did.
    fn write(&self, kind: impl FnOnce() -> LineKind, line: impl FnOnce() -> String) -> bool {
        // Debugging takes every line.
        if self.level >= LevelFilter::Debug {
            self.stderr.push(line());
            return true;
        }
        let admitted = lock(&self.sampler).admit(kind(), Instant::now());
        let Some(left_out) = admitted else {
            return false;
        };
        let mut line = line();
        if left_out > 0 {
            let note = format!(" left_out={left_out}");
            cut(&mut line, writer::MAX_LINE_BYTES - 1 - note.len());
            line += &note;
        }
        self.stderr.push(line);
        true
    }
}

/// Removes colours unless standard error shows them.
fn plain(line: &str) -> String {
    use anstream::{AutoStream, ColorChoice, adapter::strip_str};
    match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => one_line(&strip_str(line).to_string()),
        _ => line.to_owned(),
    }
}

fn write_now(line: &str) {
    report::print_to_stderr(&format!("{line}\n"));
}

fn lock(sampler: &Mutex<Sampler>) -> MutexGuard<'_, Sampler> {
    sampler.lock().unwrap_or_else(PoisonError::into_inner)
}

struct LogNotices {
    sampler: Arc<Mutex<Sampler>>,
}

impl Notices for LogNotices {
    fn dropped(&self, count: u64) -> String {
        let lines = match count {
            1 => "1 log line was".to_owned(),
            several => format!("{several} log lines were"),
        };
        format!(
            "{} process {}: {lines} dropped while the log's reader stalled",
            Level::Warn,
            process::id()
        )
    }

    fn due(&self, now: Instant, is_last: bool) -> (Vec<String>, Option<Instant>) {
        let mut sampler = lock(&self.sampler);
        let silent = sampler.take_silent(now, is_last);
        let silent = silent.into_iter().map(|(kind, left_out)| {
            let level = match kind {
                LineKind::Request { level, .. } => level,
                LineKind::Panic(_) => Level::Error,
                LineKind::Text(_) | LineKind::Other => Level::Info,
            };
            one_line(&format!(
                "{level} process {}: lines of one kind ended: left_out={left_out} {kind}",
                process::id()
            ))
        });
        (silent.collect(), sampler.next_due())
    }
}

struct JournalNotices;

impl Notices for JournalNotices {
    fn dropped(&self, count: u64) -> String {
        json!({"event": "lines_dropped", "pid": process::id(), "count": count}).to_string()
    }

    fn due(&self, _: Instant, _: bool) -> (Vec<String>, Option<Instant>) {
        (Vec::new(), None)
    }
}
