//! What the page asks for.

use super::{problem::Problem, stream};
use crate::{list, running::Running};
use axum::{
    body::Bytes,
    extract::{self, DefaultBodyLimit, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use highwater::scenario::{self, Experiment};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, sync::Arc};
use tokio::sync::{Semaphore, watch};

/// Each run holds a thread, and blocks it now and then.
const RUNS_AT_ONCE: usize = 4;
const BODY_LIMIT_BYTES: usize = 16 * 1024;

/// What requests share.
#[derive(Debug)]
pub(super) struct State {
    places: Arc<Semaphore>,
    end: watch::Receiver<bool>,
}

impl State {
    /// `end` turns true when the server is asked to end.
    pub(super) fn new(end: watch::Receiver<bool>) -> Self {
        State {
            places: Arc::new(Semaphore::new(RUNS_AT_ONCE)),
            end,
        }
    }
}

/// Completes when the server is asked to end.
pub(super) async fn ended(mut end: watch::Receiver<bool>) {
    // An error means that who asks is gone, which is the end as well.
    let _ = end.wait_for(|ended| *ended).await;
}

/// More than this is not read.
pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_LIMIT_BYTES)
}

/// `GET /api/scenarios`: what can be run.
pub(super) async fn scenarios() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, list::catalog().to_string()).into_response()
}

/// `POST /api/runs`: runs an experiment natively and answers with its trace
/// while that is made. The answer is the run: whoever hangs up ends it.
pub(super) async fn run(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    require_json(&headers)?;
    let body = body.map_err(|rejection| match rejection.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            status,
            format!("a request has at most {BODY_LIMIT_BYTES} bytes"),
        ),
        status => Problem::new(status, rejection.body_text()),
    })?;
    let experiment = read(&body)?;
    let place = Arc::clone(&state.places).try_acquire_owned().map_err(|_| {
        let detail = format!("{RUNS_AT_ONCE} runs are in progress: try again when one has ended");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    })?;
    // The thread gives the place back when it really ends.
    let running = Running::start(&experiment, place).map_err(|cause| {
        let detail = format!("no thread for the run: {cause}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    })?;
    Ok(stream::answer(
        experiment,
        running,
        ended(state.end.clone()),
    ))
}

/// A page elsewhere can make a browser send a form or plain text here, but
/// for JSON the browser asks us first, and we do not agree.
fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the request has to say Content-Type: application/json",
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    scenario: String,
    #[serde(default)]
    params: BTreeMap<String, Scalar>,
    #[serde(default)]
    seed: Option<Scalar>,
}

/// A number may come as a number or as its digits, as the page's forms and
/// addresses have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(serde_json::Number),
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Number(number) => number.fmt(f),
            Scalar::Text(text) => text.fmt(f),
        }
    }
}

fn read(body: &[u8]) -> Result<Experiment, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let request: Request = serde_json::from_slice(body).map_err(|cause| {
        bad(format!(
            "the request is {{\"scenario\", \"params\", \"seed\"}}: {cause}"
        ))
    })?;
    let scenario = scenario::find(&request.scenario).map_err(|error| bad(error.to_string()))?;
    let mut experiment = scenario.experiment();
    let seed = request.seed.iter().map(|seed| ("seed", seed));
    let params = request
        .params
        .iter()
        .map(|(key, value)| (key.as_str(), value));
    for (key, value) in params.chain(seed) {
        experiment
            .set(key, &value.to_string())
            .map_err(|error| bad(error.to_string()))?;
    }
    Ok(experiment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_come_as_texts() {
        let body = br#"{"scenario": "decoupling", "params": {"users": 3, "interval": "20"}, "seed": "9007199254740991"}"#;
        let experiment = read(body).unwrap();
        assert_eq!(experiment.params().integer("users"), 3);
        assert_eq!(experiment.params().integer("interval"), 20);
        assert_eq!(experiment.seed(), (1 << 53) - 1);
    }

    #[test]
    fn a_misspelt_field_is_an_error() {
        let problem = read(br#"{"scenario": "decoupling", "parms": {}}"#).unwrap_err();
        let problem = format!("{problem:?}");
        assert!(problem.contains("unknown field `parms`"), "{problem}");
    }
}
