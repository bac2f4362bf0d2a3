//! Stages that inspect chunks and pass them on unchanged.

use highwater::stream::Stage;
use sha2::{Digest as _, Sha256};
use std::{cell::RefCell, convert::Infallible, rc::Rc};

/// The results of the stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Number of complete lines, plus an unterminated last line at the end.
    pub(crate) lines: u64,
    /// Set when the input ends.
    pub(crate) sha256: Option<String>,
}

/// Findings shared by stages in one task.
pub(crate) type SharedFindings = Rc<RefCell<Findings>>;

/// Counts lines of any length. The last line need not end with a newline.
pub(crate) struct CountLines {
    chunk: Option<Vec<u8>>,
    has_open_line: bool,
    findings: SharedFindings,
}

/// Computes the SHA-256.
pub(crate) struct Hash {
    chunk: Option<Vec<u8>>,
    hasher: Sha256,
    findings: SharedFindings,
}

impl CountLines {
    pub(crate) fn new(findings: &SharedFindings) -> Self {
        CountLines {
            chunk: None,
            has_open_line: false,
            findings: Rc::clone(findings),
        }
    }
}

impl Stage<Vec<u8>> for CountLines {
    type Output = Vec<u8>;
    type Error = Infallible;

    fn push(&mut self, chunk: Vec<u8>) -> Result<(), Infallible> {
        let newlines = memchr::memchr_iter(b'\n', &chunk).count();
        self.findings.borrow_mut().lines += newlines as u64;
        if let Some(&last) = chunk.last() {
            self.has_open_line = last != b'\n';
        }
        self.chunk = Some(chunk);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.chunk.take())
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        self.findings.borrow_mut().lines += u64::from(self.has_open_line);
        Ok(())
    }
}

impl Hash {
    pub(crate) fn new(findings: &SharedFindings) -> Self {
        Hash {
            chunk: None,
            hasher: Sha256::new(),
            findings: Rc::clone(findings),
        }
    }
}

impl Stage<Vec<u8>> for Hash {
    type Output = Vec<u8>;
    type Error = Infallible;

    fn push(&mut self, chunk: Vec<u8>) -> Result<(), Infallible> {
        self.hasher.update(&chunk);
        self.chunk = Some(chunk);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.chunk.take())
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        let digest = self.hasher.finalize_reset();
        let hex = |nibble| char::from_digit(u32::from(nibble), 16);
        let digits = digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(hex);
        self.findings.borrow_mut().sha256 = Some(digits.collect());
        Ok(())
    }
}
