//! `blocking`: CPU work on the loop that serves everybody, or on threads.
//!
//! A server answers small requests on its loop, and now and then one that takes a
//! job of CPU work. On the loop the job holds up all that is due there, and the
//! heartbeat stands still; on a thread it holds up nobody.

mod checks;
mod heartbeat;
mod server;

use super::{
    Context, Param,
    ParamUnit::{Count, Ms},
    Preset, Scenario,
    scaling::{self, KIND},
};
use crate::{
    scale::Job,
    trace::{NameId, RecordKind},
};
use futures::FutureExt;
use heartbeat::Heartbeat;
use server::Server;
use std::{rc::Rc, time::Duration};

/// How long a job takes that somebody has overlooked.
const HOG: Duration = Duration::from_secs(2);

/// How many requests with a job come at once.
const BURST: u64 = 12;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "blocking",
    chapter: "scaling",
    summary: "A server's one loop: a job of CPU work on it, or on a thread",
    params: &[
        Param::choice(
            "run",
            "Jobs run",
            "On the loop, which does nothing else meanwhile, or offloaded to a thread.",
            &["loop", "offloaded"],
        ),
        KIND,
        Param::integer(
            "size",
            "Job",
            "About how long one takes: exactly so in simulated time.",
            (Ms, 1, 5_000, 600),
        )
        .live(),
        Param::integer(
            "every",
            "A job every",
            "One request in so many takes a job; 0 for none.",
            (Count, 0, 200, 20),
        )
        .live(),
        Param::integer(
            "requests",
            "Requests",
            "How many there are.",
            (Count, 1, 200, 60),
        ),
        Param::integer(
            "interval",
            "Time between requests",
            "How far apart they arrive, give or take a quarter. They do not wait for each other.",
            (Ms, 1, 500, 30),
        )
        .live(),
        Param::integer(
            "work",
            "Time for a request",
            "How long each of them takes on the loop.",
            (Ms, 0, 100, 1),
        )
        .live(),
        Param::integer(
            "beat",
            "Heartbeat every",
            "How often the loop's lag is measured.",
            (Ms, 10, 1_000, 20),
        ),
        Param::integer(
            "threads",
            "Threads",
            "How many jobs run at once when they are offloaded, if the machine lets them.",
            (Count, 1, 16, 2),
        ),
        Param::integer(
            "queue",
            "Queue",
            "How many jobs wait for a thread; with one more, a request is turned away.",
            (Count, 0, 20, 4),
        ),
        Param::choice(
            "inject",
            "Half way through",
            "Somebody runs a job of two seconds on the loop, or twelve requests with a job come at once.",
            &["nothing", "hog", "burst"],
        ),
    ],
    presets: &[
        Preset {
            title: "A job on the loop: everybody waits",
            set: &[],
        },
        Preset {
            title: "The same job on a thread",
            set: &[("run", "offloaded")],
        },
        Preset {
            title: "Offloaded, but for one of two seconds",
            set: &[("run", "offloaded"), ("inject", "hog")],
        },
        Preset {
            title: "More jobs than there is room for",
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
    let mut arrivals = context.seed.stream(0);
    let mut due = context.platform.now();
    let mut under_way = Vec::new();
    let mut serve = |number, takes_job, due| {
        let server = Rc::clone(&server);
        under_way.push(context.platform.spawn(server.serve(number, takes_job, due)));
    };
    for number in 1..=requests {
        // They arrive when they arrive, however many are being served.
        due += arrivals.jitter(params.millis("interval"), 25);
        let wait = due.saturating_sub(context.platform.now());
        context.platform.sleep(wait).await;
        let every = params.integer("every");
        serve(number, number.checked_rem(every) == Some(0), due);
        if number == requests.div_ceil(2) {
            match params.choice("inject") {
                "hog" => hog(&context),
                "burst" => (1..=BURST).for_each(|more| serve(requests + more, true, due)),
                _ => {}
            }
        }
    }
    for request in under_way {
        request.await;
    }
    heartbeat.stop().await;
}

/// A job that nobody meant to run here.
fn hog(context: &Context) {
    let job = Job::costing(scaling::kind(&context.params), HOG);
    let _result = context.platform.run_on_loop(job, &context.trace, 0);
}

fn started(context: &Context, name: &str) -> NameId {
    let id = context.trace.name(name);
    context.trace.instant(RecordKind::Start, id, 0);
    id
}
