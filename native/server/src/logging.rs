//! The log of a server process. Logging never blocks.
//!
//! A server writes its log to standard error. It also writes what the program logs: the
//! events of the crate `tracing` and the records of the crate `log`.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use highwater_server::{ExitCode, Server};
//!
//! async fn order() -> &'static str {
//!     tracing::info!(order = 42, "order received");
//!     "thanks"
//! }
//!
//! fn main() -> ExitCode {
//!     Server::new("127.0.0.1:8080").run(|_worker| async {
//!         Router::new().route("/", get(order))
//!     })
//! }
//! ```
//!
//! ```text
//! serving http://127.0.0.1:8080/
//! INFO shop: order received order=42
//! INFO id=d1f0… class=operational code=not_found status=404 decision=respond operation="GET /x" …
//! ```
//!
//! # Full, closed and repeated
//!
//! Lines go through a queue of 512 lines with a writer thread. Lines that do not fit, because
//! the reader stalls, or that cannot be written, because it is gone, are dropped and counted
//! in the metrics. Once the reader resumes, one line reports the number of dropped lines.
//! Repeated lines about failed requests, panics and workers are sampled below the debug level:
//! excess lines are suppressed and counted. Lines of the program are not sampled. A line has
//! less than 4 KiB; control characters are escaped, and longer lines truncated. Before a server
//! starts, lines are written directly.
//!
//! # Levels
//!
//! `log_level` of a server sets the level of everything. The environment variable `RUST_LOG`
//! takes precedence: `RUST_LOG=warn` replaces the level, `RUST_LOG=shop::mail=debug` sets that
//! of a target, and both can be combined with commas. Lines about the start, the workers and
//! the shutdown are always written.
//!
//! | target | spans and events |
//! |---|---|
//! | `highwater_server::request` | a span for each request with `id`, `method`, `path`, `trace_id`, `parent_span_id`, `worker`, `generation`, `status`, `bytes`; clients that disconnect, and failed handshakes, at debug level |
//! | `highwater_server::error` | failed requests, with their `id`, and panics |
//! | `highwater_server::server` | start, reload, shutdown, and each worker with its `worker` number, `generation` and `pid` |
//!
//! The default log creates spans only at debug level, or with
//! `RUST_LOG=info,highwater_server::request=info`. The lines that a service logs then end with
//! the fields of its request, and each request and each response has an
//! [`x-request-id`](highwater::error::http::REQUEST_ID). A span costs about a microsecond;
//! without one, a request costs no more than the check of a flag.
//!
//! # A subscriber of your own
//!
//! If the program installs a global `tracing` subscriber before it runs the server, the
//! server keeps it and writes no log of its own: spans and events go to that subscriber, and so
//! do `log` records, unless the program has installed a logger too. `log_level` and `RUST_LOG`
//! then have no effect. It is installed in each process of a cluster. A subscriber that blocks
//! stalls all requests of its worker, so let it write to [`writer`].
//!
//! ```no_run
//! use axum::Router;
//! use highwater_server::{Cluster, ExitCode, logging};
//!
//! fn main() -> ExitCode {
//!     tracing_subscriber::fmt().with_writer(logging::writer).init();
//!     Cluster::new("127.0.0.1:8080").run(|_worker| async { Router::new() })
//! }
//! ```

mod sampler;
mod subscriber;
mod writer;

use futures_util::FutureExt;
use highwater::{error::ErrorReport, scale::WorkerId};
use log::{Level, LevelFilter};
use sampler::{LineKind, Sampler};
use serde_json::json;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::Cell,
    fmt,
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, PanicHookInfo},
    pin::pin,
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
        .get_or_init(|| subscriber::install(&log.levels, write_server_line));
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
    let is_caught = IS_CATCHING_PANICS.get();
    if sends_events() && !is_caught {
        let backtrace = backtrace().map(field::display);
        tracing::error!(target: ERROR_TARGET, panicked_at = location, backtrace, "{line}");
    } else if is_caught || log.write(|| LineKind::Panic(location), || one_line(&line)) {
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
    static IS_CATCHING_PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a future and catches its panics. They are returned as one line instead of being
/// logged; only their backtrace is logged, if it is captured.
pub(crate) async fn catch_panics<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
    let output = poll_fn(|context| {
        IS_CATCHING_PANICS.set(true);
        let output = future.as_mut().poll(context);
        IS_CATCHING_PANICS.set(false);
        output
    });
    output.await.map_err(|payload| {
        let location = take_panic_location();
        let location = location.map_or_else(String::new, |location| format!(" at {location}"));
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| payload.downcast_ref::<&str>().copied());
        let mut message = message.unwrap_or_default().to_owned();
        truncate(&mut message, MAX_PANIC_MESSAGE_BYTES);
        one_line(&format!("panicked{location}: {message}"))
    })
}

/// Writes a line to standard error as it is, without sampling, such as a line with colours.
pub fn raw(line: &str) {
    match LOG.get() {
        Some(log) => log.stderr.push(line.to_owned()),
        None => write_directly(line),
    }
}

/// Returns a writer for a subscriber of the program, which writes to standard error without
/// blocking. A full queue drops lines, and counts them in the metrics. Writing never fails.
///
/// ```
/// use highwater_server::logging;
///
/// let subscriber = tracing_subscriber::fmt().with_writer(logging::writer).finish();
/// # let _ = subscriber;
/// ```
pub fn writer() -> impl io::Write {
    Writer
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        for line in String::from_utf8_lossy(text).lines() {
            let mut line = line.to_owned();
            truncate(&mut line, writer::MAX_LINE_BYTES - 1);
            raw(&line);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
        // The others report dropped lines on standard error.
        outputs.chain([&self.stderr])
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
