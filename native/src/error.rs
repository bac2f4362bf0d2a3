//! Why a command ends without having done its work.

use highwater::{scenario::InputError, stream::BoxError};
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

/// One line for people: what is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A scenario, parameter or value that does not exist.
    #[error(transparent)]
    Input(#[from] InputError),
    /// `--set` without a key or a value.
    #[error("--set takes key=value, not \"{pair}\": for example --set {example}")]
    NotAPair {
        /// What stood there.
        pair: String,
        /// What could stand there.
        example: String,
    },
    /// `--addr` that is none.
    #[error("--addr is ADDRESS:PORT, not \"{0}\": for example 127.0.0.1:8080")]
    NotAnAddress(String),
    /// A file to read that cannot be read, known before the run.
    #[error("{} cannot be read: {reason}", path.display())]
    BadInput {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file that is to become itself.
    #[error(
        "{} and {} are the same file: name another output",
        input.display(),
        output.display()
    )]
    SameFile {
        /// What was to be read.
        input: PathBuf,
        /// What was to be written.
        output: PathBuf,
    },
    /// A pipeline whose stage failed.
    #[error("{stage} failed: {file}: {cause}")]
    Pipe {
        /// Which one.
        stage: Arc<str>,
        /// The file it worked on.
        file: String,
        /// What it said.
        cause: BoxError,
    },
    /// A run that failed while it overwrote a file.
    #[error("{cause}; {} is incomplete: its old content was being overwritten", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Why the run failed.
        cause: Box<Error>,
    },
    /// An output file that cannot be made, known before the run.
    #[error("{} cannot be written: {reason}", path.display())]
    BadOutput {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// One file for two outputs.
    #[error("{first} and {second} name the same file: each needs one of its own")]
    SameOutput {
        /// The option that names it.
        first: &'static str,
        /// The option that names it, too.
        second: &'static str,
    },
    /// An output file that could not be written after all.
    #[error("{} was not written: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        cause: io::Error,
    },
    /// Standard output took no more.
    #[error("the report was not printed: {0}")]
    Print(#[source] io::Error),
    /// Somebody else listens there.
    #[error(
        "{0} is taken: choose another with --addr {next}, or --addr {any} for any free port",
        next = SocketAddr::new(.0.ip(), .0.port().checked_add(1).unwrap_or(8080)),
        any = SocketAddr::new(.0.ip(), 0)
    )]
    PortTaken(SocketAddr),
    /// The port is for the system's own services.
    #[error(
        "{0} is not for everybody: ports below 1024 need privileges, as a service manager that \
         listens for us has; --addr {any} takes any free port",
        any = SocketAddr::new(.0.ip(), 0)
    )]
    PortOfOthers(SocketAddr),
    /// What a service manager listens on for us cannot be served.
    #[error("the socket that was passed on cannot be served: {0}")]
    PassedOn(#[source] io::Error),
    /// Not on this system.
    #[cfg_attr(unix, expect(dead_code, reason = "this is Unix"))]
    #[error("{0} needs a Unix: elsewhere workers cannot inherit a socket")]
    NeedsUnix(&'static str),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {cause}; --addr 127.0.0.1:0 takes any free port")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system answered.
        cause: io::Error,
    },
    /// There is no page to serve, and it was not or could not be built.
    #[error("there is no page in {}: {reason}", www.display())]
    NoPage {
        /// The folder.
        www: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Workers end again and again.
    #[error(
        "workers keep ending, and starting them anew is of no use: {0}; what they said of that is \
         above"
    )]
    KeepsEnding(String),
    /// A worker that nobody supervises.
    #[error(
        "serve-worker is what serve and cluster start, with a socket ({0}): use native serve or \
         native cluster"
    )]
    NotAWorker(#[source] io::Error),
    /// The system gave no thread or no runtime.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// 2 where other input would have helped, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Input(_)
            | Error::NotAPair { .. }
            | Error::NotAnAddress(_)
            | Error::BadInput { .. }
            | Error::BadOutput { .. }
            | Error::SameFile { .. }
            | Error::SameOutput { .. }
            | Error::NotAWorker(_) => 2,
            Error::Write { .. }
            | Error::Print(_)
            | Error::Pipe { .. }
            | Error::Incomplete { .. }
            | Error::PortTaken(_)
            | Error::Listen { .. }
            | Error::PortOfOthers(_)
            | Error::PassedOn(_)
            | Error::NeedsUnix(_)
            | Error::NoPage { .. }
            | Error::KeepsEnding(_)
            | Error::Runtime(_) => 1,
        }
    }
}
