//! Tests of the layer's responses.

use crate::cases::cases;
use crate::test_layer::{TestLayer, TextResponse, assert_problem, fail_with, respond_with};
use axum::{
    Json, Router,
    body::Body,
    routing::{get, post},
};
use futures::executor::block_on;
use highwater::error::{
    AppError, Handler, Problem, TraceId,
    http::{HandlerLayer, REQUEST_ID},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use proptest::prelude::*;
use serde_json::Value;
use std::{
    convert::Infallible,
    future::{Future, pending, ready},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::limit::RequestBodyLimitLayer;

#[test]
fn error_becomes_a_public_problem() {
    let test = TestLayer::new();
    let response = test.call(fail_with(|| {
        AppError::invalid_input("The order is not valid.")
            .with_field("quantity", "must be at least 1")
            .with_context("user", "SECRET")
    }));
    let problem = assert_problem(&response, &test);
    assert_eq!(problem["code"], "invalid_input");
    assert_eq!(problem["errors"][0]["field"], "quantity");
    assert!(!response.body().contains("SECRET"));
    assert_eq!(test.drains(), 0, "a client error does not drain");
}

#[test]
fn log_omits_the_query() {
    let test = TestLayer::new();
    test.call(fail_with(|| AppError::timeout("the database")));
    let line = test.line();
    assert!(line.contains(r#"operation="POST /orders" "#), "{line}");
    assert!(!line.contains("SECRET"), "{line}");
}

#[test]
fn successful_response_is_unchanged() {
    let test = TestLayer::new();
    let response = test.call(respond_with(|request: Request<String>| {
        assert!(request.headers().is_empty());
        let mut response = TextResponse::new("success".into());
        response.headers_mut().insert("x-own", "1".parse().unwrap());
        response
    }));
    // A failed assertion in the service would be a 500.
    assert_eq!(
        (response.status().as_u16(), &**response.body()),
        (200, "success")
    );
    assert_eq!(response.headers().len(), 1, "{response:?}");
    assert_eq!(response.headers()["x-own"], "1");
    assert_eq!(test.lines.lock().unwrap().len(), 0);
}

#[test]
fn every_request_gets_an_id() {
    let test = TestLayer::with(Handler::new(), HandlerLayer::assign_request_ids);
    let seen = Arc::new(Mutex::new(None));
    let response = test.call(respond_with(|request: Request<String>| {
        let id = request.headers().get(REQUEST_ID).cloned();
        *seen.lock().unwrap() = id;
        TextResponse::default()
    }));
    let seen = seen.lock().unwrap().take();
    assert_eq!(seen.as_ref().unwrap().len(), 32);
    assert_eq!(seen.as_ref(), response.headers().get(REQUEST_ID));
}

#[test]
fn only_valid_client_ids_are_kept() {
    let call = |test: &TestLayer, id: &[u8]| {
        let request = Request::get("/").header(REQUEST_ID, id).body(String::new());
        let response = test.call_with(fail_with(|| AppError::not_found("it")), request.unwrap());
        assert_problem(&response, test)["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let test = TestLayer::new();
    assert_eq!(call(&test, b"order-42"), "order-42");
    for invalid in [&b""[..], b"a b", b"\xff", b"id=\"fake\"", &[b'x'; 65]] {
        let generated = call(&test, invalid);
        assert_eq!(generated.len(), 32, "{generated}");
    }
    let ignoring_ids = TestLayer::with(Handler::new(), HandlerLayer::ignore_client_ids);
    assert_ne!(call(&ignoring_ids, b"order-42"), "order-42");
}

#[test]
fn trace_id_is_in_the_log_and_the_problem() {
    let test = TestLayer::with(Handler::new(), |layer| {
        layer.trace_ids(|extensions| extensions.get().copied())
    });
    let trace_id = TraceId::from_bytes([7; 16]).unwrap();
    for trace_id in [Some(trace_id), None] {
        let mut request = Request::new(String::new());
        if let Some(trace_id) = trace_id {
            request.extensions_mut().insert(trace_id);
        }
        let error = || AppError::not_found("it").with_context("trace_id", "fake");
        let response = test.call_with(fail_with(error), request);
        let line = test.line();
        let trace_id = trace_id.map(|trace_id| trace_id.to_string());
        let logged = trace_id
            .as_ref()
            .map_or(String::new(), |id| format!(" trace_id={id}"));
        assert!(line.contains(&format!("{logged} class=")), "{line}");
        assert!(!line.contains("trace_id=fake"), "{line}");
        let problem: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(problem["trace_id"].as_str(), trace_id.as_deref());
    }
}

#[test]
fn panic_in_trace_ids_is_ignored() {
    let test = TestLayer::with(Handler::new(), |layer| {
        layer.trace_ids(|_| panic!("no trace"))
    });
    let response = test.call(respond_with(|_| TextResponse::default()));
    assert_eq!(response.status(), 200);
}

#[test]
fn service_sees_only_valid_ids() {
    let call = |test: &TestLayer, ids: &[&str]| {
        let mut request = Request::get("/").body(String::new()).unwrap();
        for id in ids {
            let id = id.parse().unwrap();
            request.headers_mut().append(REQUEST_ID, id);
        }
        let mut seen = Vec::new();
        let response = test.call_with(
            respond_with(|request: Request<String>| {
                seen.extend(request.headers().get_all(REQUEST_ID).iter().cloned());
                TextResponse::default()
            }),
            request,
        );
        assert_eq!(response.status(), 200);
        let response_ids = response.headers().get_all(REQUEST_ID).iter();
        assert!(response_ids.eq(&seen), "{response:?}");
        seen
    };
    let test = TestLayer::new();
    assert_eq!(call(&test, &["order-42"]), ["order-42"]);
    for invalid in [&["a b"][..], &["order-42", "order-43"]] {
        assert!(call(&test, invalid).is_empty(), "{invalid:?}");
    }
    let ignoring_ids = TestLayer::with(Handler::new(), HandlerLayer::ignore_client_ids);
    assert!(call(&ignoring_ids, &["order-42"]).is_empty());
    let assigning_ids = TestLayer::with(Handler::new(), HandlerLayer::assign_request_ids);
    let generated = call(&assigning_ids, &["order-42", "order-43"]);
    assert!(
        generated.len() == 1 && generated[0].len() == 32,
        "{generated:?}"
    );
}

#[test]
fn bare_responses_become_problems() {
    let test = TestLayer::new();
    for (status, code) in [
        (400, "invalid_input"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (408, "timeout"),
        (409, "conflict"),
        (410, "not_found"),
        (413, "too_large"),
        (415, "unsupported_media_type"),
        (418, "invalid_input"),
        (422, "invalid_input"),
        (429, "rate_limited"),
        (500, "failure"),
        (502, "failure"),
        (503, "unavailable"),
        (504, "timeout"),
    ] {
        for content_type in [None, Some("text/plain; charset=utf-8"), Some("TEXT/PLAIN")] {
            let response = test.call(respond_with(|_| {
                let mut response = Response::builder()
                    .status(status)
                    .header(header::ALLOW, "GET")
                    .header(header::CONTENT_LENGTH, "6")
                    .header(header::ETAG, "\"secret\"");
                if let Some(content_type) = content_type {
                    response = response.header(header::CONTENT_TYPE, content_type);
                }
                response.body("SECRET".to_owned()).unwrap()
            }));
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["allow"], "GET");
            assert!(!response.headers().contains_key("content-length"));
            assert!(!response.headers().contains_key("etag"));
            assert!(!response.body().contains("SECRET"));
            assert_eq!(assert_problem(&response, &test)["code"], code, "{status}");
        }
    }
    assert_eq!(test.drains(), 0, "a bare 500 is not a bug");
}

#[test]
fn headers_of_a_replaced_body_are_removed() {
    for name in [
        "content-digest",
        "repr-digest",
        "unencoded-digest",
        "digest",
        "content-md5",
        "signature",
        "signature-input",
        "content-location",
        "content-encoding",
        "content-language",
        "content-disposition",
        "content-range",
        "accept-ranges",
        "etag",
        "last-modified",
        "trailer",
    ] {
        let test = TestLayer::new();
        let response = test.call(respond_with(move |_| {
            let bare = Response::builder()
                .status(404)
                .header(name, "of the old body");
            let bare = bare.header("x-kept", "yes");
            bare.body("plain text".to_owned()).unwrap()
        }));
        assert_problem(&response, &test);
        assert!(!response.headers().contains_key(name), "{name}");
        assert_eq!(response.headers()["x-kept"], "yes");
    }
}

#[test]
fn retry_after_is_at_least_one_second() {
    let millis = Duration::from_millis;
    for (after, expected) in [
        (Duration::ZERO, "1"),
        (Duration::from_nanos(1), "1"),
        (millis(999), "1"),
        (millis(1000), "1"),
        (millis(1001), "2"),
    ] {
        let test = TestLayer::new();
        let response = test.call(fail_with(move || AppError::rate_limited(after)));
        assert_eq!(response.headers()["retry-after"], expected, "{after:?}");
    }
    for (bare, expected) in [("0", "1"), ("00", "1"), ("7", "7"), ("soon", "soon")] {
        let test = TestLayer::new();
        let response = test.call(respond_with(move |_| {
            let busy = Response::builder().status(503).header("retry-after", bare);
            busy.body(String::new()).unwrap()
        }));
        assert_eq!(response.headers()["retry-after"], expected, "{bare}");
    }
}

#[test]
fn status_416_keeps_content_range() {
    let test = TestLayer::new();
    for (status, has_range) in [(416, true), (404, false)] {
        let response = test.call(respond_with(|_| {
            let response = Response::builder()
                .status(status)
                .header(header::CONTENT_RANGE, "bytes */2");
            response.body(String::new()).unwrap()
        }));
        assert_problem(&response, &test);
        assert_eq!(response.headers().contains_key("content-range"), has_range);
    }
}

#[test]
fn responses_with_content_are_unchanged() {
    let test = TestLayer::new();
    for content_type in ["text/html", "application/json", "application/problem+json"] {
        let request = Request::get("/").header(REQUEST_ID, "order-42");
        let custom = respond_with(|_| {
            let response = Response::builder()
                .status(404)
                .header(header::CONTENT_TYPE, content_type);
            response.body("custom".to_owned()).unwrap()
        });
        let response = test.call_with(custom, request.body(String::new()).unwrap());
        assert_eq!(response.headers()["content-type"], content_type);
        assert_eq!(response.body(), "custom");
        assert_eq!(response.headers()[REQUEST_ID], "order-42");
    }
    let redirect = test.call(respond_with(|_| {
        let response = Response::builder().status(303);
        response.body("elsewhere".to_owned()).unwrap()
    }));
    assert_eq!(redirect.body(), "elsewhere");
    assert!(test.lines.lock().unwrap().is_empty());
}

#[test]
fn error_in_a_response_passes_through_other_layers() {
    let test = TestLayer::new();
    let response_with_error =
        respond_with(|_| AppError::rate_limited(Duration::from_millis(1_500)).into());
    let service = ServiceBuilder::new()
        .map_response(|mut response: TextResponse| {
            response
                .headers_mut()
                .insert("x-layer", "1".parse().unwrap());
            response
        })
        .service(response_with_error);
    let response = test.call(service);
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-layer"], "1");
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(assert_problem(&response, &test)["retry_after_ms"], 1_500);
    let problem = response.extensions().get::<Problem>().unwrap();
    assert_eq!(
        problem.code(),
        "rate_limited",
        "outer layers can read the problem"
    );
}

#[test]
fn nested_layers_handle_an_error_once() {
    let test = TestLayer::new();
    let inner = test.layer.layer(fail_with(|| AppError::bug("no cart")));
    let response = test.call(inner);
    assert_eq!(test.drains(), 1);
    assert_problem(&response, &test);
}

#[test]
fn problem_rendered_as_text_is_handled_once() {
    let test = TestLayer::new();
    let service = fail_with(|| AppError::not_found("There is no such order."));
    let rendered = test.layer.layer(service).map_response(|response| {
        let (mut head, _) = response.into_parts();
        let plain = HeaderValue::from_static("text/plain");
        head.headers.insert(header::CONTENT_TYPE, plain);
        TextResponse::from_parts(head, "Sorry.".to_owned())
    });
    let response = test.call(rendered);
    assert_eq!(
        (response.status().as_u16(), &**response.body()),
        (404, "Sorry.")
    );
    assert_eq!(test.lines.lock().unwrap().len(), 1);
}

#[test]
fn outer_layer_keeps_the_problem_id() {
    let inner = TestLayer::with(Handler::new(), HandlerLayer::ignore_client_ids);
    let outer = TestLayer::new();
    let service = inner.layer.layer(fail_with(|| AppError::not_found("it")));
    let request = Request::get("/").header(REQUEST_ID, "order-42");
    let response = outer.call_with(service, request.body(String::new()).unwrap());
    assert_ne!(assert_problem(&response, &inner)["id"], "order-42");
}

#[test]
fn body_limit_becomes_a_problem() {
    let test = TestLayer::new();
    // `RequestBodyLimitLayer` has its own body type.
    let service = ServiceBuilder::new()
        .layer(RequestBodyLimitLayer::new(4))
        .service(service_fn(|_| {
            ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        }));
    let request = Request::post("/").header(header::CONTENT_LENGTH, 5);
    let response = test.call_with(service, request.body(Body::from("12345")).unwrap());
    assert_eq!(response.status(), 413);
    assert_eq!(assert_problem(&response, &test)["code"], "too_large");
}

#[test]
fn dropped_request_drops_the_service_future() {
    let test = TestLayer::new();
    let held_by_future = Arc::new(());
    let service = service_fn(|_| {
        let held_by_future = Arc::clone(&held_by_future);
        async move {
            pending::<()>().await;
            drop(held_by_future);
            Ok::<_, Infallible>(TextResponse::default())
        }
    });
    {
        let request = Request::get("/").body(String::new()).unwrap();
        let mut response = pin!(test.layer.layer(service).oneshot(request));
        let polled = response
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!(Arc::strong_count(&held_by_future), 2);
    }
    assert_eq!(Arc::strong_count(&held_by_future), 1);
}

#[test]
fn axum_rejections_become_problems() {
    async fn order(Json(order): Json<Value>) -> Result<String, AppError> {
        let quantity = order["quantity"].as_u64();
        let quantity =
            quantity.ok_or_else(|| AppError::invalid_input("The quantity is missing."))?;
        Ok(quantity.to_string())
    }
    let test = TestLayer::new();
    let app = Router::new()
        .route("/orders", post(order))
        .route("/bug", get(async || -> String { panic!("SECRET") }))
        .layer(test.layer.clone());
    let json = "application/json";
    let deep_json = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for (method, path, content_type, body, status) in [
        (Method::POST, "/orders", json, r#"{"quantity": 7}"#, 200),
        (Method::POST, "/orders", json, "{}", 400),
        (Method::POST, "/orders", json, "{", 400),
        (Method::POST, "/orders", json, &deep_json, 400),
        (Method::POST, "/orders", "text/plain", "{}", 415),
        (Method::GET, "/orders", json, "", 405),
        (Method::GET, "/nowhere", json, "", 404),
        (Method::GET, "/bug", json, "", 500),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, content_type);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let Ok(response) = block_on(app.clone().oneshot(request));
        let (head, body) = response.into_parts();
        let body = block_on(axum::body::to_bytes(body, usize::MAX)).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(head.status, StatusCode::from_u16(status).unwrap(), "{body}");
        if status != 200 {
            let response = Response::from_parts(head, body);
            assert!(!response.body().contains("SECRET"));
            assert_problem(&response, &test);
        }
    }
    assert_eq!(test.drains(), 1);
}

proptest! {
    #![proptest_config(cases(512))]

    /// Holds for headers and body, for any error content, and for returned and
    /// attached errors.
    #[test]
    fn response_contains_nothing_internal(
        status in 400..600_u16,
        texts in prop::collection::vec(".*", 1..6),
        is_bug: bool,
        is_in_response: bool,
        id in "[ -~]{0,80}",
    ) {
        let build = || {
            let first = AppError::bug(format!("SECRET{}", texts[0]));
            let error = texts.iter().fold(first, |source, text| {
                let kind = highwater::error::ErrorKind::Failure;
                let classification = highwater::error::Classification::new(kind).with_status(status);
                AppError::new(classification)
                    .with_detail(format!("SECRET{text}"))
                    .with_context("key", format!("SECRET{text}"))
                    .with_source(source)
            });
            if is_bug { AppError::bug("SECRET").with_source(error) } else { error }
        };
        let test = TestLayer::new();
        let request = Request::get("/").header(REQUEST_ID, id).body(String::new()).unwrap();
        let response = if is_in_response {
            test.call_with(respond_with(|_| build().into()), request)
        } else {
            test.call_with(fail_with(build), request)
        };
        let response_text = format!("{:?} {}", response.headers(), response.body());
        prop_assert!(!response_text.contains("SECRET"), "{}", response_text);
        prop_assert_eq!(test.drains(), usize::from(is_bug));
        assert_problem(&response, &test);
    }
}
