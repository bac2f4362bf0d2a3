//! One worker's process, as its supervisor has it.

use super::{
    super::{
        children,
        control::{ALIVE_WITHIN, LONGEST_LINE_BYTES, Order, Word},
        turns::{self, TurnTable},
        worker::EXIT_BUG,
    },
    Content,
    journal::Who,
    program::Program,
};
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
pub(super) struct Recipe {
    /// None when no worker is to be started any more.
    pub(super) listener: Option<net::TcpListener>,
    pub(super) content: Content,
    pub(super) program: Program,
    /// None if they are to accept connections without turns.
    pub(super) turns: Option<Arc<TurnTable>>,
}

/// A process that has not ended yet. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) who: Who,
    /// The file that it runs.
    pub(super) program: PathBuf,
    /// What it says of itself.
    pub(super) version: Option<String>,
    pub(super) stage: Stage,
    /// Whether it has asked to be replaced.
    pub(super) is_retiring: bool,
    /// When it said something last.
    heard: Instant,
    is_killed: bool,
    orders: Arc<Orders>,
    kill: UnboundedSender<()>,
}

/// How far it is, as far as was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Starts,
    Serves,
    Drains,
}

/// A slot and a generation.
pub(super) type Name = (usize, u64);

/// Something happened to a process.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) name: Name,
    pub(super) event: Event,
}

#[derive(Debug)]
pub(super) enum Event {
    Said(Word),
    Exited(End),
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct End(io::Result<ExitStatus>);

/// How long what it said before its end may take to be read. Somebody it has
/// started may hold the line open.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(100);

impl Process {
    /// Starts one from this file. It inherits the socket, and nothing else of ours.
    pub(super) fn start(
        recipe: &Recipe,
        program: &Path,
        (slot, generation): Name,
        tell: &UnboundedSender<Told>,
    ) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let line = UnixStream::from_std(ours)?;
        let listener = recipe.listener.as_ref();
        let listener = listener.ok_or_else(|| io::Error::other("all is to end"))?;
        let socket = OwnedFd::from(listener.try_clone()?);
        let mut command = Command::new(program);
        command
            .arg0(env::args_os().next().unwrap_or_default())
            .arg("serve-worker")
            .args(recipe.content.arguments())
            .stdin(Stdio::from(socket))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            // What a service manager is to be told is for us to tell.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .env_remove(turns::VARIABLE)
            // Or Ctrl-C would end it too, in the midst of its answers.
            .process_group(0)
            .kill_on_drop(true);
        let seat = recipe.turns.as_ref().and_then(TurnTable::seat);
        if let Some(seat) = &seat {
            command.env(turns::VARIABLE, seat.variable());
        }
        let (child, own_child) = children::spawn(&mut command)?;
        let pid = child.id().unwrap_or_default();
        let orders = Arc::<Orders>::default();
        let to_tell = Arc::clone(&orders);
        let (kill, to_kill) = mpsc::unbounded_channel();
        let name = (slot, generation);
        let attending = attend(child, line, to_tell, to_kill, name, tell.clone());
        tokio::spawn(async move {
            attending.await;
            drop((seat, own_child));
        });
        Ok(Process {
            who: Who {
                slot,
                generation,
                pid,
            },
            program: program.to_owned(),
            version: None,
            stage: Stage::Starts,
            is_retiring: false,
            heard: Instant::now(),
            is_killed: false,
            orders,
            kill,
        })
    }

    pub(super) fn order(&self, order: Order) {
        self.orders.push(order);
    }

    /// It said something.
    pub(super) fn is_heard(&mut self) {
        self.heard = Instant::now();
    }

    /// When it is taken to hang, if it drains. Of the others that is known already.
    pub(super) fn hangs_at(&self) -> Option<Instant> {
        let drains = self.stage == Stage::Drains && !self.is_killed;
        drains.then(|| self.heard + ALIVE_WITHIN)
    }

    /// Kills it; whether it was to live until now.
    pub(super) fn kill(&mut self) -> bool {
        let _ = self.kill.send(());
        !std::mem::replace(&mut self.is_killed, true)
    }
}

/// Looks after a process, and tells what happens to it, to the end.
async fn attend(
    mut child: Child,
    line: UnixStream,
    orders: Arc<Orders>,
    mut kill: UnboundedReceiver<()>,
    name: Name,
    tell: UnboundedSender<Told>,
) {
    let (read, write) = line.into_split();
    // Each by itself: a process that does not read is to be killed all the same.
    let mut hearing = tokio::spawn(hear(read, name, tell.clone()));
    let telling = tokio::spawn(write_all(write, orders));
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
    telling.abort();
    let event = Event::Exited(End(status));
    // Nobody hears it when the supervisor ends.
    let _ = tell.send(Told { name, event });
}

/// Hands on what a process says.
async fn hear(line: OwnedReadHalf, name: Name, tell: UnboundedSender<Told>) {
    let mut line = BufReader::new(line);
    let mut word = Vec::new();
    loop {
        word.clear();
        let mut limited = (&mut line).take(LONGEST_LINE_BYTES);
        match limited.read_until(b'\n', &mut word).await {
            // It may go on without a line: it is its signs of life that are missed.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let word = String::from_utf8_lossy(&word);
        if let Some(word) = Word::parse(word.trim_end_matches('\n')) {
            let event = Event::Said(word);
            if tell.send(Told { name, event }).is_err() {
                return;
            }
        }
    }
}

/// Tells a process what it is to do.
async fn write_all(mut line: OwnedWriteHalf, orders: Arc<Orders>) {
    loop {
        let order = orders.next().await;
        if line
            .write_all(format!("{order}\n").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Orders that a process has not read yet: at most one of each kind, the latest. A
/// process that does not read costs no memory.
#[derive(Debug, Default)]
struct Orders {
    waiting: Mutex<Vec<Order>>,
    changed: Notify,
}

impl Orders {
    fn push(&self, order: Order) {
        let mut waiting = self.lock();
        waiting.retain(|known| discriminant(known) != discriminant(&order));
        waiting.push(order);
        drop(waiting);
        self.changed.notify_one();
    }

    async fn next(&self) -> Order {
        loop {
            if let Some(order) = self.take_first() {
                return order;
            }
            self.changed.notified().await;
        }
    }

    fn take_first(&self) -> Option<Order> {
        let mut waiting = self.lock();
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Order>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    /// Whether it ended by itself and without an error, but for a bug that it has
    /// told of.
    pub(super) fn is_in_peace(&self) -> bool {
        let code = self.0.as_ref().ok().and_then(ExitStatus::code);
        code.is_some_and(|code| code == 0 || code == i32::from(EXIT_BUG))
    }
}

impl fmt::Display for End {
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

    async fn heard(said: &[u8]) -> Vec<Word> {
        let (ours, mut theirs) = Pair::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (read, _write) = UnixStream::from_std(ours).unwrap().into_split();
        let (tell, mut told) = mpsc::unbounded_channel();
        let hearing = tokio::spawn(hear(read, (3, 1), tell));
        let said = said.to_vec();
        let saying = std::thread::spawn(move || io::Write::write_all(&mut theirs, &said));
        hearing.await.unwrap();
        saying.join().unwrap().unwrap();
        let mut words = Vec::new();
        while let Some(Told { name, event }) = told.recv().await {
            assert_eq!(name, (3, 1));
            match event {
                Event::Said(word) => words.push(word),
                Event::Exited(end) => panic!("{end}"),
            }
        }
        words
    }

    #[tokio::test]
    async fn what_is_no_word_is_passed_over() {
        let words = heard(b"ready\nserving on port 80\n\n\xff\xfe\nbeat\nmetrics {}\ndrai").await;
        let metrics = Word::Metrics("{}".to_owned());
        assert_eq!(words, [Word::Ready, Word::Beat, metrics]);
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_no_memory_without_an_end() {
        let mut said = vec![b'x'; 3 << 20];
        said.extend(b"\nbeat\n");
        assert_eq!(heard(&said).await, [Word::Beat]);
    }

    #[tokio::test]
    async fn orders_for_a_stalled_process_are_bounded() {
        let orders = Orders::default();
        for number in 0..1_000 {
            orders.push(Order::Metrics);
            orders.push(Order::Scraped(number.to_string()));
        }
        orders.push(Order::Drain);
        orders.push(Order::Stop);
        let taken = [
            orders.next().await,
            orders.next().await,
            orders.next().await,
            orders.next().await,
        ];
        let last = Order::Scraped("999".to_owned());
        assert_eq!(taken, [Order::Metrics, last, Order::Drain, Order::Stop]);
        assert_eq!(orders.take_first(), None);
    }

    #[test]
    fn an_end_is_told_in_words() {
        for (status, words, is_in_peace) in [
            (0, "with exit code 0", true),
            (70 << 8, "with exit code 70", true),
            (1 << 8, "with exit code 1", false),
            (9, "by SIGKILL", false),
            (64, "by signal 64", false),
        ] {
            let end = End(Ok(ExitStatus::from_raw(status)));
            assert_eq!(end.to_string(), words);
            assert_eq!(end.is_in_peace(), is_in_peace, "{words}");
        }
    }

    #[tokio::test]
    async fn a_program_that_does_not_know_what_it_is_to_do_ends() {
        let program = Path::new("/bin/false");
        let recipe = Recipe {
            listener: Some(net::TcpListener::bind("127.0.0.1:0").unwrap()),
            content: Content::Plain { faults: false },
            program: Program::Path(program.into()),
            turns: None,
        };
        let (tell, mut told) = mpsc::unbounded_channel();
        let process = Process::start(&recipe, program, (0, 1), &tell).unwrap();
        assert_eq!(process.stage, Stage::Starts);
        let Told { name, event } = told.recv().await.unwrap();
        assert_eq!(name, (0, 1));
        assert!(matches!(event, Event::Exited(end) if !end.is_in_peace()));
        let stopped = Recipe {
            listener: None,
            ..recipe
        };
        assert!(Process::start(&stopped, program, (0, 2), &tell).is_err());
    }
}
