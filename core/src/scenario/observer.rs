//! `observer`: one subject, and those who watch it.
//!
//! A sensor announces readings on an emitter. Who is called, in which order,
//! and what becomes of it when the list changes meanwhile, a listener emits in
//! turn, or one fails: each rule of [`events`](crate::events) can be watched.

mod busy_listener;
mod checks;
mod narrate;
mod sensor;
mod summary;
mod wiring;

use super::{Context, Param, ParamKind, ParamUnit, Preset, Scenario};
use futures::FutureExt;
use sensor::Sensor;
use wiring::SensorWiring;

/// The names in the trace. Pictures and checks find who they mean by them.
const SENSOR: &str = "Sensor";
const EMITTER: &str = "Emitter";
/// Added like any other; it changes the list, and fails, when it is told to.
const DISPLAY: &str = "Display";
const LOGGER: &str = "Logger";
/// Listens for one reading.
const CALIBRATION: &str = "Calibration";
/// Added last, before all others.
const ALARM: &str = "Alarm";
/// Added during an emit.
const LATE_LISTENER: &str = "Newcomer";
/// Observes the failures of the others.
const ERROR_LOG: &str = "ErrorLog";
/// Left behind with a reading, by a bug.
const FORGOTTEN: &str = "Forgotten";

/// At which reading the list of listeners changes.
const CHANGE_AT: u64 = 3;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "observer",
    chapter: "events",
    summary: "A sensor and those who watch it: who is called, in which order, and what if the list changes meanwhile",
    params: &[
        Param::integer(
            "readings",
            "Readings",
            "How many readings the sensor announces.",
            (ParamUnit::Count, 1, 2_000, 6),
        ),
        Param::integer(
            "interval",
            "Time between readings",
            "How far apart they are.",
            (ParamUnit::Ms, 0, 10_000, 400),
        )
        .live(),
        Param::integer(
            "work",
            "Work of a listener",
            "How long each listener takes, give or take a fifth. Nobody else runs meanwhile.",
            (ParamUnit::Ms, 0, 1_000, 40),
        )
        .live(),
        // Not `Param::choice`: the default is the last option.
        Param {
            key: "change",
            label: "During the third emit",
            help: "Display, at its turn, removes Logger behind it, adds Newcomer, or does both.",
            live: false,
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
            "Alarm, at its turn, has the sensor announce another reading.",
            &["none", "alarm"],
        ),
        Param::choice(
            "fail",
            "Failing listener",
            "Which listener fails, at every second reading.",
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
            "Handed to ErrorLog, or observed by nobody: then emit fails.",
            &["unobserved", "observed"],
        ),
        Param::integer(
            "leak",
            "Listeners leaked",
            "How many of the first readings leave a listener behind that nobody removes. The emitter warns at the eleventh.",
            (ParamUnit::Count, 0, 10, 0),
        ),
    ],
    presets: &[
        Preset {
            title: "In order, prepended, once; and the list changes meanwhile",
            set: &[],
        },
        Preset {
            title: "The same, with removals that take effect at once",
            set: &[("removal", "live")],
        },
        Preset {
            title: "A listener that emits: the inner emit comes first",
            set: &[("reentry", "alarm"), ("change", "nothing")],
        },
        Preset {
            title: "An error nobody observes: emit fails",
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
    let (params, platform) = (&context.params, &context.platform);
    let mut due = platform.now();
    for ordinal in 1..=params.integer("readings") {
        due += params.millis("interval");
        // Readings are due when they are due, however busy the listeners are.
        platform.sleep(due.saturating_sub(platform.now())).await;
        if ordinal <= params.integer("leak") {
            wiring.leak_listener();
        }
        sensor.announce(Some(ordinal), due);
    }
}
