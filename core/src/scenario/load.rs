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
    let options = ARRIVALS;
    let kind = ParamKind::Choice { options, default };
    Param::new(
        "arrivals",
        "Arrivals",
        "Times between arrivals: all equal, ±25 %, those of independent users, or in bursts with silence between them.",
        kind,
    )
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
    let options = TIMES;
    let kind = ParamKind::Choice { options, default };
    Param::new(
        "times",
        "Service times",
        "How times vary: not, ±20 %, or with a tail: exponential, lognormal or Pareto.",
        kind,
    )
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
    TimeModel::named(params.choice("times"), |key| params.decimal(key))
}

/// Returns the generator of times that draws from random stream number `stream`.
#[allow(dead_code, reason = "unused in a build without chapters")]
pub(super) fn work_times(context: &Context, stream: u64) -> Times {
    Times::new(time_model(&context.params), context.seed.stream(stream))
}
