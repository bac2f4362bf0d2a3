//! `taxonomy`: a small payment service and its errors.
//!
//! The same service and faults run with one of two designs. With `classified`, each
//! error is classified once, and one handler responds, retries and logs by class. With
//! `catch_all`, every error is caught, logged, retried and returned to the client.

mod bank;
mod checks;
mod designs;
mod names;
mod narrate;
mod params;
mod payment_error;
mod service;
mod summary;

use super::{Context, Preset, Scenario, arrivals::Arrivals};
use designs::Api;
use futures_util::FutureExt;
use service::Payment;
use std::rc::Rc;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "taxonomy",
    chapter: "errors",
    summary: "A payment service: each error's class decides response, retry and log",
    params: params::ALL,
    presets: &[
        Preset {
            title: "Errors handled by class",
            set: &[],
        },
        Preset {
            title: "The same errors, one catch-all",
            set: &[("design", "catch_all")],
        },
        Preset {
            title: "A bank outage with a breaker",
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
            title: "Many timeouts and a retry budget",
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
    let mut arrivals = Arrivals::new(&context, requests);
    let mut served = Vec::new();
    arrivals.begin();
    while let Some((number, due)) = arrivals.next().await {
        if number == requests / 3 + 1 {
            api.service().bank().take_down(params.millis("outage"));
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
