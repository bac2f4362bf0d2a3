//! Why a run did not succeed.

use crate::{BoxError, sync::Arc};

/// The first thing that went wrong in a run.
///
/// What follows from it, such as a stage that found its neighbour gone, is not
/// reported: it would only hide the cause.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A stage failed.
    #[error("{stage} failed")]
    Failed {
        /// Its name.
        stage: Arc<str>,
        /// What it failed with.
        source: BoxError,
    },
    /// The run was [cancelled](super::CancelHandle).
    #[error("the run was cancelled")]
    Cancelled,
}

impl PipelineError {
    /// The name of the stage that failed; `None` if none did.
    pub fn stage(&self) -> Option<&str> {
        match self {
            PipelineError::Failed { stage, .. } => Some(stage),
            PipelineError::Cancelled => None,
        }
    }

    /// Whether the run was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, PipelineError::Cancelled)
    }
}
