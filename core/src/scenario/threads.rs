//! `threads`: the same jobs on the loop, on one thread, on two, and so on.
//!
//! Adding threads speeds up the jobs until there is one thread per core. More threads
//! only take turns. Small jobs are faster on the loop, because sending a job to a
//! thread takes longer than running it.

mod checks;

use super::{
    Context, Param,
    ParamUnit::{Count, Ms},
    Preset, Scenario, load,
    scaling::{self, KIND, LOOP, POOL},
};
use crate::{
    platform::{Job, Threads},
    trace::{NameId, RecordKind},
};
use futures_util::{FutureExt, TryFutureExt, future::join_all};
use std::time::Duration;

/// The job durations of the break-even measurement, in microseconds.
const JOB_DURATIONS: [u64; 6] = [1, 4, 16, 64, 256, 1024];

pub(super) static SCENARIO: Scenario = Scenario {
    name: "threads",
    chapter: "scaling",
    summary: "The same jobs on more and more threads: speed-up and break-even",
    params: &[
        Param::choice(
            "measure",
            "Measure",
            "The speed-up per added thread, or the job size from which threads pay off.",
            &["speed-up", "break-even"],
        ),
        KIND,
        Param::integer(
            "size",
            "Job",
            "Approximate duration, exact in simulation. Break-even uses several sizes.",
            (Ms, 1, 200, 20),
        ),
        load::times("fixed"),
        load::CV,
        load::CAP,
        Param::integer(
            "jobs",
            "Jobs",
            "Number of jobs per measurement.",
            (Count, 1, 100, 24),
        ),
        Param::integer(
            "threads",
            "Threads",
            "Maximum number. Threads share cores if the machine has fewer.",
            (Count, 1, 16, 4),
        ),
    ],
    presets: &[
        Preset {
            title: "Up to four threads",
            set: &[],
        },
        Preset {
            title: "The job size from which threads pay off",
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
    loop_name: NameId,
    pool: NameId,
    kind: fn(u32) -> Job,
    jobs: u64,
    max_threads: usize,
}

impl<'a> Run<'a> {
    fn start(context: &'a Context) -> Self {
        let [loop_name, pool] = [LOOP, POOL].map(|name| context.start_source(name));
        let max_threads = context.params.integer("threads");
        Run {
            context,
            loop_name,
            pool,
            kind: scaling::kind(&context.params),
            jobs: context.params.integer("jobs"),
            max_threads: usize::try_from(max_threads).unwrap_or(usize::MAX),
        }
    }

    async fn speed_up(&self) {
        let jobs = self.draw_jobs(self.context.params.millis("size"));
        self.run_on_loop(&jobs, "On the loop", 0).await;
        for count in 1..=self.max_threads {
            let threads = self.threads(count);
            if threads.count() < count {
                // This world has no more threads.
                return;
            }
            let name = match count {
                1 => "1 thread".to_owned(),
                _ => format!("{count} threads"),
            };
            self.run_on_threads(&threads, &jobs, &name, count as u64)
                .await;
        }
    }

    async fn break_even(&self) {
        let threads = self.threads(self.max_threads);
        for micros in JOB_DURATIONS {
            let jobs = self.draw_jobs(Duration::from_micros(micros));
            let name = |place: &str| [&micros.to_string(), " µs, ", place].concat();
            self.run_on_loop(&jobs, &name("on the loop"), micros).await;
            self.run_on_threads(&threads, &jobs, &name("on threads"), micros)
                .await;
        }
    }

    fn threads(&self, count: usize) -> Threads {
        let queue = usize::try_from(self.jobs).unwrap_or(usize::MAX);
        let threads = self.context.platform.threads(count, queue);
        scaling::record_threads(&threads, self.pool, &self.context.trace);
        threads
    }

    /// Draws the jobs of a measurement.
    fn draw_jobs(&self, mean: Duration) -> Vec<Job> {
        let mut times = load::work_times(self.context, 1);
        let costs = (1..=self.jobs).map(|_| times.next_time(mean));
        costs.map(|cost| Job::costing(self.kind, cost)).collect()
    }

    async fn run_on_loop(&self, jobs: &[Job], name: &str, subject: u64) {
        let Context {
            platform, trace, ..
        } = self.context;
        let round = trace.begin(RecordKind::Handle, trace.name(name), subject);
        let results: Vec<(Job, u64)> = (1..)
            .zip(jobs)
            .map(|(number, job)| (*job, platform.run_on_loop(*job, trace, number)))
            .collect();
        round.succeed();
        self.record(results).await;
    }

    async fn run_on_threads(&self, threads: &Threads, jobs: &[Job], name: &str, subject: u64) {
        let trace = &self.context.trace;
        let round = trace.begin(RecordKind::Handle, trace.name(name), subject);
        let mut tickets = Vec::new();
        for (number, job) in (1..).zip(jobs) {
            // The queue has room for all jobs.
            if let Ok(ticket) = threads.try_compute(*job, trace, number) {
                trace.send(RecordKind::Call, self.loop_name, self.pool, number);
                tickets.push(ticket.map_ok(|result| (*job, result)));
            }
        }
        let results = join_all(tickets).await;
        round.succeed();
        self.record(results.into_iter().flatten()).await;
    }

    /// Records results and yields.
    async fn record(&self, results: impl IntoIterator<Item = (Job, u64)>) {
        for (job, result) in results {
            scaling::record_result(job, result, self.pool, &self.context.trace);
        }
        self.context.platform.sleep(Duration::ZERO).await;
    }
}
