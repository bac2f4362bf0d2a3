//! The steps before HTTP: the PROXY header, the limit of connections for each client, and
//! the TLS handshake.

use super::{
    accept::Accepted,
    client_limit::{ClientLimit, ClientSlot, OverLimit, RejectedRequest, over_limit},
    client_stream::{ClientStream, Rewound},
    connection_limit::{ConnectionLimit, ConnectionPermit, LogThrottle, Pressure, log},
    malformed::MalformedRequests,
    proxy_header,
};
use crate::{
    client_addr::ClientAddr, limits::Limits, logging::REQUEST_TARGET, metrics::ConnectionTimeout,
    tls::TlsAcceptor, trusted_proxies::TrustedProxies,
};
use http::Request;
use std::{fmt, io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, sleep_until},
};

/// The steps before HTTP.
pub(super) struct Transport {
    proxies: Option<Arc<TrustedProxies>>,
    tls: Option<TlsAcceptor>,
    clients: Option<Arc<ClientLimit>>,
    malformed: Arc<MalformedRequests>,
    proxy_log: LogThrottle,
    client_log: LogThrottle,
    tls_log: LogThrottle,
}

/// The client at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionClient {
    addr: ClientAddr,
    /// The proxies, if the peer is one that names the client in a header.
    proxies: Option<Arc<TrustedProxies>>,
    /// Limits the open requests of the clients that such a peer names.
    requests: Option<Arc<ClientLimit>>,
}

impl ConnectionClient {
    /// Records the client of a request in its extensions. Returns the slot of the request,
    /// if its client is limited.
    ///
    /// # Errors
    ///
    /// [`OverLimit`]. [`ClientLimitService`](super::client_limit::ClientLimitService) then
    /// rejects the request.
    pub(super) fn identify<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<Option<ClientSlot>, OverLimit> {
        let mut client = self.addr;
        if let Some(proxies) = &self.proxies {
            client = client.named(proxies.named_client(request.headers()));
        }
        request.extensions_mut().insert(client);
        let (Some(requests), Some(ip)) = (&self.requests, client.named_ip()) else {
            return Ok(None);
        };
        let slot = requests.acquire(ip);
        if slot.is_err() {
            request.extensions_mut().insert(RejectedRequest);
        }
        slot.map(Some)
    }
}

impl Transport {
    pub(super) fn new(
        proxies: Option<TrustedProxies>,
        tls: Option<TlsAcceptor>,
        limits: &Limits,
        malformed: Arc<MalformedRequests>,
    ) -> Self {
        Transport {
            proxies: proxies.map(Arc::new),
            tls,
            clients: limits
                .connections_per_client
                .map(|limit| Arc::new(ClientLimit::new(limit))),
            malformed,
            proxy_log: LogThrottle::default(),
            client_log: LogThrottle::default(),
            tls_log: LogThrottle::default(),
        }
    }

    /// Prepares a connection for HTTP. Returns `None` if it was closed, because a step
    /// failed, all steps took longer than the [head](Limits::head) limit, or the client has
    /// too many connections.
    pub(super) async fn establish<I>(
        &self,
        accepted: Accepted<I>,
        permit: &mut ConnectionPermit,
        connection_limit: &ConnectionLimit,
    ) -> Option<(ClientStream<I>, ConnectionClient)>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let deadline = Instant::now() + connection_limit.limits().head;
        let peer = accepted.peer;
        let mut addr = ClientAddr::of_peer(peer);
        let mut stream = Rewound::new(accepted.stream);
        let proxies = self.proxies.as_ref();
        // The futures of the steps are boxed, because they are large, and most of a
        // connection's time is after them.
        let mut is_limited = self.clients.is_some();
        if proxies.is_some_and(|proxies| proxies.sends_proxy_header(peer)) {
            let reading = Box::pin(proxy_header::read(&mut stream));
            let header = within(deadline, connection_limit, reading).await?;
            let header = header
                .inspect_err(|cause| self.reject_proxy(addr, cause, connection_limit))
                .ok()?;
            addr = addr.named(header.client);
            stream.rewind(header.rest);
            // Health checks of the proxy have no client.
            is_limited &= header.client.is_some();
        }
        let header_proxies = proxies.filter(|proxies| proxies.sends_header(peer));
        is_limited &= header_proxies.is_none();
        if is_limited && let (Some(clients), Some(ip)) = (&self.clients, addr.ip()) {
            match clients.acquire(ip) {
                Ok(slot) => permit.hold(slot),
                Err(over) => {
                    Box::pin(self.reject_client(addr, over, stream, connection_limit)).await;
                    return None;
                }
            }
        }
        let client = ConnectionClient {
            addr,
            proxies: header_proxies.cloned(),
            requests: header_proxies.and(self.clients.clone()),
        };
        let stream = match &self.tls {
            Some(acceptor) => {
                self.shake_hands(acceptor, stream, addr, deadline, connection_limit)
                    .await?
            }
            None => ClientStream::Plain(stream),
        };
        Some((stream, client))
    }

    fn reject_proxy(
        &self,
        proxy: ClientAddr,
        cause: &io::Error,
        connection_limit: &ConnectionLimit,
    ) {
        connection_limit.meter.rejected_proxy_headers.inc();
        if self.proxy_log.should_log() {
            log(&format!(
                "connection from the proxy {proxy} closed: {cause}; check that it sends the PROXY \
                 protocol"
            ));
        }
    }

    /// Closes a connection of a client with too many, after a response if that is possible.
    async fn reject_client<I>(
        &self,
        client: ClientAddr,
        over: OverLimit,
        stream: Rewound<I>,
        connection_limit: &ConnectionLimit,
    ) where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        connection_limit.meter.rejected_clients.inc();
        if self.client_log.should_log() {
            log(&format!(
                "client {client} has too many connections; further ones are rejected"
            ));
        }
        if let OverLimit(Some(_slot)) = over
            && self.tls.is_none()
        {
            let grace = connection_limit.limits().grace;
            self.malformed.reject(&over_limit(), stream, grace).await;
        }
    }

    async fn shake_hands<I>(
        &self,
        acceptor: &TlsAcceptor,
        stream: Rewound<I>,
        client: ClientAddr,
        deadline: Instant,
        connection_limit: &ConnectionLimit,
    ) -> Option<ClientStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = Box::pin(acceptor.accept(stream));
        match within(deadline, connection_limit, handshake).await? {
            Ok(stream) => Some(ClientStream::Tls(Box::new(stream))),
            Err(cause) => {
                connection_limit.meter.failed_handshakes.inc();
                if self.tls_log.should_log() {
                    tracing::debug!(
                        target: REQUEST_TARGET,
                        "TLS handshake with {client} failed: {cause}"
                    );
                }
                None
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

/// Runs a step until the deadline, which is earlier if the worker closes its connections.
/// Returns `None`, and counts a timeout, if the step takes longer.
async fn within<F: Future + Unpin>(
    deadline: Instant,
    connection_limit: &ConnectionLimit,
    step: F,
) -> Option<F::Output> {
    let mut pressure = connection_limit.pressure();
    let closing = async {
        // Fails if the worker has stopped.
        let _ = pressure.wait_for(|it| *it >= Pressure::Closing).await;
        sleep(connection_limit.limits().grace).await;
    };
    tokio::select! {
        biased;
        output = step => return Some(output),
        () = sleep_until(deadline) => {}
        () = closing => {}
    }
    let timeout = ConnectionTimeout::Handshake;
    connection_limit.meter.connection_timed_out(timeout);
    None
}
