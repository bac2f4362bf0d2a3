//! One serving process, as its supervisor has it.

use super::super::{
    control::{Order, Word},
    worker::{DRAIN_WITHIN, EXIT_BUG, GRACE},
};
use crate::processes::this_program;
use std::{
    env, io, net,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    path::PathBuf,
    process::{ExitStatus, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// What a process is started with.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(super) listener: net::TcpListener,
    pub(super) www: PathBuf,
    pub(super) faults: bool,
}

/// A process that has not ended yet. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Process {
    /// As the operating system numbers it.
    pub(super) id: u32,
    orders: mpsc::UnboundedSender<ToDo>,
}

#[derive(Debug)]
enum ToDo {
    Stop,
    Kill,
}

/// Something happened to a process.
#[derive(Debug)]
pub(super) struct Told {
    /// Its slot and generation.
    pub(super) name: (usize, u64),
    pub(super) event: Event,
}

#[derive(Debug)]
pub(super) enum Event {
    Ready,
    Drains,
    Exited(End),
}

#[derive(Debug)]
pub(super) enum End {
    /// As it was told to, or after a bug that it had told of.
    Expected,
    /// Otherwise, and how.
    Unexpected(String),
}

impl Process {
    /// Starts one. It inherits the socket, and nothing else of ours.
    pub(super) fn start(
        recipe: &Recipe,
        name: (usize, u64),
        tell: &mpsc::UnboundedSender<Told>,
    ) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let line = UnixStream::from_std(ours)?;
        let socket = OwnedFd::from(recipe.listener.try_clone()?);
        let mut command = Command::new(this_program()?);
        command
            .arg0(env::args_os().next().unwrap_or_default())
            .arg("serve-worker")
            .arg("--www")
            .arg(&recipe.www)
            .stdin(Stdio::from(socket))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            // Or Ctrl-C would end it too, in the midst of its answers.
            .process_group(0)
            .kill_on_drop(true);
        if recipe.faults {
            command.arg("--faults");
        }
        let child = command.spawn()?;
        let id = child.id().unwrap_or_default();
        let (orders, to_do) = mpsc::unbounded_channel();
        let attended = Attended {
            child,
            line,
            to_do,
            name,
            tell: tell.clone(),
        };
        tokio::spawn(attended.attend());
        Ok(Process { id, orders })
    }

    /// Lets it end in peace.
    pub(super) fn stop(&self) {
        // Nobody takes it if it has ended.
        let _ = self.orders.send(ToDo::Stop);
    }

    pub(super) fn kill(&self) {
        let _ = self.orders.send(ToDo::Kill);
    }
}

/// What is needed to look after a process.
struct Attended {
    child: Child,
    line: UnixStream,
    to_do: mpsc::UnboundedReceiver<ToDo>,
    name: (usize, u64),
    tell: mpsc::UnboundedSender<Told>,
}

impl Attended {
    /// Tells what happens to it, to the end.
    async fn attend(mut self) {
        let (read, mut write) = self.line.split();
        let mut words = BufReader::new(read).lines();
        let mut is_heard = true;
        let mut is_ending = false;
        let mut deadline = None;
        let tell = |event| {
            // Nobody hears it when the supervisor ends.
            let _ = self.tell.send(Told {
                name: self.name,
                event,
            });
        };
        loop {
            let overdue = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                word = words.next_line(), if is_heard => match word {
                    Ok(Some(word)) => match Word::parse(&word) {
                        Some(Word::Ready) => tell(Event::Ready),
                        Some(Word::Drains) => {
                            is_ending = true;
                            deadline = Some(Instant::now() + DRAIN_WITHIN + 2 * GRACE);
                            tell(Event::Drains);
                        }
                        None => {}
                    },
                    _ => is_heard = false,
                },
                to_do = self.to_do.recv() => match to_do {
                    Some(ToDo::Stop) => {
                        is_ending = true;
                        // It fails if it has just ended.
                        let order = format!("{}\n", Order::Stop);
                        let _ = write.write_all(order.as_bytes()).await;
                    }
                    Some(ToDo::Kill) => deadline = Some(Instant::now()),
                    // Dropped with the child, which that kills.
                    None => return,
                },
                status = self.child.wait() => {
                    tell(Event::Exited(end(status, is_ending)));
                    return;
                }
                () = overdue => {
                    // It fails if it has just ended. It is not tried again.
                    let _ = self.child.start_kill();
                    deadline = None;
                }
            }
        }
    }
}

fn end(status: io::Result<ExitStatus>, is_ending: bool) -> End {
    match status {
        Ok(status) if is_ending && is_in_peace(status) => End::Expected,
        Ok(status) => End::Unexpected(status.to_string()),
        Err(cause) => End::Unexpected(cause.to_string()),
    }
}

fn is_in_peace(status: ExitStatus) -> bool {
    let after_bug = i32::from(EXIT_BUG);
    status
        .code()
        .is_some_and(|code| code == 0 || code == after_bug)
}
