//! What the client gets.

use super::{REQUEST_ID, bare};
use crate::{
    error::{AppError, CorrelationId, Decision, Handler, Ids, Incident, Problem, text::guarded},
    sync::Arc,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, response};
use std::any::Any;

/// What all requests through a layer have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) handler: Arc<Handler>,
    pub(super) ids: Arc<Ids>,
    pub(super) are_clients_ids_taken: bool,
    pub(super) are_all_named: bool,
    pub(super) on_drain: Option<Arc<Hook>>,
    pub(super) on_crash: Option<Arc<Hook>>,
    pub(super) locate_panic: Option<Arc<Locate>>,
}

type Hook = dyn Fn() + Send + Sync;
type Locate = dyn Fn() -> Option<String> + Send + Sync;

/// What is kept of a request, which costs as good as nothing to keep.
#[derive(Debug)]
pub(super) struct Asked {
    /// As it goes into the response: the client's if it is a good one, or our own.
    /// If there is none it is made when it is needed.
    id: Option<HeaderValue>,
    method: Method,
    uri: Uri,
}

impl Asked {
    /// Gives a request an id, unless it has one.
    pub(super) fn identify<Q>(request: &mut Request<Q>, shared: &Shared) -> Self {
        let sent = request.headers().get(REQUEST_ID);
        let sent = sent.filter(|_| shared.are_clients_ids_taken);
        let good = sent.filter(|value| CorrelationId::parse(value).is_ok());
        let mut id = good.cloned();
        if id.is_none() && shared.are_all_named {
            let own = header_of(&shared.ids.make());
            request.headers_mut().insert(REQUEST_ID, own.clone());
            id = Some(own);
        }
        Asked {
            id,
            method: request.method().clone(),
            uri: request.uri().clone(),
        }
    }

    fn id(&self, shared: &Shared) -> CorrelationId {
        let known = self.id.as_ref();
        let known = known.and_then(|id| CorrelationId::parse(id).ok());
        known.unwrap_or_else(|| shared.ids.make())
    }

    /// Without the query, which may have what is nobody's business.
    fn operation(&self) -> String {
        format!("{} {}", self.method, self.uri.path())
    }
}

impl Shared {
    /// What a panic is to a request.
    #[track_caller]
    pub(super) fn bug(&self, panic: &(dyn Any + Send)) -> AppError {
        let bug = AppError::from_panic(panic);
        let place = self.locate_panic.as_ref();
        match place.and_then(|locate| guarded(|| locate()).ok()?) {
            Some(place) => bug.with_context("panicked_at", place),
            None => bug,
        }
    }

    /// Lets a response through; what it has of an error is handled.
    pub(super) fn pass<B: From<String>>(
        &self,
        mut response: Response<B>,
        asked: &Asked,
    ) -> Response<B> {
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            let raised = response.extensions_mut().remove::<Arc<AppError>>();
            let error = raised.or_else(|| bare::error(&response).map(Arc::new));
            if let Some(error) = error {
                let (head, _bare) = response.into_parts();
                return self.answer(error, asked, Some(head));
            }
        }
        if let Some(id) = &asked.id {
            response.headers_mut().insert(REQUEST_ID, id.clone());
        }
        response
    }

    /// An answer to an error, in place of a response that told of it if there is
    /// one. Whatever the error does while it is looked at and dropped, there is
    /// an answer.
    pub(super) fn answer<B: From<String>>(
        &self,
        error: Arc<AppError>,
        asked: &Asked,
        head: Option<response::Parts>,
    ) -> Response<B> {
        let handled = guarded(|| {
            let answer = self.handle(&error, asked, head);
            drop(error);
            answer
        });
        handled.unwrap_or_else(|panic| {
            let bug = self.bug(&*panic);
            self.handle(&bug, asked, None)
        })
    }

    fn handle<B: From<String>>(
        &self,
        error: &AppError,
        asked: &Asked,
        head: Option<response::Parts>,
    ) -> Response<B> {
        let operation = asked.operation();
        let id = asked.id(self);
        let incident = Incident::new(id, &operation);
        let decision = self.handler.handle(error, &incident);
        match decision {
            Decision::Respond(_) | Decision::Retry(_) => {}
            Decision::Drain(_) => self.call(self.on_drain.as_deref(), &incident),
            Decision::Crash => match self.on_crash.as_deref() {
                Some(crash) => self.call(Some(crash), &incident),
                None => std::process::abort(),
            },
        }
        let problem = match decision {
            Decision::Respond(problem) | Decision::Drain(problem) => problem,
            // Nothing is retried here, and nothing has crashed.
            Decision::Retry(_) | Decision::Crash => Problem::new(error, &id),
        };
        let head = head.unwrap_or_else(|| Response::new(()).into_parts().0);
        render(problem, head)
    }

    /// Calls a hook. If that panics, there is one more bug to be told of.
    fn call(&self, hook: Option<&Hook>, incident: &Incident<'_>) {
        if let Some(Err(panic)) = hook.map(guarded) {
            let bug = self.bug(&*panic);
            let _known = self.handler.handle(&bug, incident);
        }
    }
}

fn render<B: From<String>>(problem: Problem, mut head: response::Parts) -> Response<B> {
    let body = problem.to_json();
    head.status =
        StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    forget_body(&mut head.headers);
    let content_type = HeaderValue::from_static(Problem::CONTENT_TYPE);
    head.headers.insert(header::CONTENT_TYPE, content_type);
    let id = header_of(problem.id());
    head.headers.insert(REQUEST_ID, id);
    if let Some(seconds) = problem.retry_after_seconds() {
        head.headers.insert(header::RETRY_AFTER, seconds.into());
    }
    head.extensions.insert(problem);
    Response::from_parts(head, B::from(body))
}

/// What a response says of a body that it does not have any more. The rest stays:
/// which methods there are, how to authenticate, who may read it.
fn forget_body(headers: &mut HeaderMap) {
    for name in [
        header::ACCEPT_RANGES,
        header::CONTENT_DISPOSITION,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::ETAG,
        header::LAST_MODIFIED,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
}

fn header_of(id: &CorrelationId) -> HeaderValue {
    // An id has only characters that a header may have.
    HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static(""))
}
