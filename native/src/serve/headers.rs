//! Headers that are sent with every response.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// Adds the headers to any response: a file, an API result or an error.
pub(super) async fn set_response_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The headers of every response.
///
/// The first three isolate the page from other sites, which browsers require for
/// shared-memory threads. `wasm-unsafe-eval` permits compiling WebAssembly and nothing
/// else. `no-cache` makes browsers revalidate, so that a rebuilt page never runs with
/// stale modules. `server-timing` tells the page that its origin has this API: it is the
/// only header of a document that its scripts can read.
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
