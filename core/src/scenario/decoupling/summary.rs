//! What the checks ask of a trace.

use super::{LOYALTY, SESSION, USER_SERVICE};
use crate::trace::{Event, NameId, Phase, RecordKind, Trace};
use std::collections::BTreeMap;

/// Gathered in one pass over the trace.
pub(super) struct DecouplingSummary {
    pub(super) is_direct: bool,
    /// Whether a full inbox may lose what it is handed.
    inboxes_lose: bool,
    /// The services that were there before `UserService`: under `direct`, the
    /// line in which it calls them. Those it never got round to count too.
    pub(super) call_order: Vec<NameId>,
    /// Whom `UserService` depends on, or passed anything to all the same.
    pub(super) dependencies: Vec<NameId>,
    /// Where in the trace the service that is added started.
    pub(super) loyalty_started: Option<usize>,
    spans: BTreeMap<(RecordKind, NameId, u64), UserSpan>,
    /// When each listener subscribed.
    subscribed: Vec<(NameId, usize)>,
    user_service: Option<NameId>,
}

/// What took place for one user, by the places of its records in the trace.
#[derive(Clone, Copy)]
pub(super) struct UserSpan {
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) failed: bool,
    is_over: bool,
}

impl DecouplingSummary {
    pub(super) fn of(trace: &Trace) -> Self {
        let mut summary = DecouplingSummary {
            is_direct: trace.param("design") == "direct",
            inboxes_lose: trace.param("listeners") == "async" && trace.param("overflow") != "wait",
            call_order: Vec::new(),
            dependencies: Vec::new(),
            loyalty_started: None,
            spans: BTreeMap::new(),
            subscribed: Vec::new(),
            user_service: trace.id(USER_SERVICE),
        };
        let loyalty = trace.id(LOYALTY);
        // Left behind by a bug: it is called, and does nothing.
        let session = trace.id(SESSION);
        let mut user_service_started = false;
        for (index, event) in trace.events.iter().enumerate() {
            summary.add_span(index, event);
            let source = event.source;
            let is_user_service = Some(source) == summary.user_service;
            match event.kind {
                RecordKind::Start => {
                    if Some(source) == loyalty {
                        summary.loyalty_started = Some(index);
                    }
                    user_service_started |= is_user_service;
                    if !user_service_started {
                        summary.call_order.push(source);
                    }
                }
                // A service that listens to two types of event counts once.
                RecordKind::Subscribe if Some(source) != session && !summary.listens(source) => {
                    summary.subscribed.push((source, index));
                }
                _ => {}
            }
            if let Some(target) = event.target
                && is_user_service
                && !summary.dependencies.contains(&target)
            {
                summary.dependencies.push(target);
            }
        }
        summary
    }

    /// Answered requests, by user.
    pub(super) fn requests(&self) -> impl Iterator<Item = (u64, UserSpan)> + '_ {
        self.spans
            .iter()
            .filter(|((kind, ..), span)| *kind == RecordKind::Request && span.is_over)
            .map(|((.., user), span)| (*user, *span))
    }

    /// Which service failed for which user; by service, then by user.
    pub(super) fn failures(&self) -> impl Iterator<Item = (NameId, u64)> + '_ {
        self.spans
            .iter()
            .filter(|((kind, ..), span)| *kind == RecordKind::Handle && span.failed)
            .map(|((_, service, user), _)| (*service, *user))
    }

    /// The finished work of a service for a user, ended well or not.
    pub(super) fn handled(&self, service: NameId, user: u64) -> Option<UserSpan> {
        let span = self.spans.get(&(RecordKind::Handle, service, user))?;
        span.is_over.then_some(*span)
    }

    fn listens(&self, service: NameId) -> bool {
        self.subscribed
            .iter()
            .any(|(dependencies, _)| *dependencies == service)
    }

    /// Who listens, and since which place in the trace.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (NameId, usize)> + '_ {
        self.subscribed.iter().copied()
    }

    /// Whether a service had its chance: it handled the sign-up, or the bus
    /// handed it over and its inbox was full.
    pub(super) fn was_reached(&self, service: NameId, user: u64) -> bool {
        let delivered = self
            .spans
            .contains_key(&(RecordKind::Deliver, service, user));
        self.handled(service, user).is_some() || (self.inboxes_lose && delivered)
    }

    /// Who listened when the user was announced, other than `but`.
    pub(super) fn subscribed_before(&self, user: u64, but: NameId) -> Vec<NameId> {
        let emitted = self
            .user_service
            .and_then(|source| self.spans.get(&(RecordKind::Emit, source, user)))
            .map_or(0, |emit| emit.begin);
        self.subscribed
            .iter()
            .filter(|(listener, at)| *listener != but && *at < emitted)
            .map(|(listener, _)| *listener)
            .collect()
    }

    fn add_span(&mut self, index: usize, event: &Event) {
        // A delivery is the listener's: the bus has one to each for a user.
        let who = match event.kind {
            RecordKind::Deliver => event.target.unwrap_or(event.source),
            _ => event.source,
        };
        let key = (event.kind, who, event.subject);
        let is_over = event.phase != Phase::Begin;
        let begin = match (event.phase, self.spans.get(&key)) {
            (Phase::End, Some(span)) => span.begin,
            _ => index,
        };
        let span = UserSpan {
            begin,
            end: index,
            failed: event.failure.is_some(),
            is_over,
        };
        self.spans.insert(key, span);
    }
}
