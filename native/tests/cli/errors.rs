//! Error responses of `highwater serve`, and their log entries.

use crate::{
    server::{JSON, Response, Server},
    support::wait_until,
};
use serde_json::{Value, json};

/// Starts a server that logs every problem without sampling.
fn server() -> Server {
    Server::start_with(&["--log-level", "debug"])
}

/// Checks a problem document and its single log entry, and returns the document.
#[track_caller]
fn problem(server: &Server, response: &Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
    let problem = response.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["code"], code);
    assert_eq!(problem["type"], format!("/problems/{code}"));
    assert!(problem["title"].is_string(), "{problem}");
    for internal in [".rs", "highwater", "panicked", "struct", "enum"] {
        assert!(!response.body.contains(internal), "{internal}: {problem}");
    }

    let id = problem["id"].as_str().unwrap();
    assert_eq!(response.header("x-request-id"), Some(id));
    // The server writes the entry before the response, but the test reads it
    // asynchronously.
    wait_until(id, || !server.logged(id).is_empty());
    // A second entry would precede the entry of the next request.
    let next = server.request("GET", "/api/next", &[("x-request-id", "next")], "");
    assert_eq!(next.header("x-request-id"), Some("next"));
    server.wait_for_log("id=next ");
    let lines = server.logged(id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&format!("id={id} ")), "{lines:?}");
    assert!(lines[0].contains(&format!("code={code} ")), "{lines:?}");
    problem
}

#[test]
fn invalid_run_request_returns_problem_details() {
    let server = server();
    let deep = format!(r#"{{"params": {{"users": {}"#, "[".repeat(2_000));
    let long = "x".repeat(17 * 1024);
    for (body, status, code, detail) in [
        (
            r#"{"scenario": "decopling"}"#,
            400,
            "invalid_input",
            "did you mean \"decoupling\"?",
        ),
        (
            r#"{"scenario": "decoupling", "params": {"users": 0}}"#,
            400,
            "invalid_input",
            "users must be 1 to 10000, not \"0\"",
        ),
        (
            r#"{"scenario": "decoupling", "params": {"users": {}}}"#,
            400,
            "invalid_input",
            "it must be a number or a string",
        ),
        (
            r#"{"scenario": "decoupling", "seed": -1}"#,
            400,
            "invalid_input",
            "seed must be 0 to",
        ),
        (
            r#"{"scenario": "decoupling", "sede": 1}"#,
            400,
            "invalid_input",
            "unknown field `sede`",
        ),
        ("[]", 400, "invalid_input", "the request must be"),
        (
            "{",
            400,
            "malformed_json",
            "the request must be {\"scenario\", \"params\", \"seed\", \"records\"}",
        ),
        (&deep, 400, "malformed_json", "recursion limit"),
        (&long, 413, "too_large", "16384 bytes"),
    ] {
        let response = server.run(body);
        let problem = problem(&server, &response, status, code);
        let line = problem["detail"].as_str().unwrap();
        let is_found = line.to_lowercase().contains(&detail.to_lowercase());
        assert!(is_found && !line.contains('\n'), "{line}");
    }
}

#[test]
fn every_invalid_field_is_reported() {
    let server = server();
    let body = r#"{"scenario": "decoupling", "params": {"users": 0, "usrs": 3}, "seed": "x"}"#;
    let problem = problem(&server, &server.run(body), 400, "invalid_input");
    let fields: Vec<&Value> = problem["errors"].as_array().unwrap().iter().collect();
    let names: Vec<&Value> = fields.iter().map(|field| &field["field"]).collect();
    assert_eq!(json!(names), json!(["params.users", "params.usrs", "seed"]));
    assert_eq!(fields[0]["detail"], "users must be 1 to 10000, not \"0\"");
}

#[test]
fn invalid_path_method_or_type_returns_problem_details() {
    let server = server();
    let form = ("Content-Type", "text/plain");
    for (method, path, headers, status, code) in [
        ("GET", "/api/none", &[][..], 404, "not_found"),
        ("GET", "/none.html", &[], 404, "not_found"),
        ("GET", "/api/runs", &[], 405, "method_not_allowed"),
        ("DELETE", "/api/scenarios", &[], 405, "method_not_allowed"),
        ("POST", "/", &[], 405, "method_not_allowed"),
        // A form on another site could send this without a CORS preflight request.
        ("POST", "/api/runs", &[form], 415, "unsupported_media_type"),
        // The route requires --faults.
        ("POST", "/api/faults/bug", &[JSON], 404, "not_found"),
    ] {
        let response = server.request(method, path, headers, "{}");
        problem(&server, &response, status, code);
        assert_eq!(response.header("allow").is_some(), status == 405, "{path}");
    }
}

#[test]
fn browsers_get_text_and_other_clients_get_json() {
    let server = server();
    let browser = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let text = server.request("GET", "/none", &[browser], "");
    assert_eq!(text.status, 404);
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(text.header("vary"), Some("accept"));
    assert!(
        text.body
            .starts_with("/none does not exist. The page is at /.\n")
    );
    let id = text.header("x-request-id").unwrap();
    assert!(text.body.contains(id), "{text:?}");
    wait_until("the log entry", || server.logged(id).len() == 1);

    let json = server.request("GET", "/none", &[("Accept", "*/*")], "");
    problem(&server, &json, 404, "not_found");
    let api = server.request("GET", "/api/none", &[browser], "");
    problem(&server, &api, 404, "not_found");
}

#[test]
fn valid_client_request_id_is_preserved() {
    let server = server();
    let id_for = |id| {
        let response = server.request("GET", "/api/none", &[("X-Request-Id", id)], "");
        response.json()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id_for("order-42"), "order-42");
    assert_ne!(id_for("order 42"), "order 42");
    let healthy = server.request("GET", "/healthz", &[("X-Request-Id", "well-formed")], "");
    assert_eq!(healthy.header("x-request-id"), Some("well-formed"));
}

#[test]
fn problem_types_are_documented_at_their_uri() {
    let server = server();
    let list = server.request("GET", "/problems/", &[], "");
    let types: Vec<&str> = list.body.lines().filter(|it| it.starts_with('/')).collect();
    assert!(types.len() >= 10, "{list:?}");
    for uri in types {
        let page = server.request("GET", uri, &[], "");
        assert_eq!(page.status, 200);
        let code = uri.rsplit('/').next().unwrap();
        assert!(page.body.starts_with(code), "{page:?}");
    }
    for response in [
        server.request("GET", "/api/none", &[], ""),
        server.request("GET", "/api/runs", &[], ""),
        server.run("{"),
        server.run("[]"),
    ] {
        let problem = response.json();
        let uri = problem["type"].as_str().unwrap();
        let page = server.request("GET", uri, &[], "");
        assert_eq!(page.status, 200, "{uri}");
    }
    let unknown = server.request("GET", "/problems/none", &[], "");
    problem(&server, &unknown, 404, "not_found");
}
