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
mod subscriber;
mod writer;

use highwater::{error::ErrorReport, scale::WorkerId};
use log::{Level, LevelFilter};
use sampler::{LineKind, Sampler};
use serde_json::json;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::Cell,
    fmt, io,
    panic::PanicHookInfo,
    process,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};
pub(crate) use subscriber::REQUEST_TARGET;
use subscriber::{ERROR_TARGET, Levels};
use tracing::field;
pub(crate) use writer::one_line;
use writer::{LineOutput, LineQueue, Notices, QueueConfig, StandardStream, truncate};

/// The default log level.
pub(crate) const DEFAULT_LEVEL: LevelFilter = LevelFilter::Info;

/// The target of lines about the server and its workers.
const SERVER_TARGET: &str = "highwater_server::server";

/// The maximum time that an exiting process waits for a stalled log reader.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(250);

/// The maximum length of a panic message in the log, in bytes.
const MAX_PANIC_MESSAGE_BYTES: usize = 1024;

static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    levels: Levels,
    /// True if the program has no subscriber of its own.
    writes_events: OnceLock<bool>,
    stderr: Arc<LineQueue>,
    /// Standard output, for the journal.
    stdout: OutputQueue,
    /// Standard output, for the access log.
    access: OutputQueue,
    sampler: Arc<Mutex<Sampler>>,
}

/// A queue for standard output that starts with its first line. `None` if its writer thread
/// cannot be started.
type OutputQueue = OnceLock<Option<Arc<LineQueue>>>;

/// Counts of lines that were not written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogCounts {
    /// Log lines that were dropped because the queue was full or the reader was gone.
    pub(crate) log_dropped: u64,
    /// Journal lines that were dropped.
    pub(crate) journal_dropped: u64,
    /// Lines of the access log that were dropped.
    pub(crate) access_dropped: u64,
    /// Log lines that were suppressed by sampling.
    pub(crate) suppressed: u64,
}

/// Starts the writer thread of the log, and makes it the destination of events and `log`
/// records, unless the program has installed a subscriber or a logger. The first line for
/// standard output starts the thread of the journal.
///
/// # Errors
///
/// If the thread cannot be started or standard error cannot be duplicated.
pub(crate) fn start(level: LevelFilter) -> io::Result<()> {
    if LOG.get().is_some() {
        return Ok(());
    }
    let sampler = Arc::default();
    let notices = LogNotices {
        sampler: Arc::clone(&sampler),
    };
    let stderr = LineQueue::start("log", QueueConfig::LOG, StandardStream::stderr()?, notices)?;
    let log = LOG.get_or_init(|| Log {
        levels: Levels::new(level),
        writes_events: OnceLock::new(),
        stderr,
        stdout: OnceLock::new(),
        access: OnceLock::new(),
        sampler,
    });
    let writes_events = log
        .writes_events
        .get_or_init(|| subscriber::install(&log.levels));
    if let Some(error) = log.levels.error.as_ref().filter(|_| *writes_events) {
        line(error);
    }
    Ok(())
}

/// Returns true if the server sends events to the program's own subscriber, instead of
/// writing lines.
fn sends_events() -> bool {
    match LOG.get() {
        Some(log) => log.writes_events.get() == Some(&false),
        None => tracing::dispatcher::has_been_set(),
    }
}

/// Returns the counts of lines that were not written.
pub(crate) fn counts() -> LogCounts {
    let Some(log) = LOG.get() else {
        return LogCounts::default();
    };
    LogCounts {
        log_dropped: log.stderr.dropped(),
        journal_dropped: dropped(&log.stdout),
        access_dropped: dropped(&log.access),
        suppressed: lock(&log.sampler).suppressed(),
    }
}

fn dropped(queue: &OutputQueue) -> u64 {
    queue
        .get()
        .into_iter()
        .flatten()
        .map(|it| it.dropped())
        .sum()
}

/// Sends an event at a level that is known only now.
macro_rules! event {
    ($level:expr, $($event:tt)*) => {
        match $level {
            Level::Error => tracing::error!($($event)*),
            Level::Warn => tracing::warn!($($event)*),
            Level::Info => tracing::info!($($event)*),
            Level::Debug => tracing::debug!($($event)*),
            Level::Trace => tracing::trace!($($event)*),
        }
    };
}

/// Logs a line at every log level, subject to sampling.
pub fn line(line: &str) {
    line_at(Level::Info, line);
}

/// Logs a line, like [`line`]. Only as an event it has a level.
pub(crate) fn line_at(level: Level, line: &str) {
    if sends_events() {
        return event!(level, target: SERVER_TARGET, "{line}");
    }
    write_line(line);
}

/// Logs a line about a worker, like [`line`]. As an event it has a level and the worker.
#[cfg(unix)]
pub(crate) fn worker_line(level: Level, worker: WorkerId, pid: u32, line: &str) {
    if sends_events() {
        return event!(
            level,
            target: SERVER_TARGET,
            worker = worker.slot + 1,
            generation = worker.generation,
            pid,
            "{line}"
        );
    }
    write_line(line);
}

fn write_line(line: &str) {
    match LOG.get() {
        Some(log) => {
            let line = one_line(line);
            log.write(|| LineKind::of_text(&line), || line.clone());
        }
        None => write_directly(line),
    }
}

/// Writes the line of an event.
fn write_server_line(line: String) {
    if let Some(log) = LOG.get() {
        log.stderr.push(line);
    }
}

/// Logs a failed request, subject to the log level and sampling.
pub(crate) fn failed_request(worker: WorkerId, report: &ErrorReport<'_>) {
    let level = report.level();
    if sends_events() {
        return send_failed_request(worker, report);
    }
    // Lines are written without an event, so that sampling precedes formatting.
    let Some(log) = LOG.get() else {
        return write_directly(&format!("{level} {}", report.line()));
    };
    if !log.levels.is_enabled(ERROR_TARGET, level) {
        return;
    }
    let kind = || LineKind::Request {
        level,
        code: report.error.code(),
        status: report.error.status(),
        at: report.error.location(),
        panicked_at: panicked_at(report).map(ToOwned::to_owned),
    };
    log.write(kind, || one_line(&format!("{level} {}", report.line())));
}

/// Sends a failed request as an event with its fields.
fn send_failed_request(worker: WorkerId, report: &ErrorReport<'_>) {
    let ErrorReport {
        error, incident, ..
    } = report;
    let context = fmt::from_fn(|f| {
        let mut separator = "";
        for (key, value) in error.context() {
            write!(f, "{separator}{key}={value:?}")?;
            separator = " ";
        }
        Ok(())
    });
    event!(
        report.level(),
        target: ERROR_TARGET,
        id = incident.id.as_str(),
        trace_id = incident.trace_id.map(field::display),
        class = error.class().as_str(),
        code = error.code(),
        status = error.status(),
        decision = report.decision.as_str(),
        operation = incident.operation,
        at = %error.location(),
        panicked_at = panicked_at(report),
        context = (error.context().len() > 0).then(|| field::display(&context)),
        worker = worker.slot + 1,
        generation = worker.generation,
        "{error:#}"
    );
}

/// Returns the location of the panic that caused an error, if it is known.
fn panicked_at<'a>(report: &ErrorReport<'a>) -> Option<&'a str> {
    let mut context = report.error.context();
    let panicked_at = context.find(|(key, _)| *key == "panicked_at");
    panicked_at.map(|(_, place)| place)
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
    let backtrace = || {
        let backtrace = Backtrace::capture();
        (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace)
    };
    if sends_events() {
        let backtrace = backtrace().map(field::display);
        tracing::error!(target: ERROR_TARGET, panicked_at = location, backtrace, "{line}");
    } else if log.write(|| LineKind::Panic(location), || one_line(&line)) {
        for line in backtrace()
            .map_or(String::new(), |it| it.to_string())
            .lines()
        {
            log.stderr.push(one_line(line));
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

/// Writes a line to standard error as it is, without sampling, such as a line with colours.
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
    let start = || {
        let stdout = StandardStream::stdout()?;
        LineQueue::start("journal", QueueConfig::LOG, stdout, JournalNotices)
    };
    if let Some(stdout) = log.stdout.get_or_init(|| start().ok()) {
        stdout.push(line.to_owned());
    }
}

/// Queues a line of the access log, once logging has started.
pub(crate) fn access(line: String) {
    let Some(log) = LOG.get() else {
        return;
    };
    let start = || {
        let stdout = StandardStream::stdout()?;
        LineQueue::start("access log", QueueConfig::ACCESS_LOG, stdout, AccessNotices)
    };
    if let Some(access) = log.access.get_or_init(|| start().ok()) {
        access.push(line);
    }
}

/// Waits until all queued lines are written, before the process exits. Times out after a
/// quarter of a second if the reader stalls.
pub fn flush() {
    if let Some(log) = LOG.get() {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        for queue in log.queues() {
            queue.flush(deadline);
        }
    }
}

/// Flushes, then drops and counts the lines that are still queued. Workers call this
/// before they send their final metrics.
#[cfg(unix)]
pub(crate) fn flush_or_drop() {
    flush();
    for queue in LOG.get().into_iter().flat_map(Log::queues) {
        queue.drop_queued();
    }
}

impl Log {
    /// Returns the queues that have started.
    fn queues(&self) -> impl Iterator<Item = &Arc<LineQueue>> {
        let outputs = [&self.stdout, &self.access];
        let outputs = outputs.into_iter().filter_map(OnceLock::get).flatten();
        [&self.stderr].into_iter().chain(outputs)
    }

    /// Queues a line unless sampling suppresses it. Returns whether the line was queued.
    fn write(&self, kind: impl FnOnce() -> LineKind, line: impl FnOnce() -> String) -> bool {
        // The debug level disables sampling.
        if self.levels.is_enabled(ERROR_TARGET, Level::Debug) {
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
    fn dropped_line(&self, count: u64) -> Option<String> {
        Some(dropped_line(count, "log"))
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

/// Formats the report of dropped lines of a log.
fn dropped_line(count: u64, log: &str) -> String {
    let lines = match count {
        1 => format!("1 {log} line was"),
        count => format!("{count} {log} lines were"),
    };
    format!(
        "{} process {}: {lines} dropped while the {log} reader was stalled",
        Level::Warn,
        process::id()
    )
}

struct JournalNotices;

impl Notices for JournalNotices {
    fn dropped_line(&self, count: u64) -> Option<String> {
        let line = json!({"event": "lines_dropped", "pid": process::id(), "count": count});
        Some(line.to_string())
    }

    fn due_lines(&self, _: Instant, _: bool) -> (Vec<String>, Option<Instant>) {
        (Vec::new(), None)
    }
}

/// Reports dropped lines of the access log to the log, because its format is fixed.
struct AccessNotices;

impl Notices for AccessNotices {
    fn dropped_line(&self, count: u64) -> Option<String> {
        line(&dropped_line(count, "access log"));
        None
    }

    fn due_lines(&self, _: Instant, _: bool) -> (Vec<String>, Option<Instant>) {
        (Vec::new(), None)
    }
}
