//! A worker's line to its supervisor.

use super::super::{
    control::{Order, SCRAPE_WITHIN, Word},
    metrics::{Meter, Metrics, Scrape},
    service::FailingWorkers,
    worker::{Phase, advance},
};
use crate::logging;
use futures::FutureExt;
use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

/// How it exits if the supervisor is gone.
const EXIT_ORPHANED: i32 = 1;

/// How many words may wait for a supervisor that does not read. Further ones are
/// lost, which are signs of life and numbers.
const WORDS: usize = 256;

/// How long the last words may take.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);

/// The line to the supervisor. Two threads attend to it, so that neither a bug that
/// holds up the loop nor a supervisor that does not read holds up the other.
#[derive(Debug)]
pub(super) struct Line {
    words: SyncSender<Said>,
    /// Who waits for the numbers of all workers.
    scrapes: Mutex<Vec<oneshot::Sender<Metrics>>>,
}

#[derive(Debug)]
enum Said {
    Word(Word),
    /// There are no more; tell this one when they are written.
    All(SyncSender<()>),
}

impl Line {
    /// Follows orders from now on, and ends this process with the line.
    pub(super) fn open(
        stream: &UnixStream,
        phase: Arc<watch::Sender<Phase>>,
        meter: Arc<Meter>,
        failing: FailingWorkers,
    ) -> io::Result<Arc<Self>> {
        let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
        let (words, to_write) = mpsc::sync_channel(WORDS);
        let line = Arc::new(Line {
            words,
            scrapes: Mutex::default(),
        });
        let hearing = Arc::clone(&line);
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        spawn("orders").spawn(move || hearing.follow(reader, &phase, &meter, &failing))?;
        spawn("words").spawn(move || write_all(writer, &to_write))?;
        Ok(line)
    }

    /// Says something. It waits for nobody.
    pub(super) fn say(&self, word: Word) {
        // It is lost if the line is full. If nobody is there any more, the thread
        // that listens ends the process.
        let _ = self.words.try_send(Said::Word(word));
    }

    /// Says something for the last time, and waits until that is written, but not
    /// for long.
    pub(super) fn close(&self, word: Word) {
        let (written, is_written) = mpsc::sync_channel(1);
        self.say(word);
        if self.words.try_send(Said::All(written)).is_ok() {
            let _ = is_written.recv_timeout(LAST_WORDS_WITHIN);
        }
    }

    /// Asks the supervisor for the numbers of all workers. If it does not answer,
    /// there are none: those of this one would look as if sums went down.
    pub(super) fn scrape(self: &Arc<Self>) -> Scrape {
        let line = Arc::clone(self);
        Arc::new(move || {
            let (tell, told) = oneshot::channel();
            let is_asked = {
                let mut waiting = line.waiting();
                waiting.retain(|scrape| !scrape.is_closed());
                waiting.push(tell);
                waiting.len() > 1
            };
            // One question at a time: all who wait get the same answer.
            if !is_asked {
                line.say(Word::Scrape);
            }
            async move { timeout(2 * SCRAPE_WITHIN, told).await.ok()?.ok() }.boxed()
        })
    }

    fn follow(
        &self,
        stream: UnixStream,
        phase: &watch::Sender<Phase>,
        meter: &Meter,
        failing: &FailingWorkers,
    ) {
        for order in BufReader::new(stream).lines() {
            let Ok(order) = order else {
                break;
            };
            match Order::parse(&order) {
                Some(Order::Drain) => {
                    advance(phase, Phase::Drains);
                }
                Some(Order::Stop) => {
                    advance(phase, Phase::Ends);
                }
                Some(Order::Metrics) => self.say(Word::Metrics(meter.metrics().to_line())),
                Some(Order::Scraped(numbers)) => {
                    let numbers = Metrics::from_line(&numbers).unwrap_or_default();
                    for scrape in std::mem::take(&mut *self.waiting()) {
                        // Whoever asked may be gone.
                        let _ = scrape.send(numbers.clone());
                    }
                }
                Some(Order::Failing(workers)) => failing.set(workers),
                // A supervisor of another build, perhaps.
                None => {}
            }
        }
        logging::flush();
        process::exit(EXIT_ORPHANED);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<oneshot::Sender<Metrics>>> {
        self.scrapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_all(mut stream: UnixStream, words: &Receiver<Said>) {
    for said in words {
        match said {
            Said::Word(word) => {
                let line = format!("{word}\n");
                if stream.write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
            Said::All(written) => {
                let _ = written.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem;

    struct Supervisor {
        line: Arc<Line>,
        phase: Arc<watch::Sender<Phase>>,
        words: BufReader<UnixStream>,
    }

    impl Supervisor {
        fn new() -> Self {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let phase = Arc::new(watch::Sender::new(Phase::Serves));
            let meter = Arc::new(Meter::default());
            let failing = FailingWorkers::default();
            let line = Line::open(&theirs, Arc::clone(&phase), meter, failing).unwrap();
            // The end of the line would be the end of this process.
            mem::forget(ours.try_clone().unwrap());
            Supervisor {
                line,
                phase,
                words: BufReader::new(ours),
            }
        }

        fn order(&mut self, order: &str) {
            let line = format!("{order}\n");
            self.words.get_mut().write_all(line.as_bytes()).unwrap();
        }

        fn word(&mut self) -> Word {
            let mut line = String::new();
            self.words.read_line(&mut line).unwrap();
            Word::parse(line.trim_end()).unwrap_or_else(|| panic!("{line:?}"))
        }
    }

    #[tokio::test]
    async fn orders_are_followed_and_nonsense_is_passed_over() {
        let mut supervisor = Supervisor::new();
        let mut phase = supervisor.phase.subscribe();
        supervisor.order("dance");
        supervisor.order("drain");
        phase.wait_for(|it| *it == Phase::Drains).await.unwrap();
        supervisor.order("stop");
        phase.wait_for(|it| *it == Phase::Ends).await.unwrap();
    }

    #[test]
    fn words_come_in_order_and_the_last_is_written_before_it_ends() {
        let mut supervisor = Supervisor::new();
        supervisor.line.say(Word::Ready);
        supervisor.line.say(Word::Beat);
        supervisor.line.close(Word::HadBug);
        for word in [Word::Ready, Word::Beat, Word::HadBug] {
            assert_eq!(supervisor.word(), word);
        }
    }

    #[test]
    fn a_supervisor_that_does_not_read_holds_up_nobody() {
        let supervisor = Supervisor::new();
        for _ in 0..100_000 {
            supervisor.line.say(Word::Beat);
        }
        supervisor.line.close(Word::HadBug);
    }

    #[test]
    fn numbers_are_told_though_the_loop_hangs() {
        let mut supervisor = Supervisor::new();
        // Nothing runs here but the line itself.
        supervisor.order("metrics");
        let Word::Metrics(line) = supervisor.word() else {
            panic!("no metrics");
        };
        assert_eq!(Metrics::from_line(&line).unwrap().workers, 1);
    }

    #[tokio::test]
    async fn the_numbers_of_all_are_those_that_the_supervisor_tells() {
        let mut supervisor = Supervisor::new();
        let scrape = supervisor.line.scrape();
        let asked = [scrape(), scrape()];
        assert_eq!(supervisor.word(), Word::Scrape);
        let all = Metrics {
            workers: 7,
            ..Metrics::default()
        };
        supervisor.order(&format!("scraped {}", all.to_line()));
        for told in asked {
            assert_eq!(told.await.unwrap().workers, 7);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn if_the_supervisor_does_not_answer_there_are_none() {
        let supervisor = Supervisor::new();
        let scrape = supervisor.line.scrape();
        assert_eq!(scrape().await, None);
    }
}
