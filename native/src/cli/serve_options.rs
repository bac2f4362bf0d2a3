//! Options of `serve` and `cluster`. Their worker processes have the same options.

use crate::serve::{Hosts, checkout, parse_name};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use highwater_server::{Cluster, ListenAddr};
use log::LevelFilter;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Options of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeOptions {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    addr: String,
    /// Serve the page without building it
    #[arg(long)]
    no_build: bool,
    /// Serve this folder instead of the checkout's page, without building it
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,
    /// Also accept requests for this host name; may be repeated. When listening on a
    /// loopback address, only localhost and loopback addresses are accepted by default,
    /// which prevents DNS rebinding. Otherwise, every host name is accepted
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    allow_host: Vec<String>,
    /// Number of workers, 1 to 1,024
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_worker_count,
          allow_hyphen_values = true)]
    workers: usize,
    /// Exit after this many seconds without a ready worker, 1 to 86,400. Until then,
    /// workers that exit are restarted
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_give_up_after,
          allow_hyphen_values = true)]
    give_up_after: u32,
    /// Serve POST /api/faults/bug, which triggers a bug. Anyone who can reach the server
    /// can then restart its workers
    #[arg(long)]
    pub(crate) faults: bool,
    /// Log failed requests at this level and above: error (bugs), warn (other server
    /// errors), info (client errors) or debug (also clients that disconnect). Repeated
    /// entries are sampled, one per second, with a count of the omitted ones; debug logs
    /// all
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = log_level_parser(),
          hide_possible_values = true)]
    pub(crate) log_level: LevelFilter,
}

/// Options of `cluster`.
#[derive(Args, Debug)]
pub(crate) struct ClusterOptions {
    /// Address to listen on; port 0 picks any free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    addr: String,
    /// Number of workers, 1 to 1,024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_worker_count, allow_hyphen_values = true)]
    workers: Option<usize>,
    /// Exit after this many seconds without a ready worker, 1 to 86,400. Until then,
    /// workers that exit are restarted
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_give_up_after,
          allow_hyphen_values = true)]
    give_up_after: u32,
    /// Print events as JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Serve routes that inject faults: POST /faults/bug (a handler panics), /faults/job
    /// (a job panics), /faults/hang (an event loop blocks) and /faults/exit (a worker
    /// exits). Anyone who can reach the cluster can then disrupt it
    #[arg(long)]
    pub(crate) faults: bool,
    /// Log failed requests at this level and above: error (bugs), warn (other server
    /// errors), info (client errors) or debug (also clients that disconnect). Repeated
    /// entries are sampled, one per second, with a count of the omitted ones; debug logs
    /// all
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = log_level_parser(),
          hide_possible_values = true)]
    pub(crate) log_level: LevelFilter,
}

/// The maximum `--give-up-after`: one day, in seconds.
const MAX_GIVE_UP_SECONDS: u32 = 86_400;

fn log_level_parser() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["error", "warn", "info", "debug"])
        .map(|level| level.parse().unwrap_or(LevelFilter::Info))
}

fn parse_worker_count(text: &str) -> Result<usize, String> {
    let count = text.trim().parse().ok();
    let count = count.filter(|count| (1..=Cluster::MAX_WORKERS).contains(count));
    count.ok_or_else(|| "expected 1 to 1,024 workers".to_owned())
}

fn parse_give_up_after(text: &str) -> Result<u32, String> {
    let seconds = text.trim().parse().ok();
    let seconds = seconds.filter(|seconds| (1..=MAX_GIVE_UP_SECONDS).contains(seconds));
    seconds.ok_or_else(|| "expected 1 to 86,400 seconds".to_owned())
}

impl ServeOptions {
    /// Returns the address to listen on.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// Returns the host names to accept when listening on `addr`.
    pub(crate) fn hosts(&self, addr: &ListenAddr) -> Hosts {
        let is_local = |addr: SocketAddr| addr.ip().to_canonical().is_loopback();
        if addr.tcp().is_none_or(is_local) {
            Hosts::LoopbackAnd(self.allow_host.clone())
        } else {
            Hosts::Any
        }
    }

    /// Returns the number of workers.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Returns how long the supervisor runs without a ready worker before it exits.
    pub(crate) fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.give_up_after.into())
    }

    /// Returns the page folder, and whether to build the page first.
    pub(crate) fn www(&self) -> (PathBuf, bool) {
        match &self.www {
            Some(folder) => (folder.clone(), false),
            None => (checkout().join("www"), !self.no_build),
        }
    }
}

impl ClusterOptions {
    /// Returns the address to listen on.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// Returns the number of workers, if it was given.
    pub(crate) fn workers(&self) -> Option<usize> {
        self.workers
    }

    /// Returns how long the supervisor runs without a ready worker before it exits.
    pub(crate) fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.give_up_after.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, one_line};
    use clap::Parser;

    #[test]
    fn worker_count_out_of_range_is_rejected() {
        for invalid in ["0", "-1", "1025", "10000", "100000", "two", ""] {
            for command in ["cluster", "serve"] {
                let arguments = ["highwater", command, "--workers", invalid];
                let error = Cli::try_parse_from(arguments).unwrap_err();
                let line = one_line(&error.to_string());
                assert!(line.contains("expected 1 to 1,024 workers"), "{line}");
            }
        }
        for valid in ["1", "1024"] {
            assert!(Cli::try_parse_from(["highwater", "cluster", "--workers", valid]).is_ok());
        }
    }

    #[test]
    fn give_up_after_out_of_range_is_rejected() {
        for command in ["cluster", "serve"] {
            for invalid in ["0", "-1", "86401", "1.5", "2s", ""] {
                let arguments = ["highwater", command, "--give-up-after", invalid];
                let error = Cli::try_parse_from(arguments).unwrap_err();
                let line = one_line(&error.to_string());
                assert!(line.contains("expected 1 to 86,400 seconds"), "{line}");
            }
            for valid in ["1", "86400"] {
                let arguments = ["highwater", command, "--give-up-after", valid];
                assert!(Cli::try_parse_from(arguments).is_ok());
            }
        }
    }
}
