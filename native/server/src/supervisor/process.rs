//! A worker process, as seen by the supervisor.

use super::{journal::WorkerLabel, program::Program};
use crate::{
    control::{HEARTBEAT_TIMEOUT, MAX_LINE_BYTES, SupervisorMessage, WorkerMessage},
    inheritance::{WORKER_VARIABLE, WorkerDescriptors},
    listen::Listeners,
    reaper,
    turns::{EntryReservation, TurnTable},
    worker::EXIT_BUG,
};
use command_fds::CommandFdExt;
use highwater::scale::WorkerId;
use nix::{errno::Errno, sys::signal::Signal};
use std::{
    env,
    ffi::OsString,
    fmt, io,
    mem::discriminant,
    os::unix::{net::UnixStream as StdUnixStream, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    sync::{
        Notify,
        mpsc::{self, Receiver, Sender},
    },
    time::{Instant, timeout},
};

/// The specification for starting workers.
#[derive(Debug)]
pub(super) struct WorkerSpec {
    /// The listening sockets. `None` during a shutdown, when no more workers are started.
    pub(super) listeners: Option<Listeners>,
    /// The command-line arguments of each worker.
    pub(super) arguments: Vec<OsString>,
    pub(super) program: Program,
    /// The shared turn table. `None` if it could not be created.
    pub(super) turns: Option<Arc<TurnTable>>,
}

/// A running worker process. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    pub(super) label: WorkerLabel,
    /// The program file that the process runs.
    pub(super) program: PathBuf,
    /// The version that the worker reported.
    pub(super) version: Option<String>,
    pub(super) stage: Stage,
    /// True if the worker has requested a replacement.
    pub(super) is_retiring: bool,
    /// The failure that the worker reported before it was ready.
    pub(super) start_failure: Option<StartFailure>,
    last_message_at: Instant,
    is_killed: bool,
    outbox: Arc<Outbox>,
    kill_sender: Sender<()>,
}

/// The reason why a worker did not become ready.
#[derive(Clone, Debug)]
pub(super) struct StartFailure {
    /// True if another attempt may succeed.
    pub(super) is_transient: bool,
    pub(super) cause: String,
}

/// A worker's stage, according to the events received so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Serving,
    Draining,
}

/// An event of a worker process, with the worker's id.
#[derive(Debug)]
pub(super) struct WorkerEvent {
    pub(super) id: WorkerId,
    pub(super) event: ProcessEvent,
}

/// A message from a worker process, or its exit.
#[derive(Debug)]
pub(super) enum ProcessEvent {
    Message(WorkerMessage),
    Exited(Exit),
}

/// The exit status of a process.
#[derive(Debug)]
pub(super) struct Exit(io::Result<ExitStatus>);

/// The maximum number of events of all workers that wait for the supervisor.
pub(super) const EVENTS_CAPACITY: usize = 1024;

/// The time limit for reading the last messages of a process that has exited. Its
/// children may keep the control channel open.
const FINAL_MESSAGES_TIMEOUT: Duration = Duration::from_millis(100);

impl WorkerProcess {
    /// Starts a worker from a program file. The worker inherits the listening sockets, the
    /// control channel and the turn table.
    pub(super) fn start(
        spec: &WorkerSpec,
        program: &Path,
        id: WorkerId,
        events: &Sender<WorkerEvent>,
    ) -> io::Result<Self> {
        let (supervisor_end, worker_end) = StdUnixStream::pair()?;
        supervisor_end.set_nonblocking(true)?;
        let channel = UnixStream::from_std(supervisor_end)?;
        let listeners = spec.listeners.as_ref();
        let listeners = listeners.ok_or_else(|| io::Error::other("the server is shutting down"))?;
        let other_listeners = listeners.others.iter();
        let other_listeners =
            other_listeners.map(|(name, it)| Ok((name.clone(), it.clone_descriptor()?)));
        let reservation = spec.turns.as_ref().and_then(TurnTable::reserve);
        let turns = reservation.as_ref().map(EntryReservation::descriptor);
        let inherited = WorkerDescriptors {
            id,
            listener: listeners.service.clone_descriptor()?,
            other_listeners: other_listeners.collect::<io::Result<_>>()?,
            control: worker_end.into(),
            turns: turns.transpose()?,
        };
        let (variable, descriptors) = inherited.into_parts()?;
        let mut command = Command::new(program);
        command
            .arg0(env::args_os().next().unwrap_or_default())
            .args(&spec.arguments)
            .env(WORKER_VARIABLE, variable)
            .preserved_fds(descriptors)
            .stdin(Stdio::null())
            // Only the supervisor notifies the service manager.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            // Otherwise Ctrl-C in a terminal would also signal the workers.
            .process_group(0)
            .kill_on_drop(true);
        let (child, child_guard) = reaper::spawn_child(&mut command)?;
        // Closes this process's copy of the worker's end of the control channel.
        drop(command);
        let pid = child.id().unwrap_or_default();
        let outbox = Arc::<Outbox>::default();
        let (kill_sender, kill_requests) = mpsc::channel(1);
        let monitoring = monitor(
            child,
            channel,
            Arc::clone(&outbox),
            kill_requests,
            id,
            events.clone(),
        );
        tokio::spawn(async move {
            monitoring.await;
            drop((reservation, child_guard));
        });
        Ok(WorkerProcess {
            label: WorkerLabel { id, pid },
            program: program.to_owned(),
            version: None,
            stage: Stage::Starting,
            is_retiring: false,
            start_failure: None,
            last_message_at: Instant::now(),
            is_killed: false,
            outbox,
            kill_sender,
        })
    }

    /// Queues a message for the worker. Never blocks.
    pub(super) fn send(&self, message: SupervisorMessage) {
        self.outbox.push(message);
    }

    /// Restarts the heartbeat timeout.
    pub(super) fn restart_heartbeat_timeout(&mut self) {
        self.last_message_at = Instant::now();
    }

    /// Returns the time at which a draining worker counts as hung. In the other stages,
    /// the [`Supervisor`](highwater::scale::Supervisor) checks heartbeats.
    pub(super) fn hang_deadline(&self) -> Option<Instant> {
        let is_draining = self.stage == Stage::Draining && !self.is_killed;
        is_draining.then(|| self.last_message_at + HEARTBEAT_TIMEOUT)
    }

    /// Kills the process. Returns false if it was already killed.
    pub(super) fn kill(&mut self) -> bool {
        // Full if the process is already being killed.
        let _ = self.kill_sender.try_send(());
        !std::mem::replace(&mut self.is_killed, true)
    }

    /// Returns true if the supervisor has killed the process.
    pub(super) fn is_killed(&self) -> bool {
        self.is_killed
    }
}

/// Adds the remedy to an error for lack of resources. Errors about the program's file are
/// not changed.
pub(super) fn with_remedy(cause: io::Error) -> io::Error {
    let remedy = match cause.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE | Errno::ENFILE) => "raise the limit on open files (ulimit -n)",
        Some(Errno::EAGAIN) => "raise the limit on processes (ulimit -u)",
        Some(Errno::ENOMEM) => "free some memory",
        _ => return cause,
    };
    io::Error::other(format!("{cause}; {remedy}, or start fewer workers"))
}

/// Forwards the messages of a process until it exits, then its exit status.
async fn monitor(
    mut child: Child,
    channel: UnixStream,
    outbox: Arc<Outbox>,
    mut kill_requests: Receiver<()>,
    id: WorkerId,
    events: Sender<WorkerEvent>,
) {
    let (read, write) = channel.into_split();
    // Separate tasks, so that a process that does not read can still be killed.
    let mut reader = tokio::spawn(read_messages(read, id, events.clone()));
    let writer = tokio::spawn(write_messages(write, outbox));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            request = kill_requests.recv() => match request {
                // Fails if the process has just exited.
                Some(()) => drop(child.start_kill()),
                // The `WorkerProcess` was dropped. Dropping the child kills the process.
                None => return,
            },
        }
    };
    // All messages are forwarded before the exit.
    let _ = timeout(FINAL_MESSAGES_TIMEOUT, &mut reader).await;
    reader.abort();
    writer.abort();
    let event = ProcessEvent::Exited(Exit(status));
    // Fails if the supervisor was dropped.
    let _ = events.send(WorkerEvent { id, event }).await;
}

/// Forwards the messages of a worker, and ignores unknown lines. While the supervisor has
/// [many events](EVENTS_CAPACITY) to handle, the worker's messages wait in its channel.
async fn read_messages(channel: OwnedReadHalf, id: WorkerId, events: Sender<WorkerEvent>) {
    let mut channel = BufReader::new(channel);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited_channel = (&mut channel).take(MAX_LINE_BYTES);
        match limited_channel.read_until(b'\n', &mut line).await {
            // The process may keep running without a channel, but its heartbeats then
            // stop.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        if let Some(message) = WorkerMessage::parse(line.trim_end_matches('\n')) {
            let event = ProcessEvent::Message(message);
            if events.send(WorkerEvent { id, event }).await.is_err() {
                return;
            }
        }
    }
}

/// Writes the queued messages to a worker.
async fn write_messages(mut channel: OwnedWriteHalf, outbox: Arc<Outbox>) {
    loop {
        let message = outbox.next().await;
        let line = format!("{message}\n");
        if channel.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The messages that a worker has not read yet: only the latest of each kind. This bounds
/// the memory used for a worker that does not read.
#[derive(Debug, Default)]
struct Outbox {
    pending: Mutex<Vec<SupervisorMessage>>,
    message_added: Notify,
}

impl Outbox {
    fn push(&self, message: SupervisorMessage) {
        let mut pending = self.lock();
        pending.retain(|other| discriminant(other) != discriminant(&message));
        pending.push(message);
        drop(pending);
        self.message_added.notify_one();
    }

    async fn next(&self) -> SupervisorMessage {
        loop {
            if let Some(message) = self.take_first() {
                return message;
            }
            self.message_added.notified().await;
        }
    }

    fn take_first(&self) -> Option<SupervisorMessage> {
        let mut pending = self.lock();
        (!pending.is_empty()).then(|| pending.remove(0))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SupervisorMessage>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exit {
    /// Returns true if the process was ended from outside: by an operator, or by the system
    /// because memory ran out.
    pub(super) fn is_requested(&self) -> bool {
        let signal = self.0.as_ref().ok().and_then(ExitStatus::signal);
        let signal = signal.and_then(|signal| Signal::try_from(signal).ok());
        matches!(
            signal,
            Some(Signal::SIGHUP | Signal::SIGINT | Signal::SIGKILL | Signal::SIGTERM)
        )
    }

    /// Returns true if the exit code means success or a bug that the worker reported
    /// itself.
    pub(super) fn is_clean(&self) -> bool {
        let code = self.0.as_ref().ok().and_then(ExitStatus::code);
        code.is_some_and(|code| code == 0 || code == i32::from(EXIT_BUG))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match &self.0 {
            Ok(status) => status,
            Err(cause) => return write!(f, "unknown exit status ({cause})"),
        };
        match (status.code(), status.signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => match Signal::try_from(signal) {
                Ok(name) => write!(f, "signal {signal} ({name})"),
                Err(_) => write!(f, "signal {signal}"),
            },
            (None, None) => write!(f, "{status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::Listener;
    use std::{collections::BTreeMap, net::TcpListener};

    const ID: WorkerId = WorkerId::new(3, 1);

    /// Returns the messages that are forwarded for these bytes.
    async fn forwarded_messages(bytes: &[u8]) -> Vec<WorkerMessage> {
        let (supervisor_end, mut worker_end) = StdUnixStream::pair().unwrap();
        supervisor_end.set_nonblocking(true).unwrap();
        let (read, _write) = UnixStream::from_std(supervisor_end).unwrap().into_split();
        let (events, mut received) = mpsc::channel(16);
        let reader = tokio::spawn(read_messages(read, ID, events));
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || io::Write::write_all(&mut worker_end, &bytes));
        reader.await.unwrap();
        writer.join().unwrap().unwrap();
        let mut messages = Vec::new();
        while let Some(WorkerEvent { id, event }) = received.recv().await {
            assert_eq!(id, ID);
            match event {
                ProcessEvent::Message(message) => messages.push(message),
                ProcessEvent::Exited(exit) => panic!("{exit}"),
            }
        }
        messages
    }

    #[tokio::test]
    async fn unknown_lines_are_ignored() {
        let bytes = b"ready\nserving on port 80\n\n\xff\xfe\nbeat\nmetrics {}\ndrai";
        let metrics = WorkerMessage::Metrics("{}".to_owned());
        assert_eq!(
            forwarded_messages(bytes).await,
            [WorkerMessage::Ready, WorkerMessage::Heartbeat, metrics]
        );
    }

    #[tokio::test]
    async fn overlong_lines_are_split() {
        let mut bytes = vec![b'x'; 3 << 20];
        bytes.extend(b"\nbeat\n");
        assert_eq!(forwarded_messages(&bytes).await, [WorkerMessage::Heartbeat]);
    }

    #[tokio::test]
    async fn messages_wait_for_a_busy_supervisor() {
        let (supervisor_end, mut worker_end) = StdUnixStream::pair().unwrap();
        supervisor_end.set_nonblocking(true).unwrap();
        let (read, _write) = UnixStream::from_std(supervisor_end).unwrap().into_split();
        let (events, mut received) = mpsc::channel(2);
        let reader = tokio::spawn(read_messages(read, ID, events));
        io::Write::write_all(&mut worker_end, &b"beat\n".repeat(100)).unwrap();
        drop(worker_end);
        while received.len() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(!reader.is_finished());
        let mut count = 0;
        while received.recv().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 100);
    }

    #[tokio::test]
    async fn messages_to_a_stalled_process_are_bounded() {
        let outbox = Outbox::default();
        for number in 0..1_000 {
            outbox.push(SupervisorMessage::Metrics);
            outbox.push(SupervisorMessage::Scraped(number.to_string()));
        }
        outbox.push(SupervisorMessage::Drain);
        outbox.push(SupervisorMessage::Stop);
        let messages = [
            outbox.next().await,
            outbox.next().await,
            outbox.next().await,
            outbox.next().await,
        ];
        let latest_scrape = SupervisorMessage::Scraped("999".to_owned());
        assert_eq!(
            messages,
            [
                SupervisorMessage::Metrics,
                latest_scrape,
                SupervisorMessage::Drain,
                SupervisorMessage::Stop
            ]
        );
        assert_eq!(outbox.take_first(), None);
    }

    #[test]
    fn exit_descriptions_name_the_code_or_signal() {
        for (status, text, is_clean) in [
            (0, "exit code 0", true),
            (70 << 8, "exit code 70", true),
            (1 << 8, "exit code 1", false),
            (9, "signal 9 (SIGKILL)", false),
            (64, "signal 64", false),
        ] {
            let exit = Exit(Ok(ExitStatus::from_raw(status)));
            assert_eq!(exit.to_string(), text);
            assert_eq!(exit.is_clean(), is_clean, "{text}");
        }
    }

    #[tokio::test]
    async fn failing_program_reports_its_exit() {
        let program = Path::new("/bin/false");
        let spec = WorkerSpec {
            listeners: Some(Listeners {
                service: Listener::Tcp(TcpListener::bind("127.0.0.1:0").unwrap()),
                others: BTreeMap::new(),
            }),
            arguments: Vec::new(),
            program: Program::Path(program.into()),
            turns: None,
        };
        let (events, mut received) = mpsc::channel(16);
        let process = WorkerProcess::start(&spec, program, ID, &events).unwrap();
        assert_eq!(process.stage, Stage::Starting);
        let WorkerEvent { id, event } = received.recv().await.unwrap();
        assert_eq!(id, ID);
        assert!(matches!(event, ProcessEvent::Exited(exit) if !exit.is_clean()));
        let stopped = WorkerSpec {
            listeners: None,
            ..spec
        };
        assert!(WorkerProcess::start(&stopped, program, ID, &events).is_err());
    }
}
