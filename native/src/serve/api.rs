//! The API of the page.

use super::trace_stream::{self, RecordFormat, TraceStream};
use crate::{list, run_thread::RunThread};
use axum::{
    body::Bytes,
    extract::{self, DefaultBodyLimit, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use highwater::{
    error::{AppError, Classification, ErrorKind},
    scenario::{self, Experiment},
};
use highwater_server::Shutdown;
use serde::Deserialize;
use serde_json::{Value, error::Category};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// The maximum number of concurrent runs. Each occupies a thread.
const MAX_RUNS: usize = 4;
const BODY_LIMIT_BYTES: usize = 16 * 1024;

/// State shared by all requests.
#[derive(Debug)]
pub(super) struct ApiState {
    run_permits: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl ApiState {
    /// Creates the state. Runs are aborted when the worker is stopping.
    pub(super) fn new(shutdown: Shutdown) -> Self {
        ApiState {
            run_permits: Arc::new(Semaphore::new(MAX_RUNS)),
            shutdown,
        }
    }
}

/// Returns the size limit for request bodies.
pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_LIMIT_BYTES)
}

/// `GET /api/scenarios`: returns the scenarios and their parameters.
pub(super) async fn scenarios() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, list::catalogue().to_string()).into_response()
}

/// `POST /api/runs`: runs an experiment natively and streams its trace. The run is
/// aborted if the client disconnects.
pub(super) async fn run(
    extract::State(state): extract::State<Arc<ApiState>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, AppError> {
    require_json(&headers)?;
    let body = body.map_err(body_error)?;
    let (experiment, records) = parse_request(&body)?;
    let permit = Arc::clone(&state.run_permits)
        .try_acquire_owned()
        .map_err(|_| {
            busy_error(format!(
                "{MAX_RUNS} runs are already in progress. Try again when one has finished."
            ))
        })?;
    // The permit is held until the thread has exited and the client has received the
    // buffered records, so that slow clients cannot exhaust memory.
    let permit = Arc::new(permit);
    let run_thread = RunThread::start(&experiment, Arc::clone(&permit)).map_err(|cause| {
        busy_error("The run could not be started. Try again later.".to_owned()).with_source(cause)
    })?;
    let stopping = state.shutdown.stopping();
    Ok(trace_stream::respond(TraceStream::new(
        experiment, run_thread, records, permit, stopping,
    )))
}

/// Returns the error for an unknown path under `/api/`.
pub(super) async fn not_found(uri: Uri) -> AppError {
    AppError::not_found(format!(
        "{} does not exist. Available: GET /api/scenarios and POST /api/runs.",
        uri.path()
    ))
}

/// Returns the error for a method that the path does not support.
pub(super) async fn method_not_allowed(uri: Uri) -> AppError {
    AppError::method_not_allowed().with_public_message(format!(
        "{} does not support this method. See the Allow header.",
        uri.path()
    ))
}

/// Returns an error for a server at capacity. Clients can retry after a second.
fn busy_error(message: String) -> AppError {
    let classification = Classification::new(ErrorKind::Unavailable).with_code("busy");
    AppError::new(classification)
        .with_public_message(message)
        .with_retry_after(Duration::from_secs(1))
}

/// Classifies a failure to read the body. A client disconnect is not a bad request.
fn body_error(rejection: BytesRejection) -> AppError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return AppError::too_large(BODY_LIMIT_BYTES as u64);
    }
    let classification = Classification::of(&rejection);
    let is_disconnect =
        classification.is_some_and(|classification| classification.kind() == ErrorKind::ClientGone);
    let error = if is_disconnect {
        AppError::client_gone()
    } else {
        AppError::invalid_input("The request body is incomplete.")
    };
    error.with_source(rejection)
}

/// Rejects requests without a JSON content type. Other sites can make a browser send form
/// data or plain text to this server. Before it sends JSON, the browser sends a preflight
/// request, which this server rejects.
fn require_json(headers: &HeaderMap) -> Result<(), AppError> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(AppError::unsupported_media_type(
        "The request must have the header Content-Type: application/json.",
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Request {
    scenario: String,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    #[serde(default)]
    seed: Option<Value>,
    #[serde(default)]
    records: RecordFormat,
}

/// Parses a request. The error lists all invalid fields.
fn parse_request(body: &[u8]) -> Result<(Experiment, RecordFormat), AppError> {
    let request: Request = serde_json::from_slice(body).map_err(|cause| parse_error(&cause))?;
    let scenario = scenario::find(&request.scenario)
        .map_err(|error| invalid_fields_error(vec![("scenario".to_owned(), error.to_string())]))?;
    let mut experiment = scenario.experiment();
    let mut invalid_fields = Vec::new();
    let seed = request.seed.map(|seed| ("seed".to_owned(), seed));
    for (key, value) in request.params.into_iter().chain(seed) {
        let result = value_text(&value).and_then(|value| {
            let set = experiment.set(&key, &value);
            set.map_err(|error| error.to_string())
        });
        if let Err(detail) = result {
            let is_seed = key == "seed";
            let field = if is_seed {
                key
            } else {
                format!("params.{key}")
            };
            invalid_fields.push((field, detail));
        }
    }
    if invalid_fields.is_empty() {
        return Ok((experiment, request.records));
    }
    Err(invalid_fields_error(invalid_fields))
}

/// Returns a parameter value as text. Strings are accepted because the page's forms and
/// URLs contain numbers as text.
fn value_text(value: &Value) -> Result<String, String> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        _ => Err("it must be a number or a string".to_owned()),
    }
}

/// Classifies a parse error. Its message is public: it describes only the request.
fn parse_error(cause: &serde_json::Error) -> AppError {
    let classification = Classification::new(ErrorKind::InvalidInput);
    let classification = match cause.classify() {
        Category::Data => classification,
        Category::Syntax | Category::Eof | Category::Io => {
            classification.with_code("malformed_json")
        }
    };
    AppError::new(classification).with_public_message(format!(
        "The request must be {{\"scenario\", \"params\", \"seed\", \"records\"}}: {cause}."
    ))
}

fn invalid_fields_error(fields: Vec<(String, String)>) -> AppError {
    let message = match &fields[..] {
        [(_, detail)] => detail.clone(),
        several => format!("{} fields are invalid.", several.len()),
    };
    let error = AppError::invalid_input(message);
    fields.into_iter().fold(error, |error, (field, detail)| {
        error.with_field(field, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_strings_are_accepted() {
        let body = br#"{"scenario": "decoupling", "params": {"users": 3, "interval": "20"}, "seed": "9007199254740991"}"#;
        let (experiment, records) = parse_request(body).unwrap();
        assert_eq!(records, RecordFormat::Json);
        assert_eq!(experiment.params().integer("users"), 3);
        assert_eq!(experiment.params().integer("interval"), 20);
        assert_eq!(experiment.seed(), (1 << 53) - 1);
    }

    #[test]
    fn scheduled_changes_are_valid_parameters() {
        let body = br#"{"scenario": "backpressure", "params": {"write@1500": 100, "read@9": "1"}}"#;
        let (experiment, _) = parse_request(body).unwrap();
        assert_eq!(
            experiment.fragment(),
            "#/backpressure?seed=1&read@9=1&write@1500=100"
        );
        let error = parse_request(br#"{"scenario": "backpressure", "params": {"mark@1500": 1}}"#);
        let error = error.unwrap_err();
        assert_eq!(error.fields()[0].field, "params.mark@1500");
        assert_eq!(
            error.public_message(),
            "mark cannot change while backpressure runs; these can: read, write"
        );
    }

    #[test]
    fn unknown_field_is_rejected() {
        let error = parse_request(br#"{"scenario": "decoupling", "parms": {}}"#).unwrap_err();
        let message = error.public_message();
        assert!(message.contains("unknown field `parms`"), "{message}");
    }

    #[test]
    fn every_invalid_field_is_reported() {
        let body = br#"{"scenario": "decoupling", "params": {"users": 0, "usrs": 1, "interval": []}, "seed": -1}"#;
        let error = parse_request(body).unwrap_err();
        let fields = error.fields().iter().map(|field| &*field.field);
        let fields: Vec<&str> = fields.collect();
        assert_eq!(
            fields,
            ["params.interval", "params.users", "params.usrs", "seed"]
        );
        assert_eq!(error.public_message(), "4 fields are invalid.");
    }

    #[test]
    fn malformed_json_has_its_own_code() {
        let deeply_nested = format!(r#"{{"params": {{"users": {}"#, "[".repeat(10_000));
        for malformed in ["", "{", "not", &deeply_nested] {
            let error = parse_request(malformed.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "malformed_json", "{malformed}");
        }
        let invalid_requests = [
            "[]",
            "{}",
            r#"{"scenario": 7}"#,
            r#"{"scenario": "decoupling", "records": "raw"}"#,
        ];
        for request in invalid_requests {
            let error = parse_request(request.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "invalid_input", "{request}");
            assert!(!error.public_message().contains("struct"), "{error}");
        }
    }
}
