//! Classification of stream errors.

use super::{InvalidBound, LineTooLong, PipelineError, SendError, StreamError, Unfinished};
use crate::error::{Classification, Classify, ErrorKind};
use std::error::Error;

/// A failed pipeline has the classification of its stage's error, if that is
/// [known](Classification::of), because the cause may be the client's input. A
/// cancelled pipeline is [`Cancelled`](ErrorKind::Cancelled).
///
/// ```
/// use futures::executor::block_on;
/// use highwater::{error::{AppError, ErrorKind}, stream::{Lines, Pipeline}};
///
/// let upload = Pipeline::from_reader("upload", &b"a line that is too long\n"[..], 64);
/// let lines = upload.stage("lines", Lines::new(8)?);
/// let result = block_on(lines.into_writer("sink", futures::io::sink()));
/// let error: AppError = result.unwrap_err().into();
/// assert_eq!((error.kind(), error.status()), (ErrorKind::TooLarge, 413));
/// # Ok::<(), highwater::stream::InvalidBound>(())
/// ```
impl Classify for PipelineError {
    fn classify(&self) -> Classification {
        match self {
            PipelineError::Failed { source, .. } => known(&**source),
            PipelineError::Cancelled => ErrorKind::Cancelled.into(),
        }
    }
}

/// A failed channel has the classification of its sender's error, if that is
/// [known](Classification::of). An aborted channel is [`Cancelled`](ErrorKind::Cancelled).
impl Classify for StreamError {
    fn classify(&self) -> Classification {
        match self {
            StreamError::Failed(source) => known(&**source),
            StreamError::Aborted => ErrorKind::Cancelled.into(),
        }
    }
}

/// A full channel is [`Unavailable`](ErrorKind::Unavailable), since it may have room
/// later. A closed channel is [`Cancelled`](ErrorKind::Cancelled), since its other end
/// is gone.
impl<T> Classify for SendError<T> {
    fn classify(&self) -> Classification {
        match self {
            SendError::Full(_) => ErrorKind::Unavailable.into(),
            SendError::Closed(_) => ErrorKind::Cancelled.into(),
        }
    }
}

/// The writer stopped early: [`Cancelled`](ErrorKind::Cancelled).
impl Classify for Unfinished {
    fn classify(&self) -> Classification {
        ErrorKind::Cancelled.into()
    }
}

/// The client must send shorter lines: [`TooLarge`](ErrorKind::TooLarge).
impl Classify for LineTooLong {
    fn classify(&self) -> Classification {
        let message = format!("No line may be longer than {} bytes.", self.max_len);
        Classification::new(ErrorKind::TooLarge).with_public_message(message)
    }
}

/// An invalid bound is a [`Bug`](ErrorKind::Bug). If the bound comes from the user's
/// configuration, validate it first and report the error to the user.
impl Classify for InvalidBound {
    fn classify(&self) -> Classification {
        ErrorKind::Bug.into()
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
    Classification::of(error).unwrap_or(ErrorKind::Failure.into())
}
