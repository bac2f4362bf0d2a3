//! `taxonomy`: a small payment service, and all that can go wrong.
//!
//! The same service and the same faults twice. In the design `classified` each
//! error says once what it is, and one handler answers, retries and logs by that.
//! In the design `catch_all` whatever comes is caught, logged, retried and told.

mod bank;
mod checks;
mod designs;
mod narrate;
mod params;
mod payment_error;
mod service;
mod summary;

use super::{Context, Preset, Scenario};
use designs::Api;
use futures::FutureExt;
use service::Payment;
use std::rc::Rc;

/// The names in the trace. Pictures and checks find who they mean by them.
const API: &str = "Api";
const GET: &str = "GetPayment";
const CREATE: &str = "CreatePayment";
const BANK: &str = "Bank";
const BREAKER: &str = "Breaker";
const CATCH_ALL: &str = "CatchAll";

/// What the breaker changes to.
const CLOSED: &str = "closed";
const OPEN: &str = "open";
const HALF_OPEN: &str = "half-open";

pub(super) static SCENARIO: Scenario = Scenario {
    name: "taxonomy",
    chapter: "errors",
    summary: "A payment service's errors, sorted once: the class decides answer, retry and log",
    params: params::ALL,
    presets: &[
        Preset {
            title: "Each error by its class",
            set: &[],
        },
        Preset {
            title: "The same errors, all caught alike",
            set: &[("design", "catch_all")],
        },
        Preset {
            title: "A bank that is down, and a breaker",
            set: &[("outage", "1500"), ("requests", "100")],
        },
        Preset {
            title: "The same without the breaker",
            set: &[("outage", "1500"), ("requests", "100"), ("breaker", "off")],
        },
        Preset {
            title: "Bugs, retried by a catch-all",
            set: &[("design", "catch_all"), ("bug", "40"), ("outage", "0")],
        },
        Preset {
            title: "Many timeouts, and a budget for retries",
            set: &[("timeout", "60"), ("breaker", "off"), ("outage", "0")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: narrate::narrate,
};

async fn run(context: Context) {
    let params = &context.params;
    let api = Rc::new(Api::start(&context));
    let requests = params.integer("requests");
    let mut arrivals = context.seed.stream(0);
    let mut due = context.platform.now();
    let mut served = Vec::new();
    for number in 1..=requests {
        // They arrive when they arrive, however many are being served.
        due += arrivals.jitter(params.millis("interval"), 25);
        let wait = due.saturating_sub(context.platform.now());
        context.platform.sleep(wait).await;
        if number == requests / 3 + 1 {
            api.service().bank().go_down(params.millis("outage"));
        }
        let payment = Payment::draw(&context, number);
        let api = Rc::clone(&api);
        let serve = async move { api.serve(payment, due).await };
        served.push(context.platform.spawn(serve));
    }
    for request in served {
        request.await;
    }
}
