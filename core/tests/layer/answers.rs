//! The layer from outside: whatever goes wrong in a service is answered, once.

use crate::cases::cases;
use crate::layered::{Answer, Tested, answering, failing, problem};
use axum::{
    Json, Router,
    body::Body,
    routing::{get, post},
};
use futures::executor::block_on;
use highwater::error::{
    AppError, Handler, Problem,
    http::{HandlerLayer, REQUEST_ID},
};
use http::{Method, Request, Response, StatusCode, header};
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
fn an_error_is_answered_with_what_is_public_of_it() {
    let tested = Tested::new();
    let answer = tested.ask(failing(|| {
        AppError::invalid_input("The order is not valid.")
            .with_field("quantity", "has to be at least 1")
            .with_context("user", "SECRET")
    }));
    let problem = problem(&answer, &tested);
    assert_eq!(problem["code"], "invalid_input");
    assert_eq!(problem["errors"][0]["field"], "quantity");
    assert!(!answer.body().contains("SECRET"));
    assert_eq!(tested.drains(), 0, "it is not ours");
}

#[test]
fn the_log_has_the_method_and_the_path_but_not_the_query() {
    let tested = Tested::new();
    tested.ask(failing(|| AppError::timeout("the database")));
    let line = tested.line();
    assert!(line.contains(r#"operation="POST /orders" "#), "{line}");
    assert!(!line.contains("SECRET"), "{line}");
}

#[test]
fn what_is_well_passes_as_it_is() {
    let tested = Tested::new();
    let answer = tested.ask(answering(|request: Request<String>| {
        assert!(request.headers().is_empty());
        let mut answer = Answer::new("all is well".into());
        answer.headers_mut().insert("x-own", "1".parse().unwrap());
        answer
    }));
    // A panic in there would be answered.
    assert_eq!(
        (answer.status().as_u16(), &**answer.body()),
        (200, "all is well")
    );
    assert_eq!(answer.headers().len(), 1, "{answer:?}");
    assert_eq!(answer.headers()["x-own"], "1");
    assert_eq!(tested.lines.lock().unwrap().len(), 0);
}

#[test]
fn each_request_has_an_id_if_it_is_to() {
    let tested = Tested::with(Handler::new(), HandlerLayer::set_request_ids);
    let seen = Arc::new(Mutex::new(None));
    let answer = tested.ask(answering(|request: Request<String>| {
        let id = request.headers().get(REQUEST_ID).cloned();
        *seen.lock().unwrap() = id;
        Answer::default()
    }));
    let seen = seen.lock().unwrap().take();
    assert_eq!(seen.as_ref().unwrap().len(), 32);
    assert_eq!(seen.as_ref(), answer.headers().get(REQUEST_ID));
}

#[test]
fn a_good_id_of_a_client_is_kept_and_a_bad_one_is_not() {
    let ask = |tested: &Tested, id: &[u8]| {
        let request = Request::get("/").header(REQUEST_ID, id).body(String::new());
        let answer = tested.ask_for(failing(|| AppError::not_found("it")), request.unwrap());
        problem(&answer, tested)["id"].as_str().unwrap().to_owned()
    };
    let tested = Tested::new();
    assert_eq!(ask(&tested, b"order-42"), "order-42");
    for bad in [&b""[..], b"a b", b"\xff", b"id=\"fake\"", &[b'x'; 65]] {
        let made = ask(&tested, bad);
        assert_eq!(made.len(), 32, "{made}");
    }
    let own = Tested::with(Handler::new(), HandlerLayer::ignore_client_ids);
    assert_ne!(ask(&own, b"order-42"), "order-42");
}

#[test]
fn a_service_finds_no_id_that_the_log_would_not_have() {
    let ask = |tested: &Tested, ids: &[&str]| {
        let mut request = Request::get("/").body(String::new()).unwrap();
        for id in ids {
            let id = id.parse().unwrap();
            request.headers_mut().append(REQUEST_ID, id);
        }
        let mut seen = Vec::new();
        let answer = tested.ask_for(
            answering(|request: Request<String>| {
                seen.extend(request.headers().get_all(REQUEST_ID).iter().cloned());
                Answer::default()
            }),
            request,
        );
        assert_eq!(answer.status(), 200);
        let sent_back = answer.headers().get_all(REQUEST_ID).iter();
        assert!(sent_back.eq(&seen), "{answer:?}");
        seen
    };
    let tested = Tested::new();
    assert_eq!(ask(&tested, &["order-42"]), ["order-42"]);
    for bad in [&["a b"][..], &["order-42", "order-43"]] {
        assert!(ask(&tested, bad).is_empty(), "{bad:?}");
    }
    let own = Tested::with(Handler::new(), HandlerLayer::ignore_client_ids);
    assert!(ask(&own, &["order-42"]).is_empty());
    let all = Tested::with(Handler::new(), HandlerLayer::set_request_ids);
    let made = ask(&all, &["order-42", "order-43"]);
    assert!(made.len() == 1 && made[0].len() == 32, "{made:?}");
}

#[test]
fn bare_responses_become_problems_and_keep_what_they_say_otherwise() {
    let tested = Tested::new();
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
            let answer = tested.ask(answering(|_| {
                let mut answer = Response::builder()
                    .status(status)
                    .header(header::ALLOW, "GET")
                    .header(header::CONTENT_LENGTH, "6")
                    .header(header::ETAG, "\"secret\"");
                if let Some(content_type) = content_type {
                    answer = answer.header(header::CONTENT_TYPE, content_type);
                }
                answer.body("SECRET".to_owned()).unwrap()
            }));
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["allow"], "GET");
            assert!(!answer.headers().contains_key("content-length"));
            assert!(!answer.headers().contains_key("etag"));
            assert!(!answer.body().contains("SECRET"));
            assert_eq!(problem(&answer, &tested)["code"], code, "{status}");
        }
    }
    assert_eq!(tested.drains(), 0, "that somebody answered 500 is no bug");
}

#[test]
fn replaced_body_loses_the_headers_computed_from_it() {
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
        let tested = Tested::new();
        let answer = tested.ask(answering(move |_| {
            let bare = Response::builder()
                .status(404)
                .header(name, "of the old body");
            let bare = bare.header("x-kept", "yes");
            bare.body("a plain text".to_owned()).unwrap()
        }));
        problem(&answer, &tested);
        assert!(!answer.headers().contains_key(name), "{name}");
        assert_eq!(answer.headers()["x-kept"], "yes");
    }
}

#[test]
fn retry_after_is_at_least_one_second() {
    let millis = Duration::from_millis;
    for (after, sent) in [
        (Duration::ZERO, "1"),
        (Duration::from_nanos(1), "1"),
        (millis(999), "1"),
        (millis(1000), "1"),
        (millis(1001), "2"),
    ] {
        let tested = Tested::new();
        let answer = tested.ask(failing(move || AppError::rate_limited(after)));
        assert_eq!(answer.headers()["retry-after"], sent, "{after:?}");
    }
    for (bare, sent) in [("0", "1"), ("00", "1"), ("7", "7"), ("soon", "soon")] {
        let tested = Tested::new();
        let answer = tested.ask(answering(move |_| {
            let busy = Response::builder().status(503).header("retry-after", bare);
            busy.body(String::new()).unwrap()
        }));
        assert_eq!(answer.headers()["retry-after"], sent, "{bare}");
    }
}

#[test]
fn how_long_it_really_is_is_still_told_to_who_asked_for_what_is_beyond() {
    let tested = Tested::new();
    for (status, is_told) in [(416, true), (404, false)] {
        let answer = tested.ask(answering(|_| {
            let answer = Response::builder()
                .status(status)
                .header(header::CONTENT_RANGE, "bytes */2");
            answer.body(String::new()).unwrap()
        }));
        problem(&answer, &tested);
        assert_eq!(answer.headers().contains_key("content-range"), is_told);
    }
}

#[test]
fn what_somebody_made_for_somebody_is_left_alone() {
    let tested = Tested::new();
    for content_type in ["text/html", "application/json", "application/problem+json"] {
        let request = Request::get("/").header(REQUEST_ID, "order-42");
        let theirs = answering(|_| {
            let answer = Response::builder()
                .status(404)
                .header(header::CONTENT_TYPE, content_type);
            answer.body("theirs".to_owned()).unwrap()
        });
        let answer = tested.ask_for(theirs, request.body(String::new()).unwrap());
        assert_eq!(answer.headers()["content-type"], content_type);
        assert_eq!(answer.body(), "theirs");
        assert_eq!(answer.headers()[REQUEST_ID], "order-42");
    }
    let redirect = tested.ask(answering(|_| {
        let answer = Response::builder().status(303);
        answer.body("elsewhere".to_owned()).unwrap()
    }));
    assert_eq!(redirect.body(), "elsewhere");
    assert!(tested.lines.lock().unwrap().is_empty());
}

#[test]
fn an_error_may_come_in_a_response_through_other_layers() {
    let tested = Tested::new();
    let raised = answering(|_| AppError::rate_limited(Duration::from_millis(1_500)).into());
    let service = ServiceBuilder::new()
        .map_response(|mut response: Answer| {
            response
                .headers_mut()
                .insert("x-layer", "1".parse().unwrap());
            response
        })
        .service(raised);
    let answer = tested.ask(service);
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["x-layer"], "1");
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(problem(&answer, &tested)["retry_after_ms"], 1_500);
    let problem = answer.extensions().get::<Problem>().unwrap();
    assert_eq!(problem.code(), "rate_limited", "for layers further out");
}

#[test]
fn two_layers_are_as_one() {
    let tested = Tested::new();
    let inner = tested.layer.layer(failing(|| AppError::bug("it")));
    let answer = tested.ask(inner);
    assert_eq!(tested.drains(), 1);
    problem(&answer, &tested);
}

#[test]
fn an_outer_layer_leaves_a_problem_its_id() {
    let inner = Tested::with(Handler::new(), HandlerLayer::ignore_client_ids);
    let outer = Tested::new();
    let service = inner.layer.layer(failing(|| AppError::not_found("it")));
    let request = Request::get("/").header(REQUEST_ID, "order-42");
    let answer = outer.ask_for(service, request.body(String::new()).unwrap());
    assert_ne!(problem(&answer, &inner)["id"], "order-42");
}

#[test]
fn a_body_that_is_too_large_is_told_so() {
    let tested = Tested::new();
    // Its body is of a type of its own.
    let service = ServiceBuilder::new()
        .layer(RequestBodyLimitLayer::new(4))
        .service(service_fn(|_| {
            ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        }));
    let request = Request::post("/").header(header::CONTENT_LENGTH, 5);
    let answer = tested.ask_for(service, request.body(Body::from("12345")).unwrap());
    assert_eq!(answer.status(), 413);
    assert_eq!(problem(&answer, &tested)["code"], "too_large");
}

#[test]
fn a_request_that_is_given_up_gives_up_the_service() {
    let tested = Tested::new();
    let held = Arc::new(());
    let service = service_fn(|_| {
        let held = Arc::clone(&held);
        async move {
            pending::<()>().await;
            drop(held);
            Ok::<_, Infallible>(Answer::default())
        }
    });
    {
        let request = Request::get("/").body(String::new()).unwrap();
        let mut answer = pin!(tested.layer.layer(service).oneshot(request));
        let polled = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
    }
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn whatever_axum_refuses_is_a_problem() {
    async fn order(Json(order): Json<Value>) -> Result<String, AppError> {
        let quantity = order["quantity"].as_u64();
        let quantity = quantity.ok_or_else(|| AppError::invalid_input("How many?"))?;
        Ok(quantity.to_string())
    }
    let tested = Tested::new();
    let app = Router::new()
        .route("/orders", post(order))
        .route("/bug", get(async || -> String { panic!("SECRET") }))
        .layer(tested.layer.clone());
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for (method, path, content_type, body, status) in [
        (Method::POST, "/orders", json, r#"{"quantity": 7}"#, 200),
        (Method::POST, "/orders", json, "{}", 400),
        (Method::POST, "/orders", json, "{", 400),
        (Method::POST, "/orders", json, &deep, 400),
        (Method::POST, "/orders", "text/plain", "{}", 415),
        (Method::GET, "/orders", json, "", 405),
        (Method::GET, "/nowhere", json, "", 404),
        (Method::GET, "/bug", json, "", 500),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, content_type);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let Ok(answer) = block_on(app.clone().oneshot(request));
        let (head, body) = answer.into_parts();
        let body = block_on(axum::body::to_bytes(body, usize::MAX)).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(head.status, StatusCode::from_u16(status).unwrap(), "{body}");
        if status != 200 {
            let answer = Response::from_parts(head, body);
            assert!(!answer.body().contains("SECRET"));
            problem(&answer, &tested);
        }
    }
    assert_eq!(tested.drains(), 1);
}

proptest! {
    #![proptest_config(cases(512))]

    /// Whatever an error holds and however it comes, nothing internal is in any
    /// part of the answer.
    #[test]
    fn no_answer_has_what_is_internal(
        status in 400..600_u16,
        texts in prop::collection::vec(".*", 1..6),
        is_bug: bool,
        is_raised: bool,
        id in "[ -~]{0,80}",
    ) {
        let build = || {
            let first = AppError::bug(format!("SECRET{}", texts[0]));
            let error = texts.iter().fold(first, |source, text| {
                let kind = highwater::error::ErrorKind::Failure;
                let odd = highwater::error::Classification::new(kind).with_status(status);
                AppError::new(odd)
                    .with_detail(format!("SECRET{text}"))
                    .with_context("key", format!("SECRET{text}"))
                    .with_source(source)
            });
            if is_bug { AppError::bug("SECRET").with_source(error) } else { error }
        };
        let tested = Tested::new();
        let request = Request::get("/").header(REQUEST_ID, id).body(String::new()).unwrap();
        let answer = if is_raised {
            tested.ask_for(answering(|_| build().into()), request)
        } else {
            tested.ask_for(failing(build), request)
        };
        let whole = format!("{:?} {}", answer.headers(), answer.body());
        prop_assert!(!whole.contains("SECRET"), "{}", whole);
        prop_assert_eq!(tested.drains(), usize::from(is_bug));
        problem(&answer, &tested);
    }
}
