//! What a supervisor is to have served.

use crate::{logging, serve::Hosts};
use std::{
    ffi::{OsStr, OsString},
    net::TcpListener,
    path::PathBuf,
    time::Duration,
};

/// How long requests of a cluster have to be answered when it is asked to end,
/// until what is left is cut short.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is to be served, and by how many.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) listener: TcpListener,
    pub(crate) content: Content,
    pub(crate) workers: usize,
    /// How long no worker may be ready until it gives up.
    pub(crate) give_up_after: Duration,
    /// Whether what happens is told on standard output.
    pub(crate) json: bool,
}

/// What workers serve.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// The page and its API.
    Page {
        www: PathBuf,
        faults: bool,
        hosts: Hosts,
    },
    /// What a cluster serves.
    Plain { faults: bool },
}

impl Content {
    /// What a worker is told of it on its command line.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let (www, faults) = match self {
            Content::Page { www, faults, hosts } => {
                if let Hosts::LoopbackAnd(allowed) = hosts {
                    arguments.push("--loopback-hosts".into());
                    for name in allowed {
                        arguments.push(option("--allow-host", name));
                    }
                }
                (Some(www), *faults)
            }
            Content::Plain { faults } => (None, *faults),
        };
        if let Some(www) = www {
            arguments.push(option("--www", www));
        }
        if faults {
            arguments.push("--faults".into());
        }
        // An older build, after a reload, may not know it.
        let level = logging::level();
        if level != logging::DEFAULT_LEVEL {
            let level = level.as_str().to_ascii_lowercase();
            arguments.extend(["--log-level".into(), level.into()]);
        }
        arguments
    }

    /// How long requests have when all ends. Who looks at an endless run on the
    /// page is told at once that it is over.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Content::Page { .. } => Duration::ZERO,
            Content::Plain { .. } => PATIENCE,
        }
    }
}

/// Returns an option and its value in one argument: the value may begin with `-`.
fn option(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut argument = OsString::from(name);
    argument.push("=");
    argument.push(value);
    argument
}
