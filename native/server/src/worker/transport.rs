//! What a connection comes through before HTTP: the PROXY header and the TLS handshake.

use super::{
    accept::Accepted,
    client_stream::{ClientStream, Rewound},
    connection_limit::{ConnectionLimit, LogThrottle, Pressure, log},
    proxy_header,
};
use crate::{
    client_addr::ClientAddr, logging, metrics::ConnectionTimeout, tls::TlsAcceptor,
    trusted_proxies::TrustedProxies,
};
use bytes::Bytes;
use http::HeaderMap;
use std::{fmt, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

/// The steps before HTTP.
pub(super) struct Transport {
    proxies: Option<Arc<TrustedProxies>>,
    tls: Option<TlsAcceptor>,
    proxy_log: LogThrottle,
    tls_log: LogThrottle,
}

/// The client at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionClient {
    addr: ClientAddr,
    /// The proxies, if the peer is one that names the client in a header.
    proxies: Option<Arc<TrustedProxies>>,
}

/// The reason why a connection was closed before HTTP.
enum Rejection {
    ProxyHeader,
    Handshake,
}

impl ConnectionClient {
    /// Returns the client that sent a request.
    pub(super) fn addr_of(&self, headers: &HeaderMap) -> ClientAddr {
        match &self.proxies {
            Some(proxies) => self.addr.named(proxies.named_client(headers)),
            None => self.addr,
        }
    }
}

impl Transport {
    pub(super) fn new(proxies: Option<TrustedProxies>, tls: Option<TlsAcceptor>) -> Self {
        Transport {
            proxies: proxies.map(Arc::new),
            tls,
            proxy_log: LogThrottle::default(),
            tls_log: LogThrottle::default(),
        }
    }

    /// Prepares a connection for HTTP. Returns `None` if it was closed, because a step
    /// failed or took longer than the [head](crate::Limits::head) limit.
    pub(super) async fn establish<I>(
        &self,
        accepted: Accepted<I>,
        connection_limit: &ConnectionLimit,
    ) -> Option<(ClientStream<I>, ConnectionClient)>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = accepted.peer;
        let has_header = self.proxies.as_ref().filter(|it| it.sends_header(peer));
        let client = ConnectionClient {
            addr: ClientAddr::of_peer(peer),
            proxies: has_header.cloned(),
        };
        let proxies = self.proxies.as_ref();
        let has_proxy_header = proxies.is_some_and(|it| it.sends_proxy_header(peer));
        if !has_proxy_header && self.tls.is_none() {
            let stream = Rewound::new(Bytes::new(), accepted.stream);
            return Some((ClientStream::Plain(stream), client));
        }
        // Boxed, because it is large, and most of a connection's time is after it.
        let steps = Box::pin(self.take_steps(accepted, client, has_proxy_header));
        let result = tokio::select! {
            biased;
            result = steps => result,
            () = time_limit(connection_limit) => {
                let timeout = ConnectionTimeout::Handshake;
                connection_limit.meter.connection_timed_out(timeout);
                return None;
            }
        };
        result
            .inspect_err(|rejection| match rejection {
                Rejection::ProxyHeader => connection_limit.meter.rejected_proxy_headers.inc(),
                Rejection::Handshake => connection_limit.meter.failed_handshakes.inc(),
            })
            .ok()
    }

    async fn take_steps<I>(
        &self,
        accepted: Accepted<I>,
        mut client: ConnectionClient,
        has_proxy_header: bool,
    ) -> Result<(ClientStream<I>, ConnectionClient), Rejection>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut io = accepted.stream;
        let mut read = Bytes::new();
        if has_proxy_header {
            let header = proxy_header::read(&mut io).await.map_err(|cause| {
                if self.proxy_log.should_log() {
                    log(&format!(
                        "connection from the proxy {} closed: {cause}; check that it sends the \
                         PROXY protocol",
                        client.addr
                    ));
                }
                Rejection::ProxyHeader
            })?;
            client.addr = client.addr.named(header.client);
            read = header.rest;
        }
        let stream = Rewound::new(read, io);
        let stream = match &self.tls {
            Some(acceptor) => self.shake_hands(acceptor, stream, client.addr).await?,
            None => ClientStream::Plain(stream),
        };
        Ok((stream, client))
    }

    async fn shake_hands<I>(
        &self,
        acceptor: &TlsAcceptor,
        stream: Rewound<I>,
        client: ClientAddr,
    ) -> Result<ClientStream<I>, Rejection>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        match acceptor.accept(stream).await {
            Ok(stream) => Ok(ClientStream::Tls(Box::new(stream))),
            Err(cause) => {
                if self.tls_log.should_log() {
                    logging::debug(format_args!("TLS handshake with {client} failed: {cause}"));
                }
                Err(Rejection::Handshake)
            }
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Completes when the time for the steps has passed. It is shorter if the worker closes its
/// connections.
async fn time_limit(connection_limit: &ConnectionLimit) {
    let mut pressure = connection_limit.pressure();
    let closing = async {
        // Fails if the worker has stopped.
        let _ = pressure.wait_for(|it| *it >= Pressure::Closing).await;
        sleep(connection_limit.limits().grace).await;
    };
    tokio::select! {
        () = sleep(connection_limit.limits().head) => {}
        () = closing => {}
    }
}
