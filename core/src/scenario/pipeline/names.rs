//! Names in the trace: the stages in order, and the whole transfer.

pub(super) const READ: &str = "Read";
pub(super) const BUFFER: &str = "Read ahead";
pub(super) const PARSE: &str = "Parse";
pub(super) const COMPRESS: &str = "Compress";
pub(super) const WRITE: &str = "Write";
pub(super) const TRANSFER: &str = "Transfer";
