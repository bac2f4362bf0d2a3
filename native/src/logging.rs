//! The log and the journal of a serving process. Writes never block.
//!
//! Lines go through two bounded queues, each with a writer thread: the log to standard
//! error, the journal and the service's address to standard output. A line that does not
//! fit is dropped and counted. When the reader continues, one line reports the number of
//! dropped lines. Repeated lines are sampled: some are left out and counted. Before
//! [`start`], and in other commands, lines are written directly.

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

/// The longest time that an exiting process waits for a stalled reader.
const FLUSH_WITHIN: Duration = Duration::from_millis(250);

/// The maximum length of a panic's message in the log, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;

static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    level: LevelFilter,
    stderr: Arc<LineQueue>,
    /// Standard output. `None` in a worker, where it is the control channel.
    stdout: Option<Arc<LineQueue>>,
    sampler: Arc<Mutex<Sampler>>,
}

/// Counts of lines that were not written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Log lines that were dropped because the queue was full or the reader gone.
    pub(crate) log_dropped: u64,
    /// Journal lines that were dropped.
    pub(crate) journal_dropped: u64,
    /// Log lines that the sampler left out.
    pub(crate) left_out: u64,
}

/// Starts the writer threads of the log and the journal. A worker has no journal, because
/// its standard output is the control channel.
///
/// # Errors
///
/// If a thread cannot be started or a stream cannot be duplicated.
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
    // Called once per process.
    let _ = LOG.set(Log {
        level,
        stderr,
        stdout,
        sampler,
    });
    Ok(())
}

/// Returns whether the writer threads are started.
pub(crate) fn is_started() -> bool {
    LOG.get().is_some()
}

/// Returns the log level.
#[cfg(unix)]
pub(crate) fn level() -> LevelFilter {
    LOG.get().map_or(DEFAULT_LEVEL, |log| log.level)
}

/// Returns whether lines of a level are written.
pub(crate) fn is_enabled(level: Level) -> bool {
    LOG.get().map_or(DEFAULT_LEVEL, |log| log.level) >= level
}

/// Returns the counts of lines that were not written.
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

/// Writes a line to the log at any level, unless the sampler leaves it out.
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

/// Writes a panic as one line, and its backtrace if `RUST_BACKTRACE` is set.
///
/// After a panic that cannot unwind, the standard library writes to standard error and
/// aborts. That write could block, so this function aborts first.
pub(crate) fn panic(location: &str, thread: &str, message: &str) {
    let Some(log) = LOG.get() else { return };
    let mut shown = message.to_owned();
    cut(&mut shown, MAX_MESSAGE_BYTES);
    let line = format!(
        "{} process {}: thread '{thread}' panicked at {location}: {shown}",
        Level::Error,
        process::id()
    );
    let is_written = log.write(|| LineKind::Panic(location.to_owned()), || one_line(&line));
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

/// Writes a line that may contain colours, and strips them if standard error is no terminal.
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

/// Flushes, and counts the lines that are still queued as dropped. A worker calls this
/// before it sends its last metrics.
#[cfg(unix)]
pub(crate) fn give_up() {
    flush();
    if let Some(log) = LOG.get() {
        log.stderr.give_up();
    }
}

impl Log {
    /// Writes a line unless the sampler leaves it out. Returns whether it was written.
    fn write(&self, kind: impl FnOnce() -> LineKind, line: impl FnOnce() -> String) -> bool {
        // The debug level disables sampling.
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

/// Strips colours unless standard error supports them.
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
                "{level} process {}: repeated lines stopped: left_out={left_out} {kind}",
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
