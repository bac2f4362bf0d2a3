//! A worker's control channel to its supervisor.

use crate::{
    control::{SCRAPE_TIMEOUT, SupervisorMessage, WorkerMessage},
    handle::FailingWorkers,
    logging,
    metrics::{Meter, ScrapeWorkers, Snapshot},
    phase::{Phase, advance},
};
use futures_util::FutureExt;
use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

/// The exit code of a worker whose supervisor has exited.
const EXIT_ORPHANED: i32 = 1;

/// The capacity of the outgoing queue. If the supervisor does not read, further messages
/// are dropped, such as heartbeats and metrics.
const QUEUE_CAPACITY: usize = 256;

/// The time limit for writing the last messages.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// The control channel. Separate threads read and write, so that a blocked event loop
/// does not stop the reader, and a supervisor that does not read does not block the event
/// loop.
#[derive(Debug)]
pub(super) struct ControlChannel {
    outgoing: SyncSender<Outgoing>,
    /// The callers that wait for the metrics of all workers.
    scrape_waiters: Mutex<Vec<oneshot::Sender<Snapshot>>>,
}

#[derive(Debug)]
enum Outgoing {
    Message(WorkerMessage),
    /// Notifies the sender once all earlier messages have been written.
    Flush(SyncSender<()>),
}

impl ControlChannel {
    /// Starts both threads, which handle the supervisor's messages. This process exits
    /// when the channel closes.
    pub(super) fn open(
        stream: &UnixStream,
        phase: Arc<watch::Sender<Phase>>,
        meter: Arc<Meter>,
        failing: FailingWorkers,
    ) -> io::Result<Arc<Self>> {
        let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
        let (outgoing, to_write) = mpsc::sync_channel(QUEUE_CAPACITY);
        let channel = Arc::new(ControlChannel {
            outgoing,
            scrape_waiters: Mutex::default(),
        });
        let receiver = Arc::clone(&channel);
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        spawn("control-reader")
            .spawn(move || receiver.read_messages(reader, &phase, &meter, &failing))?;
        spawn("control-writer").spawn(move || write_messages(writer, &to_write))?;
        Ok(channel)
    }

    /// Queues a message without blocking. It is dropped if the queue is full.
    pub(super) fn send(&self, message: WorkerMessage) {
        // If the supervisor has exited, the reader thread makes this process exit.
        let _ = self.outgoing.try_send(Outgoing::Message(message));
    }

    /// Sends the last message, and waits up to [`FLUSH_TIMEOUT`] until it is written.
    pub(super) fn close(&self, message: WorkerMessage) {
        let (flush_sender, flushed) = mpsc::sync_channel(1);
        self.send(message);
        if self
            .outgoing
            .try_send(Outgoing::Flush(flush_sender))
            .is_ok()
        {
            let _ = flushed.recv_timeout(FLUSH_TIMEOUT);
        }
    }

    /// Returns a function that requests the metrics of all workers from the supervisor.
    /// It returns `None` if there is no reply, because with the metrics of this worker
    /// alone, counters would appear to decrease.
    pub(super) fn scraper(self: &Arc<Self>) -> ScrapeWorkers {
        let channel = Arc::clone(self);
        Arc::new(move || {
            let (reply_sender, reply) = oneshot::channel();
            let is_request_pending = {
                let mut waiters = channel.scrape_waiters();
                waiters.retain(|waiter| !waiter.is_closed());
                waiters.push(reply_sender);
                waiters.len() > 1
            };
            // One request at a time: all waiters share the reply.
            if !is_request_pending {
                channel.send(WorkerMessage::Scrape);
            }
            async move { timeout(2 * SCRAPE_TIMEOUT, reply).await.ok()?.ok() }.boxed()
        })
    }

    fn read_messages(
        &self,
        stream: UnixStream,
        phase: &watch::Sender<Phase>,
        meter: &Meter,
        failing: &FailingWorkers,
    ) {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else {
                break;
            };
            match SupervisorMessage::parse(&line) {
                Some(SupervisorMessage::Drain) => {
                    advance(phase, Phase::Draining);
                }
                Some(SupervisorMessage::Stop) => {
                    advance(phase, Phase::Stopping);
                }
                Some(SupervisorMessage::Metrics) => {
                    self.send(WorkerMessage::Metrics(meter.metrics().to_line()));
                }
                Some(SupervisorMessage::Scraped(line)) => {
                    let metrics = Snapshot::from_line(&line).unwrap_or_default();
                    for waiter in std::mem::take(&mut *self.scrape_waiters()) {
                        // Fails if the caller has stopped waiting.
                        let _ = waiter.send(metrics.clone());
                    }
                }
                Some(SupervisorMessage::Failing(workers)) => failing.set(workers),
                // The supervisor may be another build.
                None => {}
            }
        }
        logging::flush();
        process::exit(EXIT_ORPHANED);
    }

    fn scrape_waiters(&self) -> MutexGuard<'_, Vec<oneshot::Sender<Snapshot>>> {
        let waiters = self.scrape_waiters.lock();
        waiters.unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_messages(mut stream: UnixStream, outgoing: &Receiver<Outgoing>) {
    for item in outgoing {
        match item {
            Outgoing::Message(message) => {
                let line = format!("{message}\n");
                if stream.write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
            Outgoing::Flush(written) => {
                let _ = written.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Kind;
    use std::mem;

    struct TestSupervisor {
        channel: Arc<ControlChannel>,
        phase: Arc<watch::Sender<Phase>>,
        stream: BufReader<UnixStream>,
    }

    impl TestSupervisor {
        fn new() -> Self {
            let (supervisor_end, worker_end) = UnixStream::pair().unwrap();
            let phase = Arc::new(watch::Sender::new(Phase::Serving));
            let meter = Arc::new(Meter::default());
            let failing = FailingWorkers::default();
            let channel =
                ControlChannel::open(&worker_end, Arc::clone(&phase), meter, failing).unwrap();
            // If the channel closed, this process would exit.
            mem::forget(supervisor_end.try_clone().unwrap());
            TestSupervisor {
                channel,
                phase,
                stream: BufReader::new(supervisor_end),
            }
        }

        fn send(&mut self, message: &str) {
            let line = format!("{message}\n");
            self.stream.get_mut().write_all(line.as_bytes()).unwrap();
        }

        fn receive(&mut self) -> WorkerMessage {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            WorkerMessage::parse(line.trim_end()).unwrap_or_else(|| panic!("{line:?}"))
        }
    }

    #[tokio::test]
    async fn drain_and_stop_messages_advance_the_phase() {
        let mut supervisor = TestSupervisor::new();
        let mut phase = supervisor.phase.subscribe();
        supervisor.send("dance");
        supervisor.send("drain");
        phase.wait_for(|it| *it == Phase::Draining).await.unwrap();
        supervisor.send("stop");
        phase.wait_for(|it| *it == Phase::Stopping).await.unwrap();
    }

    #[test]
    fn close_flushes_all_messages_in_order() {
        let mut supervisor = TestSupervisor::new();
        supervisor.channel.send(WorkerMessage::Ready);
        supervisor.channel.send(WorkerMessage::Heartbeat);
        supervisor.channel.close(WorkerMessage::HadBug);
        for message in [
            WorkerMessage::Ready,
            WorkerMessage::Heartbeat,
            WorkerMessage::HadBug,
        ] {
            assert_eq!(supervisor.receive(), message);
        }
    }

    #[test]
    fn unread_channel_does_not_block_the_worker() {
        let supervisor = TestSupervisor::new();
        for _ in 0..100_000 {
            supervisor.channel.send(WorkerMessage::Heartbeat);
        }
        supervisor.channel.close(WorkerMessage::HadBug);
    }

    #[test]
    fn metrics_are_sent_without_the_event_loop() {
        let mut supervisor = TestSupervisor::new();
        // No event loop runs in this test.
        supervisor.send("metrics");
        let WorkerMessage::Metrics(line) = supervisor.receive() else {
            panic!("no metrics");
        };
        assert_eq!(Snapshot::from_line(&line).unwrap().number("workers"), 1);
    }

    #[tokio::test]
    async fn concurrent_scrapes_share_one_reply() {
        let mut supervisor = TestSupervisor::new();
        let scrape = supervisor.channel.scraper();
        let scrapes = [scrape(), scrape()];
        assert_eq!(supervisor.receive(), WorkerMessage::Scrape);
        let all = Snapshot::default().with("workers", Kind::Gauge, 7.0);
        supervisor.send(&format!("scraped {}", all.to_line()));
        for scrape in scrapes {
            assert_eq!(scrape.await.unwrap().number("workers"), 7);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn scrape_without_a_reply_returns_none() {
        let supervisor = TestSupervisor::new();
        let scrape = supervisor.channel.scraper();
        assert_eq!(scrape().await, None);
    }
}
