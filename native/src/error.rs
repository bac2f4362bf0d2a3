//! Command errors.

use highwater::{BoxError, scenario::InputError};
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

/// A command error. Displays as one line: what failed, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An unknown scenario or parameter, or an invalid value.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A `--set` that is not `key=value`.
    #[error("invalid --set \"{pair}\": expected key=value, for example --set {example}")]
    InvalidSetting {
        /// The value of `--set`.
        pair: String,
        /// A valid example.
        example: String,
    },
    /// An `--addr` that is not `ADDRESS:PORT`.
    #[error("invalid --addr \"{0}\": expected ADDRESS:PORT, for example 127.0.0.1:8080")]
    InvalidAddress(String),
    /// An input that cannot be read, detected before the run.
    #[error("cannot read {}: {reason}", path.display())]
    UnreadableInput {
        /// The input file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// An output that is also the input.
    #[error(
        "{} and {} are the same file: choose another output",
        input.display(),
        output.display()
    )]
    SameFile {
        /// The input file.
        input: PathBuf,
        /// The output file.
        output: PathBuf,
    },
    /// A pipeline stage that failed.
    #[error("{stage} failed: {file}: {cause}")]
    Pipe {
        /// The name of the stage.
        stage: Arc<str>,
        /// The file it reads or writes.
        file: String,
        /// The error of the stage.
        cause: BoxError,
    },
    /// A run that failed while it overwrote a file.
    #[error("{cause}; {} is incomplete: it was being overwritten", path.display())]
    Incomplete {
        /// The output file.
        path: PathBuf,
        /// The error of the run.
        cause: Box<Error>,
    },
    /// An output that cannot be written, detected before the run.
    #[error("cannot write {}: {reason}", path.display())]
    UnwritableOutput {
        /// The output file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Two output options with the same file.
    #[error("{first} and {second} name the same file: choose different files")]
    SameOutput {
        /// The first option.
        first: &'static str,
        /// The second option.
        second: &'static str,
    },
    /// A failed write to an output file.
    #[error("failed to write {}: {cause}", path.display())]
    Write {
        /// The output file.
        path: PathBuf,
        /// I/O errors.
        cause: io::Error,
    },
    /// A failed write to standard output.
    #[error("failed to print the report: {0}")]
    Print(#[source] io::Error),
    /// An address that is already in use.
    #[error(
        "{0} is already in use: try --addr {next}, or --addr {any} for any free port",
        next = SocketAddr::new(.0.ip(), .0.port().checked_add(1).unwrap_or(8080)),
        any = SocketAddr::new(.0.ip(), 0)
    )]
    PortTaken(SocketAddr),
    /// A port that requires privileges.
    #[error(
        "cannot listen on {0}: ports below 1024 require privileges; use a service manager's socket, \
         or --addr {any} for any free port",
        any = SocketAddr::new(.0.ip(), 0)
    )]
    PrivilegedPort(SocketAddr),
    /// An address that cannot be bound for another reason.
    #[error("cannot listen on {addr}: {cause}; try --addr 127.0.0.1:0 for any free port")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// I/O errors.
        cause: io::Error,
    },
    /// A page that is missing and was not built.
    #[error("no page in {}: {reason}", www.display())]
    NoPage {
        /// The folder of the page.
        www: PathBuf,
        /// The reason, and what to do.
        reason: String,
    },
    /// Another error of a server.
    #[error(transparent)]
    Server(highwater_server::Error),
    /// A thread or runtime that could not be started.
    #[error("cannot start a thread or runtime: {0}")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// Returns 2 for bad input and 1 for a failed run.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Input(_)
            | Error::InvalidSetting { .. }
            | Error::InvalidAddress(_)
            | Error::UnreadableInput { .. }
            | Error::UnwritableOutput { .. }
            | Error::SameFile { .. }
            | Error::SameOutput { .. } => 2,
            Error::Write { .. }
            | Error::Print(_)
            | Error::Pipe { .. }
            | Error::Incomplete { .. }
            | Error::PortTaken(_)
            | Error::Listen { .. }
            | Error::PrivilegedPort(_)
            | Error::NoPage { .. }
            | Error::Server(_)
            | Error::Runtime(_) => 1,
        }
    }
}

/// Replaces the remedies of a server's errors with options of this program.
impl From<highwater_server::Error> for Error {
    fn from(error: highwater_server::Error) -> Self {
        use highwater_server::Error as ServerError;
        match error {
            ServerError::InvalidAddress(addr) => Error::InvalidAddress(addr),
            ServerError::AddressInUse(addr) => Error::PortTaken(addr),
            ServerError::PermissionDenied(addr) => Error::PrivilegedPort(addr),
            ServerError::Listen { addr, cause } => Error::Listen { addr, cause },
            ServerError::Prepare(cause) => match cause.downcast::<Error>() {
                Ok(error) => *error,
                Err(cause) => Error::Server(ServerError::Prepare(cause)),
            },
            error => Error::Server(error),
        }
    }
}
