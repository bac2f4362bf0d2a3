//! Replaces TLS without the feature `tls`.

use crate::error::Error;

/// There is no certificate without the feature `tls`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tls {}

/// There is no handshake without the feature `tls`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TlsAcceptor {}

impl Tls {
    #[cfg(unix)]
    pub(crate) fn load(&self) -> Result<TlsAcceptor, Error> {
        match *self {}
    }

    pub(crate) fn load_and_warn(&self) -> Result<TlsAcceptor, Error> {
        match *self {}
    }
}
