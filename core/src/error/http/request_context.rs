//! The context of a request.

use super::REQUEST_ID;
use crate::{
    error::{AppError, CorrelationId, Decision, Handler, IdGenerator, Incident, Problem, TraceId},
    panics::catch_panic,
    sync::Arc,
};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, uri::PathAndQuery};
use std::{any::Any, fmt};

/// The state that all requests through a layer share.
#[derive(Clone)]
pub(super) struct LayerContext {
    pub(super) handler: Arc<Handler>,
    pub(super) ids: Arc<IdGenerator>,
    pub(super) accepts_client_ids: bool,
    pub(super) sets_request_ids: bool,
    pub(super) on_drain: Option<Arc<Hook>>,
    pub(super) on_crash: Option<Arc<Hook>>,
    pub(super) locate_panic: Option<Arc<LocatePanic>>,
    pub(super) trace_id: Option<Arc<FindTraceId>>,
}

type Hook = dyn Fn() + Send + Sync;
type LocatePanic = dyn Fn() -> Option<String> + Send + Sync;
type FindTraceId = dyn Fn(&Extensions) -> Option<TraceId> + Send + Sync;

/// The request data that is retained until the response has been sent. Successful
/// requests allocate nothing for it.
pub(super) struct RequestContext {
    /// The value of the header: the client's valid id, or a generated one. `None`
    /// until an id is needed.
    id: Option<HeaderValue>,
    trace_id: Option<TraceId>,
    method: Method,
    target: Option<PathAndQuery>,
    shared: Arc<LayerContext>,
}

impl LayerContext {
    /// Converts a panic to a bug, with its location if known.
    #[track_caller]
    pub(super) fn bug(&self, panic: &(dyn Any + Send)) -> AppError {
        let bug = AppError::from_panic(panic);
        let locate = self.locate_panic.as_ref();
        match locate.and_then(|locate| catch_panic(|| locate()).ok()?) {
            Some(location) => bug.with_context("panicked_at", location),
            None => bug,
        }
    }

    /// Determines the id of a request and updates its header.
    fn identify(&self, headers: &mut HeaderMap) -> Option<HeaderValue> {
        if self.accepts_client_ids {
            let mut client_ids = headers.get_all(REQUEST_ID).iter();
            // With two headers, programs could disagree on which one applies.
            if let (Some(id), None) = (client_ids.next(), client_ids.next())
                && CorrelationId::parse(id).is_ok()
            {
                return Some(id.clone());
            }
        }
        if self.sets_request_ids {
            let generated = id_header_value(&self.ids.generate());
            headers.insert(REQUEST_ID, generated.clone());
            return Some(generated);
        }
        headers.remove(REQUEST_ID);
        None
    }
}

impl RequestContext {
    pub(super) fn new<Q>(request: &mut Request<Q>, shared: &Arc<LayerContext>) -> Self {
        let has_or_needs_id = shared.sets_request_ids || request.headers().contains_key(REQUEST_ID);
        let id = has_or_needs_id.then(|| shared.identify(request.headers_mut()));
        let find_trace_id = shared.trace_id.as_ref();
        let find_trace_id = |extensions| {
            let find = find_trace_id?;
            catch_panic(|| find(extensions)).ok()?
        };
        RequestContext {
            id: id.flatten(),
            trace_id: find_trace_id(request.extensions()),
            method: request.method().clone(),
            target: request.uri().path_and_query().cloned(),
            shared: Arc::clone(shared),
        }
    }

    /// Returns the id, if the request already has one.
    pub(super) fn known_id(&self) -> Option<&HeaderValue> {
        self.id.as_ref()
    }

    /// Handles an error and calls the drain or crash hook if needed. Returns the
    /// problem for the client.
    pub(super) fn handle(&mut self, error: &AppError) -> Problem {
        let (id, operation) = (self.id(), self.operation());
        let incident = Incident::new(id, &operation).trace_id(self.trace_id);
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
                // The hook returned instead of exiting.
                handler.problem(error, &incident)
            }
            // This layer never retries.
            Decision::Retry(_) => handler.problem(error, &incident),
        }
    }

    /// Handles a panic that no longer affects the response.
    pub(super) fn handle_panic(&mut self, panic: &(dyn Any + Send)) {
        let bug = self.shared.bug(panic);
        let _unsent_problem = self.handle(&bug);
    }

    /// Converts a panic to a bug.
    #[track_caller]
    pub(super) fn bug(&self, panic: &(dyn Any + Send)) -> AppError {
        self.shared.bug(panic)
    }

    /// Returns the id, generating it on first use.
    fn id(&mut self) -> CorrelationId {
        let known = self.id.as_ref();
        if let Some(known) = known.and_then(|id| CorrelationId::parse(id).ok()) {
            return known;
        }
        let generated = self.shared.ids.generate();
        self.id = Some(id_header_value(&generated));
        generated
    }

    /// Returns the method and path, without the query, which may contain private
    /// data.
    fn operation(&self) -> String {
        let path = self.target.as_ref().map_or("", PathAndQuery::path);
        format!("{} {path}", self.method)
    }

    /// Calls a hook. A panic in it is handled as another bug.
    fn call(&self, hook: Option<&Hook>, incident: &Incident<'_>) {
        if let Some(Err(panic)) = hook.map(catch_panic) {
            let bug = self.shared.bug(&*panic);
            let _decision = self.shared.handler.handle(&bug, incident);
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

fn id_header_value(id: &CorrelationId) -> HeaderValue {
    // All characters of an id are valid in a header.
    HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static(""))
}
