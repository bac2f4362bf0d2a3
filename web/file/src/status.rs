//! What the page is told, as JSON.

use highwater::stream::{PipelineError, PipelineReport, StageReport};
use serde::Serialize;
use std::error::Error;

/// Where a run is. Sizes are in bytes.
#[derive(Serialize)]
pub(crate) struct Status {
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) lines: u64,
    pub(crate) sha256: Option<String>,
    pub(crate) elapsed_ms: f64,
    /// All of the memory of this WebAssembly. It never shrinks, so that this is
    /// its peak too.
    pub(crate) memory: usize,
    /// The same when the run began.
    pub(crate) memory_at_start: usize,
    /// The peaks of all stages together.
    pub(crate) in_flight: usize,
    pub(crate) stages: Vec<StageStatus>,
}

/// What went through one stage.
#[derive(Serialize)]
pub(crate) struct StageStatus {
    name: String,
    passed: u64,
    peak: usize,
    stalled_ms: Option<f64>,
}

/// How a run ended.
#[derive(Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done,
    Cancelled,
    Failed { stage: String, cause: String },
}

/// The last thing that is said of a run.
#[derive(Serialize)]
pub(crate) struct FinalStatus {
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) status: Status,
}

impl From<Result<(), PipelineError>> for Outcome {
    fn from(result: Result<(), PipelineError>) -> Self {
        match result {
            Ok(()) => Outcome::Done,
            Err(PipelineError::Cancelled) => Outcome::Cancelled,
            Err(error) => Outcome::Failed {
                stage: error.stage().unwrap_or_default().to_owned(),
                cause: error
                    .source()
                    .map_or_else(|| error.to_string(), ToString::to_string),
            },
        }
    }
}

/// Every stage of the two pipelines, in order.
pub(crate) fn stages(reports: &[PipelineReport]) -> Vec<StageStatus> {
    let all = reports.iter().flat_map(|report| &report.stages);
    all.map(StageStatus::from).collect()
}

impl From<&StageReport> for StageStatus {
    fn from(stage: &StageReport) -> Self {
        StageStatus {
            name: stage.name.to_string(),
            passed: stage.output.weight,
            peak: stage.peak,
            stalled_ms: stage.stalled.map(|stalled| stalled.as_secs_f64() * 1000.0),
        }
    }
}
