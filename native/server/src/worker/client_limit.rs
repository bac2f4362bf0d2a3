//! The limit on what one client can use at the same time.

use futures_util::future::{Either, Ready, ready};
use highwater::error::AppError;
use http::Request;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

/// The time after which a rejected client should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Counts the connections, or the open requests, of each client.
#[derive(Debug)]
pub(super) struct ClientLimit {
    limit: usize,
    /// The clients that have at least one. Their number is at most that of all connections
    /// and open requests.
    counts: Mutex<HashMap<ClientKey, usize>>,
}

/// An IPv4 address, or the first 64 bits of an IPv6 address, which providers assign to one
/// customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ClientKey(IpAddr);

/// A counted connection or request, released on drop.
#[derive(Debug)]
pub(super) struct ClientSlot {
    limit: Arc<ClientLimit>,
    client: ClientKey,
}

/// The error for a client beyond its limit. It has a slot if an answer fits within twice
/// the limit. Otherwise rejected connections would use as much as others.
#[derive(Debug)]
pub(super) struct OverLimit(pub(super) Option<ClientSlot>);

/// An extension of a request whose client is over its limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct RejectedRequest;

impl ClientLimit {
    pub(super) fn new(limit: usize) -> Self {
        ClientLimit {
            limit,
            counts: Mutex::default(),
        }
    }

    /// Counts a connection or a request.
    ///
    /// # Errors
    ///
    /// [`OverLimit`] if the client has as many as the limit allows.
    pub(super) fn acquire(self: &Arc<Self>, client: IpAddr) -> Result<ClientSlot, OverLimit> {
        let client = ClientKey::new(client);
        let mut counts = self.counts();
        let count = counts.entry(client).or_default();
        if *count >= self.limit.saturating_mul(2) {
            return Err(OverLimit(None));
        }
        *count += 1;
        let slot = ClientSlot {
            limit: Arc::clone(self),
            client,
        };
        if *count > self.limit {
            return Err(OverLimit(Some(slot)));
        }
        Ok(slot)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<ClientKey, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientKey {
    fn new(ip: IpAddr) -> Self {
        let IpAddr::V6(ip) = ip.to_canonical() else {
            return ClientKey(ip.to_canonical());
        };
        let [a, b, c, d, ..] = ip.segments();
        ClientKey(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        let mut counts = self.limit.counts();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

/// Returns the error for a client over its limit.
pub(super) fn over_limit() -> AppError {
    AppError::rate_limited(RETRY_AFTER).with_public_message(
        "This address has too many connections or open requests. Try again later.",
    )
}

/// A service that fails with 429 if the client of a request is over its limit.
#[derive(Clone, Debug)]
pub(super) struct ClientLimitService<S> {
    service: S,
    is_limited: bool,
}

impl<S> ClientLimitService<S> {
    pub(super) fn new(service: S, is_limited: bool) -> Self {
        ClientLimitService {
            service,
            is_limited,
        }
    }
}

impl<S, B> Service<Request<B>> for ClientLimitService<S>
where
    S: Service<Request<B>, Error = AppError>,
{
    type Response = S::Response;
    type Error = AppError;
    type Future = Either<S::Future, Ready<Result<S::Response, AppError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.is_limited && request.extensions().get::<RejectedRequest>().is_some() {
            return Either::Right(ready(Err(over_limit())));
        }
        Either::Left(self.service.call(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_client_has_its_own_limit() {
        let limit = Arc::new(ClientLimit::new(2));
        let slots = [(); 2].map(|()| limit.acquire(ip("203.0.113.9")).unwrap());
        let over = limit.acquire(ip("203.0.113.9")).unwrap_err();
        let mapped = limit.acquire(ip("::ffff:203.0.113.9")).unwrap_err();
        assert!(over.0.is_some() && mapped.0.is_some());
        // An answer no longer fits.
        assert!(limit.acquire(ip("203.0.113.9")).unwrap_err().0.is_none());
        let _other = limit.acquire(ip("203.0.113.10")).unwrap();
        drop((over, mapped));
        drop(slots);
        let _slot = limit.acquire(ip("203.0.113.9")).unwrap();
        assert_eq!(limit.counts().len(), 2);
    }

    #[test]
    fn ipv6_clients_are_networks() {
        let limit = Arc::new(ClientLimit::new(1));
        let _slot = limit.acquire(ip("2001:db8:0:1::1")).unwrap();
        assert!(limit.acquire(ip("2001:db8:0:1:ffff::2")).is_err());
        let _other = limit.acquire(ip("2001:db8:0:2::1")).unwrap();
    }

    #[test]
    fn clients_without_connections_use_no_memory() {
        let limit = Arc::new(ClientLimit::new(1));
        for number in 0..1000 {
            drop(limit.acquire(IpAddr::from(u32::to_be_bytes(number))));
        }
        assert!(limit.counts().is_empty());
    }
}
