//! What the errors of this module are to a whole application.

use super::{InvalidBound, LineTooLong, PipelineError, SendError, StreamError, Unfinished};
use crate::error::{Classification, Classify, Kind};
use std::error::Error;

/// A pipeline that failed is what its stage failed with, as far as that is
/// [known](Classification::of): what a client sends may well be what is wrong. One
/// that was cancelled is [`Cancelled`](Kind::Cancelled).
///
/// ```
/// use futures::executor::block_on;
/// use highwater::{error::{AppError, Kind}, stream::{Lines, Pipeline}};
///
/// let upload = Pipeline::from_reader("upload", &b"a line that is too long\n"[..], 64);
/// let lines = upload.stage("lines", Lines::new(8)?);
/// let result = block_on(lines.into_writer("sink", futures::io::sink()));
/// let error: AppError = result.unwrap_err().into();
/// assert_eq!((error.kind(), error.status()), (Kind::TooLarge, 413));
/// # Ok::<(), highwater::stream::InvalidBound>(())
/// ```
impl Classify for PipelineError {
    fn classify(&self) -> Classification {
        match self {
            PipelineError::Failed { source, .. } => known(&**source),
            PipelineError::Cancelled => Kind::Cancelled.into(),
        }
    }
}

/// A channel that failed is what its sender failed with, as far as that is
/// [known](Classification::of); one that was aborted is
/// [`Cancelled`](Kind::Cancelled).
impl Classify for StreamError {
    fn classify(&self) -> Classification {
        match self {
            StreamError::Failed(source) => known(&**source),
            StreamError::Aborted => Kind::Cancelled.into(),
        }
    }
}

/// There may be room later, so that a full channel is
/// [`Unavailable`](Kind::Unavailable). There never will be in a closed one: whoever
/// had its other end has given up, which is [`Cancelled`](Kind::Cancelled).
impl<T> Classify for SendError<T> {
    fn classify(&self) -> Classification {
        match self {
            SendError::Full(_) => Kind::Unavailable.into(),
            SendError::Closed(_) => Kind::Cancelled.into(),
        }
    }
}

/// Who wrote has given up half-way.
impl Classify for Unfinished {
    fn classify(&self) -> Classification {
        Kind::Cancelled.into()
    }
}

/// Who sent the line has to send shorter ones.
impl Classify for LineTooLong {
    fn classify(&self) -> Classification {
        let message = format!("No line may be longer than {} bytes.", self.longest);
        Classification::new(Kind::TooLarge).with_public(message)
    }
}

/// The program asks for what makes no sense. Where the bound is a setting, whoever
/// set it is to be told instead.
impl Classify for InvalidBound {
    fn classify(&self) -> Classification {
        Kind::Bug.into()
    }
}

fn known(error: &(dyn Error + 'static)) -> Classification {
    if let Some(stream) = error.downcast_ref::<StreamError>() {
        return stream.classify();
    }
    if let Some(pipeline) = error.downcast_ref::<PipelineError>() {
        return pipeline.classify();
    }
    if let Some(line) = error.downcast_ref::<LineTooLong>() {
        return line.classify();
    }
    if let Some(unfinished) = error.downcast_ref::<Unfinished>() {
        return unfinished.classify();
    }
    if let Some(send) = error.downcast_ref::<SendError>() {
        return send.classify();
    }
    Classification::of(error).unwrap_or(Kind::Failure.into())
}
