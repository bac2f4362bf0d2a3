//! Replaces TLS without the feature `tls`.

use crate::error::Error;
use std::{future::Ready, io};

/// There is no certificate without the feature `tls`.
#[derive(Clone, Debug)]
pub(crate) enum Tls {}

/// There is no handshake without the feature `tls`.
#[derive(Clone, Debug)]
pub(crate) enum TlsAcceptor {}

/// The stream of a handshake.
pub(crate) type TlsStream<I> = I;

impl TlsAcceptor {
    pub(crate) fn accept<I>(&self, _stream: I) -> Ready<io::Result<TlsStream<I>>> {
        match *self {}
    }
}

impl Tls {
    #[cfg(unix)]
    pub(crate) fn load(&self) -> Result<TlsAcceptor, Error> {
        match *self {}
    }

    pub(crate) fn load_and_warn(&self) -> Result<TlsAcceptor, Error> {
        match *self {}
    }
}
