//! `observer`: one subject, and those who watch it.
//!
//! A sensor announces readings on an emitter. Who is called, in which order,
//! and what becomes of it when the list changes meanwhile, a listener emits in
//! turn, or one fails: each rule of [`events`](crate::events) can be watched.

mod checks;
mod facts;
mod narrate;
mod sensor;
mod watcher;
mod wiring;

use super::{Context, Param, ParamKind as Kind, Preset, Scenario, Unit};
use futures::FutureExt;
use sensor::Sensor;
use wiring::Wiring;

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
const NEWCOMER: &str = "Newcomer";
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
        Param {
            key: "readings",
            label: "Readings",
            help: "How many readings the sensor announces.",
            kind: Kind::Integer {
                unit: Unit::Count,
                min: 1,
                max: 2_000,
                default: 6,
            },
        },
        Param {
            key: "interval",
            label: "Time between readings",
            help: "How far apart they are.",
            kind: Kind::Integer {
                unit: Unit::Ms,
                min: 0,
                max: 10_000,
                default: 400,
            },
        },
        Param {
            key: "work",
            label: "Work of a listener",
            help: "How long each listener takes, give or take a fifth. Nobody else runs meanwhile.",
            kind: Kind::Integer {
                unit: Unit::Ms,
                min: 0,
                max: 1_000,
                default: 40,
            },
        },
        Param {
            key: "change",
            label: "During the third emit",
            help: "Display, at its turn, removes Logger behind it, adds Newcomer, or does both.",
            kind: Kind::Choice {
                options: &["nothing", "remove", "add", "both"],
                default: "both",
            },
        },
        Param {
            key: "removal",
            label: "A removal takes effect",
            help: "With the next emit (snapshot), as in Node, or at once (live).",
            kind: Kind::Choice {
                options: &["snapshot", "live"],
                default: "snapshot",
            },
        },
        Param {
            key: "reentry",
            label: "Listener that emits",
            help: "Alarm, at its turn, has the sensor announce another reading.",
            kind: Kind::Choice {
                options: &["none", "alarm"],
                default: "none",
            },
        },
        Param {
            key: "fail",
            label: "Failing listener",
            help: "Which listener fails, at every second reading.",
            kind: Kind::Choice {
                options: &["none", "display"],
                default: "none",
            },
        },
        Param {
            key: "policy",
            label: "A failure",
            help: "Stops no sibling (isolate), or ends the emit (fail-fast), as in Node.",
            kind: Kind::Choice {
                options: &["isolate", "fail-fast"],
                default: "isolate",
            },
        },
        Param {
            key: "errors",
            label: "Failures are",
            help: "Handed to ErrorLog, or observed by nobody: then they leave emit.",
            kind: Kind::Choice {
                options: &["unobserved", "observed"],
                default: "unobserved",
            },
        },
        Param {
            key: "leak",
            label: "Listeners leaked",
            help: "How many of the first readings leave a listener behind that nobody removes. The emitter warns at the eleventh.",
            kind: Kind::Integer {
                unit: Unit::Count,
                min: 0,
                max: 10,
                default: 0,
            },
        },
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
            title: "An error nobody observes leaves emit",
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
    let wiring = Wiring::new(&context, &sensor);
    let (params, platform) = (&context.params, &context.platform);
    let mut due = platform.now();
    for ordinal in 1..=params.integer("readings") {
        due += params.millis("interval");
        // Readings are due when they are due, however busy the listeners are.
        platform.sleep(due.saturating_sub(platform.now())).await;
        if ordinal <= params.integer("leak") {
            wiring.forget_one();
        }
        sensor.announce(Some(ordinal), due);
    }
}
