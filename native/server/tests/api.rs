//! Traits of the public types.

use highwater_server::{
    AccessLog, ClientAddr, Error, Limits, ListenAddr, RegisterError, RequestBody, Shutdown, SpanId,
    TraceContext, TrustedProxies, Worker,
};

#[test]
fn handles_can_be_shared_between_threads() {
    fn is_shareable<T: Send + Sync + 'static>() {}
    is_shareable::<Worker>();
    is_shareable::<Shutdown>();
    is_shareable::<Limits>();
    is_shareable::<ListenAddr>();
    is_shareable::<ClientAddr>();
    is_shareable::<TrustedProxies>();
    #[cfg(feature = "tls")]
    is_shareable::<highwater_server::Tls>();
    is_shareable::<RegisterError>();
    is_shareable::<Error>();
    is_shareable::<AccessLog>();
    is_shareable::<TraceContext>();
    is_shareable::<SpanId>();
}

#[test]
fn bodies_can_be_moved_between_threads() {
    fn is_movable<T: Send + Unpin + 'static>() {}
    is_movable::<RequestBody>();
}
