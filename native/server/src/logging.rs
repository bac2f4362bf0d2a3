//! The log and the journal of a server process. Logging never blocks.
//!
//! Lines go through two bounded queues, each with a writer thread. The log goes to
//! standard error. The journal, which contains the events for programs, goes to standard
//! output. Lines that do not fit in a queue are dropped and counted. Once the reader
//! resumes, one line reports the number of dropped lines. Repeated lines are sampled:
//! excess lines are suppressed and counted. Before a server starts, lines are written
//! directly.
//!
//! A service can log here too. Unlike `eprintln!`, these functions do not block a worker
//! whose log reader has stalled.

mod sampler;
mod writer;

use highwater::error::ErrorReport;
use log::{Level, LevelFilter};
use sampler::{LineKind, Sampler};
use serde_json::json;
use std::thread;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::Cell,
    fmt, io,
    panic::PanicHookInfo,
    process,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};
pub(crate) use writer::one_line;
use writer::{LineOutput, LineQueue, Notices, StandardStream, truncate};

/// The default log level.
pub(crate) const DEFAULT_LEVEL: LevelFilter = LevelFilter::Info;

/// The maximum time that an exiting process waits for a stalled log reader.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(250);

/// The maximum length of a panic message in the log, in bytes.
const MAX_PANIC_MESSAGE_BYTES: usize = 1024;

static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    level: LevelFilter,
    stderr: Arc<LineQueue>,
    /// Standard output. `None` if its writer thread cannot be started.
    stdout: OnceLock<Option<Arc<LineQueue>>>,
    sampler: Arc<Mutex<Sampler>>,
}

/// Counts of lines that were not written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogCounts {
    /// Log lines that were dropped because the queue was full or the reader was gone.
    pub(crate) log_dropped: u64,
    /// Journal lines that were dropped.
    pub(crate) journal_dropped: u64,
    /// Log lines that were suppressed by sampling.
    pub(crate) suppressed: u64,
}

/// Starts the writer thread of the log. The first line for standard output starts the
/// thread of the journal.
///
/// # Errors
///
/// If the thread cannot be started or standard error cannot be duplicated.
pub(crate) fn start(level: LevelFilter) -> io::Result<()> {
    let sampler = Arc::default();
    let notices = LogNotices {
        sampler: Arc::clone(&sampler),
    };
    let stderr = LineQueue::start("log", StandardStream::stderr()?, notices)?;
    // `start` is called once per process.
    let _ = LOG.set(Log {
        level,
        stderr,
        stdout: OnceLock::new(),
        sampler,
    });
    Ok(())
}

/// Returns whether a log level is enabled.
pub(crate) fn is_enabled(level: Level) -> bool {
    LOG.get().map_or(DEFAULT_LEVEL, |log| log.level) >= level
}

/// Returns the counts of lines that were not written.
pub(crate) fn counts() -> LogCounts {
    let Some(log) = LOG.get() else {
        return LogCounts::default();
    };
    LogCounts {
        log_dropped: log.stderr.dropped(),
        journal_dropped: log
            .stdout
            .get()
            .into_iter()
            .flatten()
            .map(|it| it.dropped())
            .sum(),
        suppressed: lock(&log.sampler).suppressed(),
    }
}

/// Logs a line at every log level, subject to sampling.
pub fn line(line: &str) {
    match LOG.get() {
        Some(log) => {
            let line = one_line(line);
            log.write(|| LineKind::of_text(&line), || line.clone());
        }
        None => write_directly(line),
    }
}

/// Logs a line at debug level.
pub fn debug(line: impl fmt::Display) {
    if let Some(log) = LOG.get().filter(|_| is_enabled(Level::Debug)) {
        log.stderr
            .push(one_line(&format!("{} {line}", Level::Debug)));
    }
}

/// Logs a failed request, subject to the log level and sampling.
pub(crate) fn failed_request(report: &ErrorReport<'_>) {
    let level = report.level();
    let Some(log) = LOG.get() else {
        return write_directly(&format!("{level} {}", report.line()));
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

/// Logs a panic as one line, and its backtrace if `RUST_BACKTRACE` is set. Returns false,
/// without logging, if no server has started in this process.
///
/// Servers install a panic hook that calls this function. A program that
/// [keeps its own hook](crate::Cluster::keep_panic_hook) calls it there, so that the error
/// layer can log where a request panicked.
///
/// After a panic that cannot unwind, the standard library writes to standard error and
/// aborts. That write could block, so this function aborts first.
pub fn log_panic(panic: &PanicHookInfo<'_>) -> bool {
    let location = panic.location().map(ToString::to_string);
    LAST_PANIC.set(location.clone());
    let Some(log) = LOG.get() else {
        return false;
    };
    let message = panic.payload_as_str().unwrap_or_default();
    let location = location.unwrap_or_else(|| "an unknown location".to_owned());
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let mut truncated = message.to_owned();
    truncate(&mut truncated, MAX_PANIC_MESSAGE_BYTES);
    let line = format!(
        "{} process {}: thread '{thread}' panicked at {location}: {truncated}",
        Level::Error,
        process::id()
    );
    let is_queued = log.write(|| LineKind::Panic(location), || one_line(&line));
    if is_queued {
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            for line in trace.to_string().lines() {
                log.stderr.push(one_line(line));
            }
        }
    }
    let abort_messages = [
        "panic in a destructor during cleanup",
        "panic in a function that cannot unwind",
    ];
    if abort_messages.contains(&message) {
        flush();
        process::abort();
    }
    true
}

/// Takes the location of the panic most recently logged on this thread.
pub(crate) fn take_panic_location() -> Option<String> {
    LAST_PANIC.take()
}

thread_local! {
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Logs a line as it is, without sampling, such as a line with colours.
pub fn raw(line: &str) {
    match LOG.get() {
        Some(log) => log.stderr.push(line.to_owned()),
        None => write_directly(line),
    }
}

/// Queues a line for standard output.
pub fn print(line: &str) {
    let Some(log) = LOG.get() else {
        // There is nowhere to report a failed write.
        let _ = StandardStream::stdout().and_then(|mut stdout| stdout.write_line(line));
        return;
    };
    let start = || LineQueue::start("journal", StandardStream::stdout()?, JournalNotices);
    if let Some(stdout) = log.stdout.get_or_init(|| start().ok()) {
        stdout.push(line.to_owned());
    }
}

/// Waits until all queued lines are written, before the process exits. Times out after a
/// quarter of a second if the reader stalls.
pub fn flush() {
    if let Some(log) = LOG.get() {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        log.stderr.flush(deadline);
        if let Some(Some(stdout)) = log.stdout.get() {
            stdout.flush(deadline);
        }
    }
}

/// Flushes, then drops and counts the lines that are still queued. Workers call this
/// before they send their final metrics.
#[cfg(unix)]
pub(crate) fn flush_or_drop() {
    flush();
    if let Some(log) = LOG.get() {
        log.stderr.drop_queued();
    }
}

impl Log {
    /// Queues a line unless sampling suppresses it. Returns whether the line was queued.
    fn write(&self, kind: impl FnOnce() -> LineKind, line: impl FnOnce() -> String) -> bool {
        // The debug level disables sampling.
        if self.level >= LevelFilter::Debug {
            self.stderr.push(line());
            return true;
        }
        let admitted = lock(&self.sampler).admit(kind(), Instant::now());
        let Some(suppressed) = admitted else {
            return false;
        };
        let mut line = line();
        if suppressed > 0 {
            let suffix = format!(" left_out={suppressed}");
            truncate(&mut line, writer::MAX_LINE_BYTES - 1 - suffix.len());
            line += &suffix;
        }
        self.stderr.push(line);
        true
    }
}

fn write_directly(line: &str) {
    // There is nowhere to report a failed write.
    let _ = StandardStream::stderr().and_then(|mut stderr| stderr.write_line(line));
}

fn lock(sampler: &Mutex<Sampler>) -> MutexGuard<'_, Sampler> {
    sampler.lock().unwrap_or_else(PoisonError::into_inner)
}

struct LogNotices {
    sampler: Arc<Mutex<Sampler>>,
}

impl Notices for LogNotices {
    fn dropped_line(&self, count: u64) -> String {
        let lines = match count {
            1 => "1 log line was".to_owned(),
            count => format!("{count} log lines were"),
        };
        format!(
            "{} process {}: {lines} dropped while the log reader was stalled",
            Level::Warn,
            process::id()
        )
    }

    fn due_lines(&self, now: Instant, is_last: bool) -> (Vec<String>, Option<Instant>) {
        let mut sampler = lock(&self.sampler);
        let inactive = sampler.take_inactive(now, is_last);
        let inactive = inactive.into_iter().map(|(kind, suppressed)| {
            let level = match kind {
                LineKind::Request { level, .. } => level,
                LineKind::Panic(_) => Level::Error,
                LineKind::Text(_) | LineKind::Other => Level::Info,
            };
            one_line(&format!(
                "{level} process {}: repeated lines: left_out={suppressed} {kind}",
                process::id()
            ))
        });
        (inactive.collect(), sampler.next_due())
    }
}

struct JournalNotices;

impl Notices for JournalNotices {
    fn dropped_line(&self, count: u64) -> String {
        json!({"event": "lines_dropped", "pid": process::id(), "count": count}).to_string()
    }

    fn due_lines(&self, _: Instant, _: bool) -> (Vec<String>, Option<Instant>) {
        (Vec::new(), None)
    }
}
