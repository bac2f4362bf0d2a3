//! Classification of tokio's errors.

use super::{Classification, Classify, ErrorKind};
use std::error::Error;
use tokio::{task::JoinError, time::error::Elapsed};

/// A [`Timeout`](ErrorKind::Timeout).
///
/// ```
/// use highwater::error::{AppError, ErrorKind};
/// use std::{future::pending, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let error = tokio::time::timeout(Duration::from_secs(1), pending::<()>()).await.unwrap_err();
/// assert_eq!(AppError::from(error).kind(), ErrorKind::Timeout);
/// # }
/// ```
impl Classify for Elapsed {
    fn classify(&self) -> Classification {
        ErrorKind::Timeout.into()
    }
}

/// The panic of a task is a [`Bug`](ErrorKind::Bug). An aborted task is
/// [`Cancelled`](ErrorKind::Cancelled).
///
/// ```
/// use highwater::error::AppError;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let task = tokio::spawn(async { panic!("out of cheese") });
/// assert!(AppError::from(task.await.unwrap_err()).is_bug());
/// # }
/// ```
impl Classify for JoinError {
    fn classify(&self) -> Classification {
        if self.is_panic() {
            ErrorKind::Bug.into()
        } else {
            ErrorKind::Cancelled.into()
        }
    }
}

/// Classifies an error if it is one of tokio's.
pub(super) fn classify(link: &(dyn Error + 'static)) -> Option<Classification> {
    let elapsed = link.downcast_ref::<Elapsed>().map(Classify::classify);
    elapsed.or_else(|| link.downcast_ref::<JoinError>().map(Classify::classify))
}
