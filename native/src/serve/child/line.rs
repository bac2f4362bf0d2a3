//! A worker's line to its supervisor.

use super::super::{
    control::{Order, SCRAPE_WITHIN, Word},
    metrics::{self, Meter, Metrics, Scrape},
    worker::{Phase, advance},
};
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
    ) -> io::Result<Arc<Self>> {
        let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
        let (words, to_write) = mpsc::sync_channel(WORDS);
        let line = Arc::new(Line {
            words,
            scrapes: Mutex::default(),
        });
        let hearing = Arc::clone(&line);
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        spawn("orders").spawn(move || hearing.follow(reader, &phase, &meter))?;
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
    /// there are those of this one.
    pub(super) fn scrape(self: &Arc<Self>, meter: &Arc<Meter>) -> Scrape {
        let line = Arc::clone(self);
        let own = metrics::of_one(meter);
        Arc::new(move || {
            let own = Arc::clone(&own);
            let (tell, told) = oneshot::channel();
            line.waiting().push(tell);
            line.say(Word::Scrape);
            async move {
                match timeout(2 * SCRAPE_WITHIN, told).await {
                    Ok(Ok(all)) => all,
                    _ => own().await,
                }
            }
            .boxed()
        })
    }

    fn follow(&self, stream: UnixStream, phase: &watch::Sender<Phase>, meter: &Meter) {
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
                // A supervisor of another build, perhaps.
                None => {}
            }
        }
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
