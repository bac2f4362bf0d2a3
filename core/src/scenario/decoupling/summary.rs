//! A trace summary for the checks.

use super::names::{LOYALTY, SESSION, USER_SERVICE};
use crate::trace::{Event, NameId, Phase, RecordKind, Trace};
use std::collections::BTreeMap;

/// A summary of a trace, collected in one pass.
pub(super) struct DecouplingSummary {
    pub(super) is_direct: bool,
    /// `true` if a full inbox may lose events.
    inboxes_can_lose: bool,
    /// The services started before `UserService`, including any that it never called.
    /// With `direct`, it calls them in this order.
    pub(super) call_order: Vec<NameId>,
    /// The targets of all records by `UserService`: declared dependencies and calls.
    pub(super) dependencies: Vec<NameId>,
    /// Trace index at which the added service started.
    pub(super) loyalty_started: Option<usize>,
    spans: BTreeMap<(RecordKind, NameId, u64), UserSpan>,
    /// Each listener and the trace index of its subscription.
    subscribed: Vec<(NameId, usize)>,
    user_service: Option<NameId>,
}

/// A span for one user, with the trace indices of its records.
#[derive(Clone, Copy)]
pub(super) struct UserSpan {
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) has_failed: bool,
    is_finished: bool,
}

impl DecouplingSummary {
    pub(super) fn of(trace: &Trace) -> Self {
        let mut summary = DecouplingSummary {
            is_direct: trace.param("design") == "direct",
            inboxes_can_lose: trace.param("listeners") == "async"
                && trace.param("overflow") != "wait",
            call_order: Vec::new(),
            dependencies: Vec::new(),
            loyalty_started: None,
            spans: BTreeMap::new(),
            subscribed: Vec::new(),
            user_service: trace.id(USER_SERVICE),
        };
        let loyalty = trace.id(LOYALTY);
        // A leaked listener: it is called and does nothing.
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
                // A service that listens to two event types is counted once.
                RecordKind::Subscribe
                    if Some(source) != session && !summary.is_listening(source) =>
                {
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

    /// Returns the answered requests, ordered by user.
    pub(super) fn requests(&self) -> impl Iterator<Item = (u64, UserSpan)> + '_ {
        self.spans
            .iter()
            .filter(|((kind, ..), span)| *kind == RecordKind::Request && span.is_finished)
            .map(|((.., user), span)| (*user, *span))
    }

    /// Returns the service and user of each failure, ordered by both.
    pub(super) fn failures(&self) -> impl Iterator<Item = (NameId, u64)> + '_ {
        self.spans
            .iter()
            .filter(|((kind, ..), span)| *kind == RecordKind::Handle && span.has_failed)
            .map(|((_, service, user), _)| (*service, *user))
    }

    /// Returns the finished span of a service for a user, successful or not.
    pub(super) fn handled(&self, service: NameId, user: u64) -> Option<UserSpan> {
        let span = self.spans.get(&(RecordKind::Handle, service, user))?;
        span.is_finished.then_some(*span)
    }

    /// Returns the trace index of the last delivery to a listener for a user.
    pub(super) fn last_delivery(&self, listener: NameId, user: u64) -> Option<usize> {
        let delivery = self.spans.get(&(RecordKind::Deliver, listener, user))?;
        Some(delivery.end)
    }

    fn is_listening(&self, service: NameId) -> bool {
        self.subscribed
            .iter()
            .any(|(dependencies, _)| *dependencies == service)
    }

    /// Returns each listener and the trace index of its subscription.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (NameId, usize)> + '_ {
        self.subscribed.iter().copied()
    }

    /// Returns `true` if the sign-up reached the service: it was handled, or it was
    /// delivered to an inbox that may lose events.
    pub(super) fn was_reached(&self, service: NameId, user: u64) -> bool {
        let delivered = self
            .spans
            .contains_key(&(RecordKind::Deliver, service, user));
        self.handled(service, user).is_some() || (self.inboxes_can_lose && delivered)
    }

    /// Returns the listeners subscribed at the emit for `user`, without `except`.
    pub(super) fn subscribed_before(&self, user: u64, except: NameId) -> Vec<NameId> {
        let emit_index = self
            .user_service
            .and_then(|source| self.spans.get(&(RecordKind::Emit, source, user)))
            .map_or(0, |emit| emit.begin);
        self.subscribed
            .iter()
            .filter(|(listener, at)| *listener != except && *at < emit_index)
            .map(|(listener, _)| *listener)
            .collect()
    }

    fn add_span(&mut self, index: usize, event: &Event) {
        // Deliveries are keyed by listener, since the bus makes one per listener and
        // user.
        let owner = match event.kind {
            RecordKind::Deliver => event.target.unwrap_or(event.source),
            _ => event.source,
        };
        let key = (event.kind, owner, event.subject);
        let is_finished = event.phase != Phase::Begin;
        let begin = match (event.phase, self.spans.get(&key)) {
            (Phase::End, Some(span)) => span.begin,
            _ => index,
        };
        let span = UserSpan {
            begin,
            end: index,
            has_failed: event.failure.is_some(),
            is_finished,
        };
        self.spans.insert(key, span);
    }
}
