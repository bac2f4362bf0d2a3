//! A request under way.

use super::REQUEST_ID;
use crate::{
    error::{AppError, CorrelationId, Decision, Handler, Ids, Incident, Problem, text::guarded},
    sync::Arc,
};
use http::{HeaderMap, HeaderValue, Method, Request, uri::PathAndQuery};
use std::{any::Any, fmt};

/// What all requests through a layer have in common.
#[derive(Clone)]
pub(super) struct LayerContext {
    pub(super) handler: Arc<Handler>,
    pub(super) ids: Arc<Ids>,
    pub(super) accepts_client_ids: bool,
    pub(super) sets_request_ids: bool,
    pub(super) on_drain: Option<Arc<Hook>>,
    pub(super) on_crash: Option<Arc<Hook>>,
    pub(super) locate_panic: Option<Arc<Locate>>,
}

type Hook = dyn Fn() + Send + Sync;
type Locate = dyn Fn() -> Option<String> + Send + Sync;

/// What is kept of a request until its answer was sent. All of it is only counted
/// up and moved: while all is well nothing is made.
pub(super) struct RequestContext {
    /// As it is in the headers: the client's if it is a good one, or our own. If
    /// there is none it is made when it is needed.
    id: Option<HeaderValue>,
    method: Method,
    target: Option<PathAndQuery>,
    shared: Arc<LayerContext>,
}

impl LayerContext {
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

    /// The id that a request has, which is the one in its header from here on.
    fn identify(&self, headers: &mut HeaderMap) -> Option<HeaderValue> {
        if self.accepts_client_ids {
            let mut sent = headers.get_all(REQUEST_ID).iter();
            // Of two, some would take the first, others the last.
            if let (Some(id), None) = (sent.next(), sent.next())
                && CorrelationId::parse(id).is_ok()
            {
                return Some(id.clone());
            }
        }
        if self.sets_request_ids {
            let own = header_of(&self.ids.make());
            headers.insert(REQUEST_ID, own.clone());
            return Some(own);
        }
        headers.remove(REQUEST_ID);
        None
    }
}

impl RequestContext {
    pub(super) fn new<Q>(request: &mut Request<Q>, shared: &Arc<LayerContext>) -> Self {
        let is_named = shared.sets_request_ids || request.headers().contains_key(REQUEST_ID);
        let id = is_named.then(|| shared.identify(request.headers_mut()));
        RequestContext {
            id: id.flatten(),
            method: request.method().clone(),
            target: request.uri().path_and_query().cloned(),
            shared: Arc::clone(shared),
        }
    }

    /// The id, if there is one yet.
    pub(super) fn known_id(&self) -> Option<&HeaderValue> {
        self.id.as_ref()
    }

    /// Has an error handled, and does what is to be done about the process. The
    /// problem is for the client, if it can still be answered.
    pub(super) fn handle(&mut self, error: &AppError) -> Problem {
        let (id, operation) = (self.id(), self.operation());
        let incident = Incident::new(id, &operation);
        let LayerContext {
            handler,
            on_drain,
            on_crash,
            ..
        } = &*self.shared;
        match handler.handle(error, &incident) {
            Decision::Respond(problem) => problem,
            Decision::Drain(problem) => {
                self.call(on_drain.as_deref(), &incident);
                problem
            }
            Decision::Crash => {
                match on_crash.as_deref() {
                    Some(crash) => self.call(Some(crash), &incident),
                    None => std::process::abort(),
                }
                // It has not crashed.
                handler.problem(error, &incident)
            }
            // Nothing is retried here.
            Decision::Retry(_) => handler.problem(error, &incident),
        }
    }

    /// Has a panic handled that changes nothing for the client any more.
    pub(super) fn handle_panic(&mut self, panic: &(dyn Any + Send)) {
        let bug = self.shared.bug(panic);
        let _too_late = self.handle(&bug);
    }

    /// What a panic is to it.
    #[track_caller]
    pub(super) fn bug(&self, panic: &(dyn Any + Send)) -> AppError {
        self.shared.bug(panic)
    }

    /// The same, however often it is request_context.
    fn id(&mut self) -> CorrelationId {
        let known = self.id.as_ref();
        if let Some(known) = known.and_then(|id| CorrelationId::parse(id).ok()) {
            return known;
        }
        let made = self.shared.ids.make();
        self.id = Some(header_of(&made));
        made
    }

    /// Without the query, which may have what is nobody's business.
    fn operation(&self) -> String {
        let path = self.target.as_ref().map_or("", PathAndQuery::path);
        format!("{} {path}", self.method)
    }

    /// Calls a hook. If that panics, there is one more bug to be told of.
    fn call(&self, hook: Option<&Hook>, incident: &Incident<'_>) {
        if let Some(Err(panic)) = hook.map(guarded) {
            let bug = self.shared.bug(&*panic);
            let _known = self.shared.handler.handle(&bug, incident);
        }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

fn header_of(id: &CorrelationId) -> HeaderValue {
    // An id has only characters that a header may have.
    HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static(""))
}
