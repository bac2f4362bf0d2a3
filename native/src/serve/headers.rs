//! What every response says about how it may be used.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// Adds the headers: to pages, answers and errors alike.
pub(super) async fn set_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The first three isolate the page from all others, in return for which a
/// browser gives it memory shared by threads. `wasm-unsafe-eval` lets it
/// compile WebAssembly, and nothing else. `no-cache` means: ask whether it has
/// changed, so that a rebuilt page never runs beside old modules. By the last the
/// page knows that there is this API where it came from: a browser shows a script
/// no other header of the document itself.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        "require-corp",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; \
         worker-src 'self' blob:; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("server-timing"), "native"),
];
