//! `threads`: the same jobs on the loop, on one thread, on two, and so on.
//!
//! Up to the number of cores they are done sooner; beyond it threads only take
//! turns. And a job that is small enough is done sooner on the loop: to hand it to
//! a thread takes longer than to do it.

mod checks;

use super::{
    Context, Param,
    ParamUnit::{Count, Ms},
    Preset, Scenario,
    scaling::{self, KIND, LOOP, POOL},
};
use crate::{
    platform::Threads,
    scale::Job,
    trace::{NameId, RecordKind},
};
use futures::{FutureExt, future::join_all};
use std::time::Duration;

/// How long the jobs take by which the break-even is found, in microseconds.
const SIZES: [u64; 6] = [1, 4, 16, 64, 256, 1024];

pub(super) static SCENARIO: Scenario = Scenario {
    name: "threads",
    chapter: "scaling",
    summary: "The same jobs on more and more threads: how much sooner, and from which size on",
    params: &[
        Param::choice(
            "measure",
            "Measure",
            "How much sooner the jobs are done with each thread more; or from which size on threads pay.",
            &["speed-up", "break-even"],
        ),
        KIND,
        Param::integer(
            "size",
            "Job",
            "About how long one takes: exactly so in simulated time. For the break-even they are of many sizes.",
            (Ms, 1, 200, 20),
        ),
        Param::integer(
            "jobs",
            "Jobs",
            "How many there are, of each size and for each number of threads.",
            (Count, 1, 100, 24),
        ),
        Param::integer(
            "threads",
            "Threads",
            "Up to how many; the machine may have fewer cores, which they share then.",
            (Count, 1, 16, 4),
        ),
    ],
    presets: &[
        Preset {
            title: "Up to four threads",
            set: &[],
        },
        Preset {
            title: "From which size on threads pay",
            set: &[("measure", "break-even"), ("jobs", "50")],
        },
        Preset {
            title: "More threads than cores",
            set: &[("threads", "8"), ("jobs", "32"), ("size", "10")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: scaling::narrate,
};

async fn run(context: Context) {
    let run = Run::start(&context);
    if context.params.choice("measure") == "speed-up" {
        run.speed_up().await;
    } else {
        run.break_even().await;
    }
}

struct Run<'a> {
    context: &'a Context,
    own: NameId,
    pool: NameId,
    kind: fn(u32) -> Job,
    jobs: u64,
    most: usize,
}

impl<'a> Run<'a> {
    fn start(context: &'a Context) -> Self {
        let [own, pool] = [LOOP, POOL].map(|name| {
            let id = context.trace.name(name);
            context.trace.instant(RecordKind::Start, id, 0);
            id
        });
        let most = context.params.integer("threads");
        Run {
            context,
            own,
            pool,
            kind: scaling::kind(&context.params),
            jobs: context.params.integer("jobs"),
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    async fn speed_up(&self) {
        let job = Job::costing(self.kind, self.context.params.millis("size"));
        self.on_the_loop(job, "On the loop", 0).await;
        for count in 1..=self.most {
            let threads = self.threads(count);
            if threads.count() < count {
                // There are no more.
                return;
            }
            let name = match count {
                1 => "1 thread".to_owned(),
                _ => format!("{count} threads"),
            };
            self.on_threads(&threads, job, &name, count as u64).await;
        }
    }

    async fn break_even(&self) {
        let threads = self.threads(self.most);
        for micros in SIZES {
            let job = Job::costing(self.kind, Duration::from_micros(micros));
            let name = |place: &str| [&micros.to_string(), " µs, ", place].concat();
            self.on_the_loop(job, &name("on the loop"), micros).await;
            self.on_threads(&threads, job, &name("on threads"), micros)
                .await;
        }
    }

    fn threads(&self, count: usize) -> Threads {
        let queue = usize::try_from(self.jobs).unwrap_or(usize::MAX);
        let threads = self.context.platform.threads(count, queue);
        scaling::record_threads(&threads, self.pool, &self.context.trace);
        threads
    }

    async fn on_the_loop(&self, job: Job, name: &str, subject: u64) {
        let Context {
            platform, trace, ..
        } = self.context;
        let round = trace.begin(RecordKind::Handle, trace.name(name), subject);
        let results: Vec<u64> = (1..=self.jobs)
            .map(|number| platform.run_on_loop(job, trace, number))
            .collect();
        round.succeed();
        self.note(job, results).await;
    }

    async fn on_threads(&self, threads: &Threads, job: Job, name: &str, subject: u64) {
        let trace = &self.context.trace;
        let round = trace.begin(RecordKind::Handle, trace.name(name), subject);
        let mut tickets = Vec::new();
        for number in 1..=self.jobs {
            // There is room for all of them to wait.
            if let Ok(ticket) = threads.try_compute(job, trace, number) {
                trace.send(RecordKind::Call, self.own, self.pool, number);
                tickets.push(ticket);
            }
        }
        let results = join_all(tickets).await;
        round.succeed();
        self.note(job, results.into_iter().flatten()).await;
    }

    /// Records results, and lets others have their turn.
    async fn note(&self, job: Job, results: impl IntoIterator<Item = u64>) {
        for result in results {
            scaling::record_result(job, result, self.pool, &self.context.trace);
        }
        self.context.platform.sleep(Duration::ZERO).await;
    }
}
