//! One worker's process, as its supervisor has it.

use super::{
    super::{
        config::Content,
        control::{HEARTBEAT_TIMEOUT, MAX_LINE_BYTES, SupervisorMessage, WorkerMessage},
        reaper,
        turns::{self, TurnTable},
        worker::EXIT_BUG,
    },
    journal::WorkerLabel,
    program::Program,
};
pub(super) use highwater::scale::WorkerId;
use std::{
    env, fmt, io,
    mem::discriminant,
    net,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream, unix::process::ExitStatusExt},
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
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::{Instant, timeout},
};

/// What a process is started with.
#[derive(Debug)]
pub(super) struct WorkerSpec {
    /// None when no worker is to be started any more.
    pub(super) listener: Option<net::TcpListener>,
    pub(super) content: Content,
    pub(super) program: Program,
    /// None if they are to accept connections without turns.
    pub(super) turns: Option<Arc<TurnTable>>,
}

/// A process that has not ended yet. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    pub(super) label: WorkerLabel,
    /// The file that it runs.
    pub(super) program: PathBuf,
    /// What it says of itself.
    pub(super) version: Option<String>,
    pub(super) stage: Stage,
    /// Whether it has asked to be replaced.
    pub(super) is_retiring: bool,
    /// When it said something last.
    last_heard_at: Instant,
    is_killed: bool,
    outbox: Arc<Outbox>,
    kill: UnboundedSender<()>,
}

/// How far it is, as far as was last_heard_at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Serving,
    Draining,
}

/// Something happened to a process.
#[derive(Debug)]
pub(super) struct WorkerEvent {
    pub(super) id: WorkerId,
    pub(super) event: ProcessEvent,
}

#[derive(Debug)]
pub(super) enum ProcessEvent {
    Message(WorkerMessage),
    Exited(Exit),
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Exit(io::Result<ExitStatus>);

/// How long what it said before its end may take to be read. Somebody it has
/// started may hold the line open.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(100);

impl WorkerProcess {
    /// Starts one from this file. It inherits the socket, and nothing else of ours.
    pub(super) fn start(
        spec: &WorkerSpec,
        program: &Path,
        id: WorkerId,
        event_sender: &UnboundedSender<WorkerEvent>,
    ) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let line = UnixStream::from_std(ours)?;
        let listener = spec.listener.as_ref();
        let listener = listener.ok_or_else(|| io::Error::other("all is to end"))?;
        let socket = OwnedFd::from(listener.try_clone()?);
        let mut command = Command::new(program);
        command
            .arg0(env::args_os().next().unwrap_or_default())
            .arg("serve-worker")
            .args(spec.content.arguments())
            .stdin(Stdio::from(socket))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            // What a service manager is to be events is for us to event_sender.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .env_remove(turns::TURNS_VARIABLE)
            // Or Ctrl-C would end it too, in the midst of its answers.
            .process_group(0)
            .kill_on_drop(true);
        let reserve = spec.turns.as_ref().and_then(TurnTable::reserve);
        if let Some(reserve) = &reserve {
            command.env(turns::TURNS_VARIABLE, reserve.variable());
        }
        let (child, own_child) = reaper::spawn(&mut command)?;
        let pid = child.id().unwrap_or_default();
        let outbox = Arc::<Outbox>::default();
        let to_tell = Arc::clone(&outbox);
        let (kill, to_kill) = mpsc::unbounded_channel();
        let running = run(child, line, to_tell, to_kill, id, event_sender.clone());
        tokio::spawn(async move {
            running.await;
            drop((reserve, own_child));
        });
        Ok(WorkerProcess {
            label: WorkerLabel {
                slot: id.slot,
                generation: id.generation,
                pid,
            },
            program: program.to_owned(),
            version: None,
            stage: Stage::Starting,
            is_retiring: false,
            last_heard_at: Instant::now(),
            is_killed: false,
            outbox,
            kill,
        })
    }

    pub(super) fn send(&self, send: SupervisorMessage) {
        self.outbox.push(send);
    }

    /// It said something.
    pub(super) fn note_activity(&mut self) {
        self.last_heard_at = Instant::now();
    }

    /// When it is taken to hang, if it drains. Of the others that is known already.
    pub(super) fn hang_deadline(&self) -> Option<Instant> {
        let drains = self.stage == Stage::Draining && !self.is_killed;
        drains.then(|| self.last_heard_at + HEARTBEAT_TIMEOUT)
    }

    /// Kills it; whether it was to live until now.
    pub(super) fn kill(&mut self) -> bool {
        let _ = self.kill.send(());
        !std::mem::replace(&mut self.is_killed, true)
    }
}

/// Looks after a process, and tells what happens to it, to the end.
async fn run(
    mut child: Child,
    line: UnixStream,
    outbox: Arc<Outbox>,
    mut kill: UnboundedReceiver<()>,
    id: WorkerId,
    event_sender: UnboundedSender<WorkerEvent>,
) {
    let (read, write) = line.into_split();
    // Each by itself: a process that does not read is to be killed all the same.
    let mut hearing = tokio::spawn(handle_event(read, id, event_sender.clone()));
    let trace_stream = tokio::spawn(write_all(write, outbox));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            killed = kill.recv() => match killed {
                // It fails if it has just ended.
                Some(()) => drop(child.start_kill()),
                // Nobody has it any more. It is killed as it is dropped.
                None => return,
            },
        }
    };
    // What it said comes before its end.
    let _ = timeout(LAST_WORDS_WITHIN, &mut hearing).await;
    hearing.abort();
    trace_stream.abort();
    let event = ProcessEvent::Exited(Exit(status));
    // Nobody hears it when the supervisor ends.
    let _ = event_sender.send(WorkerEvent { id, event });
}

/// Hands on what a process says.
async fn handle_event(
    line: OwnedReadHalf,
    id: WorkerId,
    event_sender: UnboundedSender<WorkerEvent>,
) {
    let mut line = BufReader::new(line);
    let mut word = Vec::new();
    loop {
        word.clear();
        let mut limited = (&mut line).take(MAX_LINE_BYTES);
        match limited.read_until(b'\n', &mut word).await {
            // It may go on without a line: it is its signs of life that are missed.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let word = String::from_utf8_lossy(&word);
        if let Some(word) = WorkerMessage::parse(word.trim_end_matches('\n')) {
            let event = ProcessEvent::Message(word);
            if event_sender.send(WorkerEvent { id, event }).is_err() {
                return;
            }
        }
    }
}

/// Tells a process what it is to do.
async fn write_all(mut line: OwnedWriteHalf, outbox: Arc<Outbox>) {
    loop {
        let send = outbox.next().await;
        if line
            .write_all(format!("{send}\n").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Outbox that a process has not read yet: at most one of each kind, the latest. A
/// process that does not read costs no memory.
#[derive(Debug, Default)]
struct Outbox {
    waiting: Mutex<Vec<SupervisorMessage>>,
    changed: Notify,
}

impl Outbox {
    fn push(&self, send: SupervisorMessage) {
        let mut waiting = self.lock();
        waiting.retain(|known| discriminant(known) != discriminant(&send));
        waiting.push(send);
        drop(waiting);
        self.changed.notify_one();
    }

    async fn next(&self) -> SupervisorMessage {
        loop {
            if let Some(send) = self.take_first() {
                return send;
            }
            self.changed.notified().await;
        }
    }

    fn take_first(&self) -> Option<SupervisorMessage> {
        let mut waiting = self.lock();
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SupervisorMessage>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exit {
    /// Whether it ended by itself and without an error, but for a bug that it has
    /// events of.
    pub(super) fn is_clean(&self) -> bool {
        let code = self.0.as_ref().ok().and_then(ExitStatus::code);
        code.is_some_and(|code| code == 0 || code == i32::from(EXIT_BUG))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match &self.0 {
            Ok(status) => status,
            Err(cause) => return write!(f, "nobody knows how: {cause}"),
        };
        match (status.code(), status.signal()) {
            (Some(code), _) => write!(f, "with exit code {code}"),
            (None, Some(signal)) => match nix::sys::signal::Signal::try_from(signal) {
                Ok(signal) => write!(f, "by {signal}"),
                Err(_) => write!(f, "by signal {signal}"),
            },
            (None, None) => write!(f, "{status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream as Pair;

    async fn last_heard_at(said: &[u8]) -> Vec<WorkerMessage> {
        let (ours, mut theirs) = Pair::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (read, _write) = UnixStream::from_std(ours).unwrap().into_split();
        let (event_sender, mut events) = mpsc::unbounded_channel();
        let hearing = tokio::spawn(handle_event(read, WorkerId::new(3, 1), event_sender));
        let said = said.to_vec();
        let saying = std::thread::spawn(move || io::Write::write_all(&mut theirs, &said));
        hearing.await.unwrap();
        saying.join().unwrap().unwrap();
        let mut words = Vec::new();
        while let Some(WorkerEvent { id, event }) = events.recv().await {
            assert_eq!(id, WorkerId::new(3, 1));
            match event {
                ProcessEvent::Message(word) => words.push(word),
                ProcessEvent::Exited(end) => panic!("{end}"),
            }
        }
        words
    }

    #[tokio::test]
    async fn what_is_no_word_is_passed_over() {
        let words =
            last_heard_at(b"ready\nserving on port 80\n\n\xff\xfe\nbeat\nmetrics {}\ndrai").await;
        let metrics = WorkerMessage::Metrics("{}".to_owned());
        assert_eq!(
            words,
            [WorkerMessage::Ready, WorkerMessage::Heartbeat, metrics]
        );
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_no_memory_without_an_end() {
        let mut said = vec![b'x'; 3 << 20];
        said.extend(b"\nbeat\n");
        assert_eq!(last_heard_at(&said).await, [WorkerMessage::Heartbeat]);
    }

    #[tokio::test]
    async fn orders_for_a_stalled_process_are_bounded() {
        let outbox = Outbox::default();
        for number in 0..1_000 {
            outbox.push(SupervisorMessage::Metrics);
            outbox.push(SupervisorMessage::Scraped(number.to_string()));
        }
        outbox.push(SupervisorMessage::Drain);
        outbox.push(SupervisorMessage::Stop);
        let taken = [
            outbox.next().await,
            outbox.next().await,
            outbox.next().await,
            outbox.next().await,
        ];
        let last = SupervisorMessage::Scraped("999".to_owned());
        assert_eq!(
            taken,
            [
                SupervisorMessage::Metrics,
                last,
                SupervisorMessage::Drain,
                SupervisorMessage::Stop
            ]
        );
        assert_eq!(outbox.take_first(), None);
    }

    #[test]
    fn an_end_is_told_in_words() {
        for (status, words, is_clean) in [
            (0, "with exit code 0", true),
            (70 << 8, "with exit code 70", true),
            (1 << 8, "with exit code 1", false),
            (9, "by SIGKILL", false),
            (64, "by signal 64", false),
        ] {
            let end = Exit(Ok(ExitStatus::from_raw(status)));
            assert_eq!(end.to_string(), words);
            assert_eq!(end.is_clean(), is_clean, "{words}");
        }
    }

    #[tokio::test]
    async fn a_program_that_does_not_know_what_it_is_to_do_ends() {
        let program = Path::new("/bin/false");
        let spec = WorkerSpec {
            listener: Some(net::TcpListener::bind("127.0.0.1:0").unwrap()),
            content: Content::Plain { faults: false },
            program: Program::Path(program.into()),
            turns: None,
        };
        let (event_sender, mut events) = mpsc::unbounded_channel();
        let process =
            WorkerProcess::start(&spec, program, WorkerId::new(0, 1), &event_sender).unwrap();
        assert_eq!(process.stage, Stage::Starting);
        let WorkerEvent { id, event } = events.recv().await.unwrap();
        assert_eq!(id, WorkerId::new(0, 1));
        assert!(matches!(event, ProcessEvent::Exited(end) if !end.is_clean()));
        let stopped = WorkerSpec {
            listener: None,
            ..spec
        };
        assert!(
            WorkerProcess::start(&stopped, program, WorkerId::new(0, 2), &event_sender).is_err()
        );
    }
}
