//! The one question that decides everything else.

use std::fmt;

/// Whose fault it is: the world's, or the program's.
///
/// ```
/// use highwater::error::{AppError, Class};
///
/// assert_eq!(AppError::not_found("no such user").class(), Class::Operational);
/// assert_eq!(AppError::bug("the cart's sum is negative").class(), Class::Programmer);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What a correct program has to expect: bad input, a dependency that is
    /// down, a full disk. It is answered, and perhaps retried. The program goes
    /// on.
    Operational,
    /// A bug. Nobody knows what state it left behind, so whoever had it stops
    /// taking work, ends and is replaced. Retrying it only multiplies it.
    Programmer,
}

impl Class {
    /// As it is written in a log: `operational` or `programmer`.
    ///
    /// ```
    /// use highwater::error::Class;
    ///
    /// assert_eq!(Class::Operational.as_str(), "operational");
    /// assert_eq!(Class::Programmer.as_str(), "programmer");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Operational => "operational",
            Class::Programmer => "programmer",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
