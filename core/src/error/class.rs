//! The distinction between operational errors and bugs.

use std::fmt;

/// The class of an error: operational, or a bug.
///
/// ```
/// use highwater::error::{AppError, Class};
///
/// assert_eq!(AppError::not_found("no such user").class(), Class::Operational);
/// assert_eq!(AppError::bug("the cart's sum is negative").class(), Class::Bug);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// An error that a correct program has to expect: invalid input, a dependency
    /// that is down, a full disk. The program responds, perhaps after a retry, and
    /// continues.
    Operational,
    /// A bug. The state of the program is unknown, so the process stops taking work,
    /// exits and is replaced. A retry would only repeat the bug.
    Bug,
}

impl Class {
    /// Returns the name used in logs: `operational` or `bug`.
    ///
    /// ```
    /// use highwater::error::Class;
    ///
    /// assert_eq!(Class::Operational.as_str(), "operational");
    /// assert_eq!(Class::Bug.as_str(), "bug");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Operational => "operational",
            Class::Bug => "bug",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
