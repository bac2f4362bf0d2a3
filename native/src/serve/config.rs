//! The configuration of a server: its socket, its content and its workers.

use super::Hosts;
#[cfg(unix)]
use crate::logging;
#[cfg(unix)]
use std::{
    ffi::{OsStr, OsString},
    time::Duration,
};
use std::{net::TcpListener, path::PathBuf};

/// The time limit for a cluster's open requests during a shutdown.
#[cfg(unix)]
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// The configuration of a server.
#[derive(Debug)]
pub(crate) struct ClusterConfig {
    pub(crate) listener: TcpListener,
    pub(crate) content: Content,
    /// The number of workers.
    pub(crate) workers: usize,
    /// The supervisor gives up after this time without a ready worker.
    #[cfg(unix)]
    pub(crate) give_up_after: Duration,
    /// True if events are written to standard output as JSON.
    pub(crate) json: bool,
}

/// The content that workers serve.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// The page and its API.
    Page {
        www: PathBuf,
        faults: bool,
        hosts: Hosts,
    },
    /// The small service of `highwater cluster`.
    #[cfg(unix)]
    Plain { faults: bool },
}

#[cfg(unix)]
impl Content {
    /// Returns the command-line arguments that configure a worker for this content.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let (www, faults) = match self {
            Content::Page { www, faults, hosts } => {
                if let Hosts::LoopbackAnd(allowed) = hosts {
                    arguments.push("--loopback-hosts".into());
                    for name in allowed {
                        arguments.push(option_argument("--allow-host", name));
                    }
                }
                (Some(www), *faults)
            }
            Content::Plain { faults } => (None, *faults),
        };
        if let Some(www) = www {
            arguments.push(option_argument("--www", www));
        }
        if faults {
            arguments.push("--faults".into());
        }
        // Passed only if it is not the default: after a reload, the worker may be an
        // older build that does not support the option.
        let level = logging::level();
        if level != logging::DEFAULT_LEVEL {
            let level = level.as_str().to_ascii_lowercase();
            arguments.extend(["--log-level".into(), level.into()]);
        }
        arguments
    }

    /// Returns the time limit for open requests during a shutdown. It is zero for the
    /// page, because its event streams may be endless.
    pub(super) fn shutdown_timeout(&self) -> Duration {
        match self {
            Content::Page { .. } => Duration::ZERO,
            Content::Plain { .. } => SHUTDOWN_TIMEOUT,
        }
    }
}

/// Returns an option and its value as one argument, because the value can begin with `-`.
#[cfg(unix)]
fn option_argument(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut argument = OsString::from(name);
    argument.push("=");
    argument.push(value);
    argument
}
