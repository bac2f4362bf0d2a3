//! A line-based encoding of messages and events, for pipes to child processes and
//! for Workers.

use super::{Exit, ProcessEvent};

/// Input from the parent to a process, apart from signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessInput {
    /// A message.
    Message(String),
    /// The end of the messages.
    Close,
}

impl ProcessInput {
    /// Encodes it as one line without a line break.
    ///
    /// ```
    /// use highwater::platform::ProcessInput;
    ///
    /// let input = ProcessInput::Message("two\nlines".to_owned());
    /// assert_eq!(input.to_line(), r"message two\nlines");
    /// assert_eq!(ProcessInput::from_line(&input.to_line()), Some(input));
    /// assert_eq!(ProcessInput::from_line("anything else"), None);
    /// ```
    #[must_use]
    pub fn to_line(&self) -> String {
        match self {
            ProcessInput::Message(text) => encode("message", text),
            ProcessInput::Close => "close".to_owned(),
        }
    }

    /// Decodes a line. Returns `None` if the line is malformed.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        match split(line) {
            ("message", text) => Some(ProcessInput::Message(unescape(text?))),
            ("close", None) => Some(ProcessInput::Close),
            _ => None,
        }
    }
}

impl ProcessEvent {
    /// Encodes it as one line without a line break.
    #[must_use]
    pub fn to_line(&self) -> String {
        match self {
            ProcessEvent::Ready => "ready".to_owned(),
            ProcessEvent::Message(text) => encode("message", text),
            ProcessEvent::Exited(Exit::Finished) => "finished".to_owned(),
            ProcessEvent::Exited(Exit::Killed) => "killed".to_owned(),
            ProcessEvent::Exited(Exit::Lost { reason }) => encode("lost", reason),
            ProcessEvent::Exited(Exit::Bug { message, location }) => {
                let mut bug = encode("bug", message);
                if let Some(location) = location {
                    bug.push('\t');
                    escape(location, &mut bug);
                }
                bug
            }
        }
    }

    /// Decodes a line. Returns `None` if the line is malformed.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        Some(match split(line) {
            ("ready", None) => ProcessEvent::Ready,
            ("message", text) => ProcessEvent::Message(unescape(text?)),
            ("finished", None) => ProcessEvent::Exited(Exit::Finished),
            ("killed", None) => ProcessEvent::Exited(Exit::Killed),
            ("lost", reason) => ProcessEvent::Exited(Exit::Lost {
                reason: unescape(reason?),
            }),
            ("bug", bug) => {
                let (message, location) = match bug?.split_once('\t') {
                    Some((message, location)) => (message, Some(unescape(location))),
                    None => (bug?, None),
                };
                let message = unescape(message);
                ProcessEvent::Exited(Exit::Bug { message, location })
            }
            _ => return None,
        })
    }
}

fn encode(word: &str, text: &str) -> String {
    let mut line = String::with_capacity(word.len() + 1 + text.len());
    line.push_str(word);
    line.push(' ');
    escape(text, &mut line);
    line
}

fn split(line: &str) -> (&str, Option<&str>) {
    match line.split_once(' ') {
        Some((word, text)) => (word, Some(text)),
        None => (line, None),
    }
}

/// Escapes line breaks and tabs: a line break ends an event, and a tab separates
/// its fields.
fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        let escaped = match character {
            '\\' => '\\',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            other => {
                into.push(other);
                continue;
            }
        };
        into.push('\\');
        into.push(escaped);
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    plain
}
