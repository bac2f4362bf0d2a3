//! The error of a pipeline.

use crate::{BoxError, sync::Arc};

/// The first error of a run.
///
/// Errors that follow from it, such as a send to a dropped stage, are not reported,
/// because they would hide the cause.
///
/// ```
/// use futures::{executor::block_on, sink, stream};
/// use highwater::stream::{Pipeline, PipelineError};
///
/// let run = Pipeline::from_stream("words", stream::iter(["one"]))
///     .try_map("parse", str::parse::<u32>)
///     .into_sink("drain", sink::drain());
/// match block_on(run) {
///     Err(PipelineError::Failed { stage, source }) => {
///         assert_eq!(&*stage, "parse");
///         assert!(source.is::<std::num::ParseIntError>());
///     }
///     other => panic!("unexpected: {other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A stage failed.
    #[error("{stage} failed")]
    Failed {
        /// The name of the stage.
        stage: Arc<str>,
        /// The stage's error.
        source: BoxError,
    },
    /// The run was [cancelled](super::CancelHandle).
    #[error("the run was cancelled")]
    Cancelled,
}

impl PipelineError {
    /// Returns the name of the stage that failed, or `None` for a cancelled run.
    ///
    /// ```
    /// use futures::{executor::block_on, io::Cursor, sink};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_reader("input", Cursor::new("a long line"), 64)
    ///     .lines("lines", 4)
    ///     .into_sink("drain", sink::drain());
    /// let error = block_on(run).unwrap_err();
    /// assert_eq!(error.stage(), Some("lines"));
    /// assert_eq!(error.to_string(), "lines failed");
    /// ```
    pub fn stage(&self) -> Option<&str> {
        match self {
            PipelineError::Failed { stage, .. } => Some(stage),
            PipelineError::Cancelled => None,
        }
    }

    /// Returns whether the run was cancelled.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .into_sink("drain", sink::drain());
    /// run.cancel_handle().cancel();
    /// let error = block_on(run).unwrap_err();
    /// assert!(error.is_cancelled());
    /// assert_eq!(error.stage(), None);
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self, PipelineError::Cancelled)
    }
}
