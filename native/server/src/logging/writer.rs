//! A bounded queue of lines, and the thread that writes them to a file.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The maximum length of a line with its line break. Linux writes up to this length to a
/// pipe atomically, so lines of several processes do not interleave.
pub(super) const MAX_LINE_BYTES: usize = 4096;

/// The capacity and the delay of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueConfig {
    /// The capacity in lines. Further lines are dropped.
    pub(super) capacity: usize,
    /// The time for which the writer collects lines, so that it writes several at once and
    /// wakes up less often. Zero writes each line at once, by itself.
    pub(super) delay: Duration,
}

impl QueueConfig {
    /// For lines that are rare and urgent.
    pub(super) const LOG: Self = QueueConfig {
        capacity: 512,
        delay: Duration::ZERO,
    };

    /// For a line per request.
    pub(super) const ACCESS_LOG: Self = QueueConfig {
        capacity: 4096,
        delay: Duration::from_millis(20),
    };
}

/// The suffix of a truncated line.
const ELLIPSIS: &str = "…";

/// A destination for lines.
pub(super) trait LineOutput: Send + 'static {
    /// Writes one or several lines, separated by line breaks. Blocks while the reader
    /// stalls.
    ///
    /// # Errors
    ///
    /// If the lines cannot be written, for example because the reader is gone.
    fn write_line(&mut self, line: &str) -> io::Result<()>;
}

/// Lines that the queue itself adds.
pub(super) trait Notices: Send + 'static {
    /// Returns the line that reports dropped lines, unless they are reported elsewhere.
    fn dropped_line(&self, count: u64) -> Option<String>;

    /// Returns the lines that are due, and the time of the next call. With `is_last`,
    /// returns all pending lines.
    fn due_lines(&self, now: Instant, is_last: bool) -> (Vec<String>, Option<Instant>);
}

/// A bounded queue that never blocks its senders.
///
/// A line is dropped and counted if the queue is full or the write fails. Once the older
/// lines are written, one line reports the number of dropped lines.
#[derive(Debug)]
pub(super) struct LineQueue {
    config: QueueConfig,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    writer: Activity,
    /// The process exits without waiting for the writer.
    is_abandoned: bool,
    /// A flush was requested.
    is_closing: bool,
    is_flushed: bool,
    dropped: u64,
    /// The number of dropped lines that have not been reported.
    unreported: u64,
    /// The number of queued lines to write before the report of dropped lines.
    report_after: usize,
}

/// The writer's activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Activity {
    /// Neither waiting nor writing.
    #[default]
    Busy,
    /// Waiting for a line.
    Waiting,
    /// Waiting until many lines are queued.
    Collecting,
    /// Writing this number of lines.
    Writing(usize),
}

impl LineQueue {
    /// Starts the writer thread.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(super) fn start(
        name: &str,
        config: QueueConfig,
        output: impl LineOutput,
        notices: impl Notices,
    ) -> io::Result<Arc<Self>> {
        let queue = Arc::new(LineQueue {
            config,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = LineWriter {
            queue: Arc::clone(&queue),
            output,
            notices,
            is_draining: false,
        };
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writer.run())?;
        Ok(queue)
    }

    /// Queues a line, without its line break. Drops it if the queue is full.
    pub(super) fn push(&self, line: String) {
        let mut state = self.lock();
        if state.lines.len() >= self.config.capacity {
            return state.drop_lines(1);
        }
        state.lines.push_back(line);
        let should_wake = match state.writer {
            Activity::Waiting => true,
            Activity::Collecting => state.lines.len() == self.config.enough(),
            Activity::Busy | Activity::Writing(_) => false,
        };
        if should_wake {
            self.changed.notify_all();
        }
    }

    /// Waits until all lines and notices are written, or until the deadline.
    pub(super) fn flush(&self, deadline: Instant) {
        let mut state = self.lock();
        if state.is_abandoned {
            return;
        }
        state.is_closing = true;
        state.is_flushed = false;
        self.changed.notify_all();
        let wait = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .changed
            .wait_timeout_while(state, wait, |state| !state.is_flushed);
        drop(waited);
    }

    /// Drops and counts the queued lines before the process exits.
    #[cfg(any(unix, test))]
    pub(super) fn drop_queued(&self) {
        let mut state = self.lock();
        let in_writer = match state.writer {
            Activity::Writing(count) => count,
            _ => 0,
        };
        let unwritten = state.lines.len() + in_writer;
        if unwritten > 0 {
            state.lines.clear();
            state.is_abandoned = true;
            state.drop_lines(unwritten);
        }
    }

    /// Returns the number of lines dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_lines(&mut self, count: usize) {
        let count = count as u64;
        if self.unreported == 0 {
            self.report_after = self.lines.len();
        }
        self.dropped += count;
        self.unreported += count;
    }
}

impl QueueConfig {
    /// Returns the number of lines at which the writer stops collecting.
    fn enough(&self) -> usize {
        self.capacity / 2
    }
}

struct LineWriter<O, N> {
    queue: Arc<LineQueue>,
    output: O,
    notices: N,
    /// True while the collected lines are written.
    is_draining: bool,
}

/// The writer's next step.
enum Step {
    /// Write these lines.
    Write(String),
    /// No line is queued.
    Idle { is_closing: bool },
}

impl<O: LineOutput, N: Notices> LineWriter<O, N> {
    fn run(mut self) {
        loop {
            let (due, next_call) = self.notices.due_lines(Instant::now(), false);
            for line in due {
                self.write(&line);
            }
            match self.next_step(next_call) {
                Step::Write(lines) => self.write(&lines),
                Step::Idle { is_closing: false } => {}
                Step::Idle { is_closing: true } => {
                    let (due, _) = self.notices.due_lines(Instant::now(), true);
                    for line in due {
                        self.write(&line);
                    }
                    self.report_dropped(true);
                    let mut state = self.queue.lock();
                    if state.lines.is_empty() {
                        state.is_closing = false;
                        state.is_flushed = true;
                        self.queue.changed.notify_all();
                    }
                }
            }
        }
    }

    /// Waits for a line, a flush, or the given instant.
    fn next_step(&mut self, until: Option<Instant>) -> Step {
        let QueueConfig { delay, .. } = self.queue.config;
        let mut state = self.queue.lock();
        loop {
            if !state.lines.is_empty() && !delay.is_zero() && !self.is_draining {
                state.writer = Activity::Collecting;
                let enough = self.queue.config.enough();
                let is_collecting =
                    |state: &mut State| !state.is_closing && state.lines.len() < enough;
                let changed = &self.queue.changed;
                let waited = changed.wait_timeout_while(state, delay, is_collecting);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.writer = Activity::Busy;
                self.is_draining = true;
            }
            if let Some(mut lines) = state.lines.pop_front() {
                let mut count = 1;
                while !delay.is_zero()
                    && let Some(next) = state.lines.front()
                    && lines.len() + next.len() + 2 <= MAX_LINE_BYTES
                {
                    lines.push('\n');
                    lines.push_str(next);
                    state.lines.pop_front();
                    count += 1;
                }
                state.report_after = state.report_after.saturating_sub(count);
                state.writer = Activity::Writing(count);
                return Step::Write(lines);
            }
            self.is_draining = false;
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            if state.is_closing || wait.is_some_and(|wait| wait.is_zero()) {
                let is_closing = state.is_closing;
                return Step::Idle { is_closing };
            }
            state.writer = Activity::Waiting;
            let changed = &self.queue.changed;
            state = match wait {
                Some(wait) => {
                    let waited = changed.wait_timeout(state, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.writer = Activity::Busy;
        }
    }

    fn write(&mut self, lines: &str) {
        let written = self.output.write_line(lines);
        let mut state = self.queue.lock();
        let count = match std::mem::take(&mut state.writer) {
            Activity::Writing(count) => count,
            // A line that is not from the queue.
            _ => 1,
        };
        if written.is_err() {
            return state.drop_lines(count);
        }
        drop(state);
        self.report_dropped(false);
    }

    /// Reports dropped lines once the older lines are written.
    fn report_dropped(&mut self, is_last: bool) {
        let unreported = {
            let mut state = self.queue.lock();
            if state.unreported == 0 || (state.report_after > 0 && !is_last) {
                return;
            }
            std::mem::take(&mut state.unreported)
        };
        let report = self.notices.dropped_line(unreported);
        if report.is_some_and(|report| self.output.write_line(&report).is_err()) {
            self.queue.lock().unreported += unreported;
        }
    }
}

/// Converts a text to one line: escapes control characters and truncates long text.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = if text.contains(char::is_control) {
        text.chars().fold(String::new(), |mut line, char| {
            if char.is_control() {
                line.extend(char.escape_debug());
            } else {
                line.push(char);
            }
            line
        })
    } else {
        text.to_owned()
    };
    truncate(&mut line, MAX_LINE_BYTES - 1);
    line
}

/// Truncates a text to `max_len` bytes, including an ellipsis.
pub(super) fn truncate(text: &mut String, max_len: usize) {
    if text.len() > max_len {
        text.truncate(text.floor_char_boundary(max_len - ELLIPSIS.len()));
        text.push_str(ELLIPSIS);
    }
}

/// A standard stream without the standard library's lock, so that a blocked write does not
/// block threads that print.
#[derive(Debug)]
pub(super) struct StandardStream {
    #[cfg(unix)]
    file: std::fs::File,
    #[cfg(not(unix))]
    is_stdout: bool,
}

#[cfg(unix)]
impl StandardStream {
    pub(super) fn stdout() -> io::Result<Self> {
        Self::of(&io::stdout())
    }

    pub(super) fn stderr() -> io::Result<Self> {
        Self::of(&io::stderr())
    }

    fn of(stream: &impl std::os::fd::AsFd) -> io::Result<Self> {
        let file = stream.as_fd().try_clone_to_owned()?.into();
        Ok(StandardStream { file })
    }
}

#[cfg(unix)]
impl LineOutput for StandardStream {
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        use io::{ErrorKind, Write};
        let line = format!("{line}\n");
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_until_ready(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
impl StandardStream {
    /// Waits until a non-blocking stream is writable. Another process that shares the stream
    /// may have made it non-blocking.
    fn wait_until_ready(&self) {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        // Avoids a busy loop if the stream is ready but rejects the line.
        thread::sleep(Duration::from_millis(1));
        let mut poll_fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        let _ = poll(&mut poll_fds, PollTimeout::NONE);
    }
}

#[cfg(not(unix))]
impl StandardStream {
    pub(super) fn stdout() -> io::Result<Self> {
        Ok(StandardStream { is_stdout: true })
    }

    pub(super) fn stderr() -> io::Result<Self> {
        Ok(StandardStream { is_stdout: false })
    }
}

#[cfg(not(unix))]
impl LineOutput for StandardStream {
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        use io::Write;
        let line = format!("{line}\n");
        if self.is_stdout {
            let mut stdout = io::stdout();
            stdout.write_all(line.as_bytes())?;
            return stdout.flush();
        }
        io::stderr().write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

    /// An output whose lines the test receives one at a time.
    struct GatedOutput {
        written: SyncSender<String>,
        failures: Receiver<bool>,
    }

    impl LineOutput for GatedOutput {
        fn write_line(&mut self, line: &str) -> io::Result<()> {
            if self.failures.try_recv() == Ok(true) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.written.send(line.to_owned()).map_err(io::Error::other)
        }
    }

    struct TestNotices;

    impl Notices for TestNotices {
        fn dropped_line(&self, count: u64) -> Option<String> {
            Some(format!("{count} dropped"))
        }

        fn due_lines(&self, _: Instant, is_last: bool) -> (Vec<String>, Option<Instant>) {
            let last = is_last.then(|| "last".to_owned());
            (last.into_iter().collect(), None)
        }
    }

    fn stalled_queue(config: QueueConfig) -> (Arc<LineQueue>, Receiver<String>, Sender<bool>) {
        let (written, reader) = sync_channel(0);
        let (fail, failures) = channel();
        let output = GatedOutput { written, failures };
        let queue = LineQueue::start("test", config, output, TestNotices).unwrap();
        (queue, reader, fail)
    }

    fn generous_deadline() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn lines_dropped_during_a_stall_are_reported_once() {
        let (queue, reader, _) = stalled_queue(QueueConfig::LOG);
        let total = QueueConfig::LOG.capacity + 100;
        for number in 0..total {
            queue.push(number.to_string());
        }
        let dropped = queue.dropped();
        // The writer may have taken one line from the queue.
        assert!((99..=100).contains(&dropped), "{dropped}");
        let written = total - usize::try_from(dropped).unwrap();
        for number in 0..written {
            assert_eq!(reader.recv().unwrap(), number.to_string());
        }
        assert_eq!(reader.recv().unwrap(), format!("{dropped} dropped"));
        queue.push("next".to_owned());
        assert_eq!(reader.recv().unwrap(), "next");
        assert_eq!(queue.dropped(), dropped);
    }

    #[test]
    fn failed_writes_count_as_dropped_lines() {
        let (queue, reader, fail) = stalled_queue(QueueConfig::LOG);
        for _ in 0..3 {
            fail.send(true).unwrap();
            queue.push("lost".to_owned());
        }
        while queue.dropped() < 3 {
            thread::yield_now();
        }
        queue.push("back".to_owned());
        assert_eq!(reader.recv().unwrap(), "back");
        assert_eq!(reader.recv().unwrap(), "3 dropped");
    }

    #[test]
    fn flush_writes_all_lines_or_times_out() {
        let (queue, reader, _) = stalled_queue(QueueConfig::LOG);
        for line in ["one", "two"] {
            queue.push(line.to_owned());
        }
        // Without a reader, the flush times out.
        queue.flush(Instant::now() + Duration::from_millis(20));
        let flushing = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.flush(generous_deadline())
        });
        let lines: Vec<String> = (0..3).map(|_| reader.recv().unwrap()).collect();
        assert_eq!(lines, ["one", "two", "last"]);
        // Two flushes can write the last line twice.
        while !flushing.is_finished() {
            let _ = reader.recv_timeout(Duration::from_millis(1));
        }
        flushing.join().unwrap();
    }

    #[test]
    fn collected_lines_are_written_together() {
        // Long enough that only the number of lines ends it.
        let config = QueueConfig {
            capacity: 100,
            delay: Duration::from_mins(10),
        };
        let (queue, reader, _) = stalled_queue(config);
        let long = "x".repeat(100);
        for _ in 0..50 {
            queue.push(long.clone());
        }
        let first = reader.recv().unwrap();
        // The writer stalls: the queue accepts as many lines as it has room for.
        let in_writer = first.lines().count();
        assert_eq!(first.len() + 1, in_writer * 101);
        assert!(
            (1..=MAX_LINE_BYTES / 101).contains(&in_writer),
            "{in_writer}"
        );
        for _ in 0..300 {
            queue.push(long.clone());
        }
        assert!((100..300).contains(&queue.dropped()), "{}", queue.dropped());
        let mut written = in_writer as u64;
        while written < 350 - queue.dropped() {
            let lines = reader.recv().unwrap();
            assert!(lines.len() < MAX_LINE_BYTES, "{}", lines.len());
            if !lines.ends_with("dropped") {
                written += lines.lines().count() as u64;
            }
        }
    }

    #[test]
    fn flush_ends_the_collection() {
        let config = QueueConfig {
            capacity: 100,
            delay: Duration::from_mins(10),
        };
        let (queue, reader, _) = stalled_queue(config);
        queue.push("one".to_owned());
        queue.push("two".to_owned());
        let flushing = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.flush(generous_deadline())
        });
        assert_eq!(reader.recv().unwrap(), "one\ntwo");
        while !flushing.is_finished() {
            let _ = reader.recv_timeout(Duration::from_millis(1));
        }
        flushing.join().unwrap();
    }

    #[test]
    fn drop_queued_counts_the_queued_lines() {
        let (queue, _reader, _) = stalled_queue(QueueConfig::LOG);
        for line in ["one", "two", "three"] {
            queue.push(line.to_owned());
        }
        queue.flush(Instant::now());
        queue.drop_queued();
        assert_eq!(queue.dropped(), 3);
        queue.flush(generous_deadline());
    }

    #[test]
    fn long_lines_are_truncated_and_control_characters_escaped() {
        assert_eq!(one_line("a\nb\u{1b}[0m"), "a\\nb\\u{1b}[0m");
        let long = one_line(&"é".repeat(MAX_LINE_BYTES));
        assert!(
            long.len() < MAX_LINE_BYTES && long.ends_with(ELLIPSIS),
            "{}",
            long.len()
        );
    }
}
