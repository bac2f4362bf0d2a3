//! `blocking`: CPU work on a server's event loop or on threads.
//!
//! A server handles small requests on its loop. Some requests need a job of CPU work.
//! On the loop, the job delays everything else, including the heartbeat. On a thread,
//! it delays nothing.

mod checks;
mod heartbeat;
mod server;

use super::{
    Context, Param,
    ParamUnit::{Count, Ms},
    Preset, Scenario,
    arrivals::Arrivals,
    load,
    scaling::{self, KIND},
};
use crate::platform::Job;
use futures_util::FutureExt;
use heartbeat::Heartbeat;
use server::{Request, Server};
use std::{rc::Rc, time::Duration};

/// The duration of the one job that runs on the loop although jobs are offloaded.
const HOG_DURATION: Duration = Duration::from_secs(2);

/// The number of requests in a burst. Each needs a job.
const BURST_SIZE: u64 = 12;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "blocking",
    chapter: "scaling",
    summary: "CPU work on a server's only loop, or on a thread",
    params: &[
        Param::choice(
            "run",
            "Jobs run",
            "On the loop, blocking it, or on a thread.",
            &["loop", "offloaded"],
        ),
        KIND,
        Param::integer(
            "size",
            "Job",
            "Approximate duration, exact in simulation.",
            (Ms, 1, 5_000, 600),
        )
        .live(),
        Param::integer(
            "every",
            "Requests per job",
            "One in this many needs a job; 0 for none.",
            (Count, 0, 200, 20),
        )
        .live(),
        Param::integer("requests", "Requests", "Total number.", (Count, 1, 200, 60)),
        Param::integer(
            "interval",
            "Time between requests",
            "Mean time between arrivals, regardless of responses.",
            (Ms, 1, 500, 30),
        )
        .live(),
        load::arrivals("poisson"),
        load::BURST,
        Param::integer(
            "work",
            "Time per request",
            "Mean time on the loop.",
            (Ms, 0, 100, 1),
        )
        .live(),
        load::times("lognormal"),
        load::CV,
        load::CAP,
        Param::integer(
            "beat",
            "Heartbeat interval",
            "Loop lag is measured at this interval.",
            (Ms, 10, 1_000, 20),
        ),
        Param::integer(
            "threads",
            "Threads",
            "Maximum number of offloaded jobs running at once.",
            (Count, 1, 16, 2),
        )
        .only_with("run", "offloaded"),
        Param::integer(
            "queue",
            "Queue",
            "Jobs that can wait for a thread. More are rejected.",
            (Count, 0, 20, 4),
        )
        .only_with("run", "offloaded"),
        Param::choice(
            "inject",
            "Halfway",
            "A two-second job runs on the loop, or twelve requests with a job arrive at once.",
            &["nothing", "hog", "burst"],
        ),
    ],
    presets: &[
        Preset {
            title: "A job on the loop: all requests wait",
            set: &[],
        },
        Preset {
            title: "The same job on a thread",
            set: &[("run", "offloaded")],
        },
        Preset {
            title: "One two-second job on the loop",
            set: &[("run", "offloaded"), ("inject", "hog")],
        },
        Preset {
            title: "More jobs than the queue can hold",
            set: &[("run", "offloaded"), ("inject", "burst"), ("size", "300")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: scaling::narrate,
};

async fn run(context: Context) {
    let params = &context.params;
    let server = Rc::new(Server::start(&context));
    let heartbeat = Heartbeat::start(&context);
    let requests = params.integer("requests");
    let mut times = load::work_times(&context, 1);
    let mut arrivals = Arrivals::new(&context, requests);
    arrivals.begin();
    let mut requests_in_progress = Vec::new();
    let mut serve = |number, needs_job, due| {
        let request = Request {
            number,
            due,
            work: times.next_time(params.millis("work")),
            needs_job,
        };
        let server = Rc::clone(&server);
        requests_in_progress.push(context.platform.spawn(server.serve(request)));
    };
    while let Some((number, due)) = arrivals.next().await {
        let every = params.integer("every");
        serve(number, number.checked_rem(every) == Some(0), due);
        if number == requests.div_ceil(2) {
            match params.choice("inject") {
                "hog" => run_long_job(&context),
                "burst" => (1..=BURST_SIZE).for_each(|more| serve(requests + more, true, due)),
                _ => {}
            }
        }
    }
    for request in requests_in_progress {
        request.await;
    }
    heartbeat.stop().await;
}

/// Runs one long job on the loop.
fn run_long_job(context: &Context) {
    let job = Job::costing(scaling::kind(&context.params), HOG_DURATION);
    let _result = context.platform.run_on_loop(job, &context.trace, 0);
}
