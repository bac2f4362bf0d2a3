//! Status reports for the page, as JSON.

use highwater::stream::{PipelineError, PipelineReport, StageReport};
use serde::Serialize;
use std::error::Error;

/// The progress of a run. Sizes are in bytes.
#[derive(Serialize)]
pub(crate) struct Status {
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) lines: u64,
    pub(crate) sha256: Option<String>,
    pub(crate) elapsed_ms: f64,
    /// Size of the WebAssembly memory. It never shrinks, so this is also its peak.
    pub(crate) memory: usize,
    /// Size of the memory at the start of the run.
    pub(crate) memory_at_start: usize,
    /// Sum of the peaks of all stages.
    pub(crate) in_flight: usize,
    pub(crate) stages: Vec<StageStatus>,
}

/// The progress of one stage.
#[derive(Serialize)]
pub(crate) struct StageStatus {
    name: String,
    passed: u64,
    peak: usize,
    stalled_ms: Option<f64>,
}

/// The outcome of a run.
#[derive(Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done,
    Cancelled,
    Failed { stage: String, cause: String },
}

/// The outcome of a run and its last status.
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

/// Returns every stage of the pipelines, in order.
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
