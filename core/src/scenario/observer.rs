//! `observer`: one subject and its listeners.
//!
//! A sensor announces readings on an emitter. The scenario shows the rules of
//! [`events`](crate::events): the call order, list changes during an emit,
//! nested emits, and failing listeners.

mod busy_listener;
mod checks;
mod names;
mod narrate;
mod sensor;
mod summary;
mod wiring;

use super::{Context, Param, ParamKind, ParamUnit, Preset, Scenario, arrivals::Arrivals, load};
use futures_util::FutureExt;
use sensor::Sensor;
use wiring::SensorWiring;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "observer",
    chapter: "events",
    summary: "A sensor and its listeners: call order, and list changes during an emit",
    params: &[
        Param::integer(
            "readings",
            "Readings",
            "Number of scheduled readings.",
            (ParamUnit::Count, 1, 2_000, 6),
        ),
        Param::integer(
            "interval",
            "Time between readings",
            "Mean interval between two readings.",
            (ParamUnit::Ms, 0, 10_000, 400),
        )
        .live(),
        load::arrivals("regular"),
        load::BURST,
        Param::integer(
            "work",
            "Listener work",
            "Mean time each listener takes. It blocks the others.",
            (ParamUnit::Ms, 0, 1_000, 40),
        )
        .live(),
        load::times("jittered"),
        load::CV,
        load::CAP,
        // Not `Param::choice`: the default is the last option.
        Param {
            key: "change",
            label: "During the third emit",
            help: "When called, Display removes Logger, adds Newcomer, or does both.",
            live: false,
            only_with: None,
            kind: ParamKind::Choice {
                options: &["nothing", "remove", "add", "both"],
                default: "both",
            },
        },
        Param::choice(
            "removal",
            "A removal takes effect",
            "With the next emit (snapshot), as in Node, or at once (live).",
            &["snapshot", "live"],
        ),
        Param::choice(
            "reentry",
            "Listener that emits",
            "When called, Alarm makes the sensor announce another reading.",
            &["none", "alarm"],
        ),
        Param::choice(
            "fail",
            "Failing listener",
            "The listener that fails at every second reading.",
            &["none", "display"],
        )
        .live(),
        Param::choice(
            "policy",
            "A failure",
            "Stops no sibling (isolate), or ends the emit (fail-fast), as in Node.",
            &["isolate", "fail-fast"],
        ),
        Param::choice(
            "errors",
            "Failures are",
            "Passed to ErrorLog, or unobserved: then emit fails.",
            &["unobserved", "observed"],
        ),
        Param::integer(
            "leak",
            "Listeners leaked",
            "Readings that leak a listener. The emitter warns at the eleventh listener.",
            (ParamUnit::Count, 0, 10, 0),
        ),
    ],
    presets: &[
        Preset {
            title: "Order, prepend, once, and changes during an emit",
            set: &[],
        },
        Preset {
            title: "The same with live removal",
            set: &[("removal", "live")],
        },
        Preset {
            title: "A listener that emits: the inner emit runs first",
            set: &[("reentry", "alarm"), ("change", "nothing")],
        },
        Preset {
            title: "An unobserved error: emit fails",
            set: &[("fail", "display"), ("change", "nothing")],
        },
        Preset {
            title: "The same error, observed",
            set: &[
                ("fail", "display"),
                ("change", "nothing"),
                ("errors", "observed"),
            ],
        },
        Preset {
            title: "The first failure ends the emit: Node's rule",
            set: &[
                ("fail", "display"),
                ("change", "nothing"),
                ("policy", "fail-fast"),
            ],
        },
        Preset {
            title: "A listener leaked with each reading",
            set: &[("leak", "10"), ("readings", "12"), ("work", "5")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: narrate::narrate,
};

async fn run(context: Context) {
    let sensor = Sensor::start(&context);
    let wiring = SensorWiring::new(&context, &sensor);
    let mut arrivals = Arrivals::new(&context, context.params.integer("readings"));
    arrivals.begin();
    // Readings keep their schedule, however busy the listeners are.
    while let Some((ordinal, due)) = arrivals.next().await {
        if ordinal <= context.params.integer("leak") {
            wiring.leak_listener();
        }
        sensor.announce(Some(ordinal), due);
    }
}
