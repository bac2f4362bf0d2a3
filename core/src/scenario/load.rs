//! The parameters of the workload: how requests arrive, and how long their work takes.

use super::{Context, Param, ParamKind, Values};
use crate::workload::{TimeModel, Times};

const ARRIVALS: &[&str] = &["regular", "jittered", "poisson", "bursty"];

/// Creates the parameter `arrivals`.
#[allow(
    dead_code,
    reason = "unused in a build without chapters that have arrivals"
)]
pub(super) const fn arrivals(default: &'static str) -> Param {
    Param {
        key: "arrivals",
        label: "Arrivals",
        help: "Times between arrivals: all equal, ±25 %, those of independent users, or in bursts with silence between them.",
        live: false,
        only_with: None,
        kind: ParamKind::Choice {
            options: ARRIVALS,
            default,
        },
    }
}

#[allow(
    dead_code,
    reason = "unused in a build without chapters that have arrivals"
)]
pub(super) const BURST: Param = Param::decimal(
    "burst",
    "Burst factor",
    "Rate within a burst (about 20 arrivals, then silence), as a multiple of the mean rate.",
    (100, 10_000, 500),
)
.only_with("arrivals", "bursty");

const TIMES: &[&str] = &[
    "fixed",
    "jittered",
    "exponential",
    "lognormal",
    "heavy_tailed",
];

/// Creates the parameter `times`.
#[allow(dead_code, reason = "unused in a build without chapters")]
pub(super) const fn times(default: &'static str) -> Param {
    Param {
        key: "times",
        label: "Service times",
        help: "How times vary: not, ±20 %, or with a tail: exponential, lognormal or Pareto.",
        live: false,
        only_with: None,
        kind: ParamKind::Choice {
            options: TIMES,
            default,
        },
    }
}

#[allow(dead_code, reason = "unused in a build without chapters")]
pub(super) const CV: Param = Param::decimal(
    "cv",
    "Variation",
    "Coefficient of variation of lognormal times: standard deviation / mean.",
    (1, 1_000, 100),
)
.only_with("times", "lognormal");

#[allow(dead_code, reason = "unused in a build without chapters")]
pub(super) const CAP: Param = Param::decimal(
    "cap",
    "Cap",
    "Longest heavy-tailed time, as a multiple of the mean.",
    (100, 100_000, 10_000),
)
.only_with("times", "heavy_tailed");

/// Returns the model of the times.
///
/// # Panics
///
/// Panics if the scenario has no parameter `times`, which is a bug in it.
pub(super) fn time_model(params: &Values) -> TimeModel {
    match params.choice("times") {
        "fixed" => TimeModel::Fixed,
        "exponential" => TimeModel::Exponential,
        "lognormal" => TimeModel::Lognormal {
            cv: params.decimal("cv"),
        },
        "heavy_tailed" => TimeModel::HeavyTailed {
            cap: params.decimal("cap"),
        },
        _ => TimeModel::Jittered,
    }
}

/// Returns the generator of times that draws from random stream number `stream`.
#[allow(dead_code, reason = "unused in a build without chapters")]
pub(super) fn work_times(context: &Context, stream: u64) -> Times {
    Times::new(time_model(&context.params), context.seed.stream(stream))
}
