//! What a supervisor and a serving process say to each other: a word a line.

use std::fmt;

/// What a serving process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It serves.
    Ready,
    /// It has a bug: it takes no more requests, and ends when it has answered
    /// those that it has.
    Drains,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// To end, and let clients take what they were promised if they are quick.
    Stop,
}

impl Word {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let all = [Word::Ready, Word::Drains];
        all.into_iter().find(|word| word.to_string() == line)
    }
}

impl Order {
    pub(super) fn parse(line: &str) -> Option<Self> {
        (line == Order::Stop.to_string()).then_some(Order::Stop)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Ready => "ready",
            Word::Drains => "drains",
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Stop => f.write_str("stop"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        for word in [Word::Ready, Word::Drains] {
            assert_eq!(Word::parse(&word.to_string()), Some(word));
        }
        assert_eq!(Order::parse(&Order::Stop.to_string()), Some(Order::Stop));
        assert_eq!(Word::parse("stop"), None);
    }
}
