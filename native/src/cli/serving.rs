//! What `serve` and `cluster` are told.

use crate::{
    error::Error,
    logging::DEFAULT_LEVEL,
    serve::{Hosts, parse_name},
};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use log::LevelFilter;
use std::{net::SocketAddr, path::PathBuf, thread, time::Duration};

/// Where to serve, and what.
#[derive(Args, Debug)]
pub(crate) struct ServeOptions {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    addr: String,
    /// Serve the page as it was built last
    #[arg(long)]
    no_build: bool,
    /// Serve this folder as it is, in place of the page of this checkout
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,
    /// Answer requests for this host name too; may be repeated. A server on a loopback
    /// address answers only those for localhost and loopback addresses, so that no page
    /// elsewhere can reach it under a name of its own. On other addresses every host
    /// name is answered
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    allow_host: Vec<String>,
    /// How many workers serve, 1 to 1,024
    #[arg(long, value_name = "N", default_value = "1", value_parser = workers,
          allow_hyphen_values = true)]
    workers: u16,
    /// Give up when no worker was ready for so many seconds, 1 to 86,400. Until then
    /// workers that end are started again
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = give_up_after,
          allow_hyphen_values = true)]
    give_up_after: u32,
    /// Serve POST /api/faults/bug as well, which is a bug: to see what becomes of
    /// it. Whoever can reach the server can then make it start again
    #[arg(long)]
    pub(crate) faults: bool,
    /// Log requests that fail at this level and above: error (bugs), warn (what else
    /// is the server's), info (what is the client's) or debug (clients that hang up
    /// as well). Of lines that are repeated one a second is written, with the number
    /// of those left out; at debug, all
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = log_level(),
          hide_possible_values = true)]
    pub(crate) log_level: LevelFilter,
}

/// Where a cluster is to serve, and by how many.
#[derive(Args, Debug)]
pub(crate) struct ClusterOptions {
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    addr: String,
    /// How many workers serve, 1 to 1,024 [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = workers, allow_hyphen_values = true)]
    workers: Option<u16>,
    /// Give up when no worker was ready for so many seconds, 1 to 86,400. Until then
    /// workers that end are started again
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = give_up_after,
          allow_hyphen_values = true)]
    give_up_after: u32,
    /// Print what happens, a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Serve POST /faults/bug (a handler panics), /faults/job (a job does),
    /// /faults/hang (a worker's loop is held up) and /faults/exit (a worker ends) as
    /// well: to see what becomes of them. Whoever can reach the cluster can then
    /// disturb it
    #[arg(long)]
    pub(crate) faults: bool,
    /// Log requests that fail at this level and above: error (bugs), warn (what else
    /// is the server's), info (what is the client's) or debug (clients that hang up
    /// as well). Of lines that are repeated one a second is written, with the number
    /// of those left out; at debug, all
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = log_level(),
          hide_possible_values = true)]
    pub(crate) log_level: LevelFilter,
}

/// As many workers as there can be: more have never been of use to anybody.
pub(crate) const MOST_WORKERS: u16 = 1024;

/// A day.
const MOST_SECONDS: u32 = 86_400;

fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["error", "warn", "info", "debug"])
        .map(|level| level.parse().unwrap_or(DEFAULT_LEVEL))
}

fn workers(text: &str) -> Result<u16, String> {
    let count = text.trim().parse().ok();
    let count = count.filter(|count| (1..=MOST_WORKERS).contains(count));
    count.ok_or_else(|| "there can be 1 to 1,024 workers".to_owned())
}

fn give_up_after(text: &str) -> Result<u32, String> {
    let seconds = text.trim().parse().ok();
    let seconds = seconds.filter(|seconds| (1..=MOST_SECONDS).contains(seconds));
    seconds.ok_or_else(|| "it can be 1 to 86,400 seconds".to_owned())
}

/// What a supervisor tells the process that serves.
#[cfg(unix)]
#[derive(Args, Debug)]
pub(crate) struct WorkerOptions {
    /// The folder with the page; without one, the service of a cluster
    #[arg(long)]
    pub(crate) www: Option<PathBuf>,
    /// Whether bugs can be asked for
    #[arg(long)]
    pub(crate) faults: bool,
    /// Whether only loopback hosts are answered, and those of --allow-host
    #[arg(long)]
    loopback_hosts: bool,
    #[arg(long, value_parser = parse_name)]
    allow_host: Vec<String>,
    /// The level of the log
    #[arg(long, default_value = "info", value_parser = log_level())]
    pub(crate) log_level: LevelFilter,
}

#[cfg(unix)]
impl WorkerOptions {
    /// The hosts that requests may be for.
    pub(crate) fn hosts(&self) -> Hosts {
        if self.loopback_hosts {
            Hosts::LoopbackAnd(self.allow_host.clone())
        } else {
            Hosts::Any
        }
    }
}

impl ServeOptions {
    /// Where to listen.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnAddress`].
    pub(crate) fn addr(&self) -> Result<SocketAddr, Error> {
        addr(&self.addr)
    }

    /// The hosts that requests may be for, if the server listens at this address.
    pub(crate) fn hosts(&self, addr: SocketAddr) -> Hosts {
        if addr.ip().to_canonical().is_loopback() {
            Hosts::LoopbackAnd(self.allow_host.clone())
        } else {
            Hosts::Any
        }
    }

    /// How many workers serve.
    pub(crate) fn workers(&self) -> usize {
        self.workers.into()
    }

    /// How long no worker may be ready until the supervisor gives up.
    #[cfg(unix)]
    pub(crate) fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.give_up_after.into())
    }

    /// The folder with the page, and whether it is to be built first.
    pub(crate) fn www(&self) -> (PathBuf, bool) {
        match &self.www {
            Some(folder) => (folder.clone(), false),
            None => (crate::serve::checkout().join("www"), !self.no_build),
        }
    }
}

impl ClusterOptions {
    /// Where to listen.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnAddress`].
    pub(crate) fn addr(&self) -> Result<SocketAddr, Error> {
        addr(&self.addr)
    }

    /// How many workers serve.
    pub(crate) fn workers(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let cores = || cores().min(MOST_WORKERS.into());
        self.workers.map_or_else(cores, usize::from)
    }

    /// How long no worker may be ready until the supervisor gives up.
    #[cfg(unix)]
    pub(crate) fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.give_up_after.into())
    }
}

fn addr(text: &str) -> Result<SocketAddr, Error> {
    let text = text.trim();
    // The one name everybody types. Others would need a resolver, and may mean
    // several addresses.
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| Error::NotAnAddress(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, one_line};
    use clap::Parser;

    #[test]
    fn workers_are_1_to_1024() {
        for wrong in ["0", "-1", "1025", "10000", "100000", "two", ""] {
            for command in ["cluster", "serve"] {
                let arguments = ["native", command, "--workers", wrong];
                let error = Cli::try_parse_from(arguments).unwrap_err();
                let line = one_line(&error.to_string());
                assert!(line.contains("there can be 1 to 1,024 workers"), "{line}");
            }
        }
        for right in ["1", "1024"] {
            assert!(Cli::try_parse_from(["native", "cluster", "--workers", right]).is_ok());
        }
    }

    #[test]
    fn it_gives_up_after_a_second_to_a_day() {
        for command in ["cluster", "serve"] {
            for wrong in ["0", "-1", "86401", "1.5", "2s", ""] {
                let arguments = ["native", command, "--give-up-after", wrong];
                let error = Cli::try_parse_from(arguments).unwrap_err();
                let line = one_line(&error.to_string());
                assert!(line.contains("it can be 1 to 86,400 seconds"), "{line}");
            }
            for right in ["1", "86400"] {
                let arguments = ["native", command, "--give-up-after", right];
                assert!(Cli::try_parse_from(arguments).is_ok());
            }
        }
    }
}
