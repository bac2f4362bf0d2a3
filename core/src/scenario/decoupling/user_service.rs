//! The service that registers users, in both designs.

use super::{
    names::{EVENT_BUS, SESSION, USER_SERVICE},
    service::{DownstreamService, Unavailable},
};
use crate::{
    events::Bus,
    scenario::Context,
    trace::{NameId, RecordKind, Recorder},
};
use std::time::Duration;

/// The event emitted for each sign-up.
#[derive(Clone, Copy)]
pub(super) struct UserRegistered {
    pub(super) user: u64,
}

/// The event emitted for each mail sent.
#[derive(Clone, Copy)]
pub(super) struct MailSent {
    pub(super) user: u64,
}

/// Registers users and notifies the other services.
pub(super) struct UserService {
    id: NameId,
    trace: Recorder,
    design: SignUpDesign,
    /// `true` if it waits for inbox space. It never waits for asynchronous listeners to
    /// finish.
    awaits_listeners: bool,
}

enum SignUpDesign {
    /// Calls every service.
    Direct(Box<DirectServices>),
    /// Emits events on the bus.
    Events {
        bus: Bus,
        bus_id: NameId,
        /// Number of sign-ups that leak a listener.
        leak_count: u64,
    },
}

/// The services that `UserService` calls.
struct DirectServices {
    email: DownstreamService,
    audit: DownstreamService,
    metrics: DownstreamService,
}

impl SignUpDesign {
    fn dependencies(&self) -> Vec<NameId> {
        match self {
            SignUpDesign::Direct(services) => {
                services.in_call_order().map(DownstreamService::id).into()
            }
            SignUpDesign::Events { bus_id, .. } => vec![*bus_id],
        }
    }
}

impl DirectServices {
    /// Returns the services in call order.
    fn in_call_order(&self) -> [&DownstreamService; 3] {
        [&self.email, &self.audit, &self.metrics]
    }
}

impl UserService {
    pub(super) fn with_direct_calls(
        context: &Context,
        email: DownstreamService,
        audit: DownstreamService,
        metrics: DownstreamService,
    ) -> Self {
        let services = DirectServices {
            email,
            audit,
            metrics,
        };
        UserService::start(context, SignUpDesign::Direct(Box::new(services)))
    }

    pub(super) fn with_event_bus(context: &Context, bus: Bus) -> Self {
        let bus_id = context.trace.name(EVENT_BUS);
        let leak_count = context.params.integer("leak");
        UserService::start(
            context,
            SignUpDesign::Events {
                bus,
                bus_id,
                leak_count,
            },
        )
    }

    fn start(context: &Context, design: SignUpDesign) -> Self {
        let id = context.start_source(USER_SERVICE);
        // Recorded from the design's fields, so the trace shows the actual
        // dependencies.
        for dependency in design.dependencies() {
            context.trace.send(RecordKind::Depend, id, dependency, 0);
        }
        UserService {
            id,
            trace: context.trace.clone(),
            design,
            awaits_listeners: context.params.choice("listeners") == "async",
        }
    }

    /// Registers a user who arrived at `due`.
    ///
    /// The request is answered when the future completes. If an inbox is full and the
    /// policy is `wait`, it waits for space.
    pub(super) fn register(&self, user: u64, due: Duration) -> impl Future<Output = ()> + 'static {
        let request = self.trace.begin_at(due, RecordKind::Request, self.id, user);
        let (outcome, announced) = match &self.design {
            SignUpDesign::Direct(services) => (self.call_each(user, services), None),
            SignUpDesign::Events {
                bus,
                bus_id,
                leak_count,
            } => {
                if user <= *leak_count {
                    self.leak_listener(user, bus, *bus_id);
                }
                (Ok(()), self.emit_registered(user, bus, *bus_id))
            }
        };
        async move {
            if let Some(announced) = announced {
                announced.await;
            }
            match outcome {
                Ok(()) => request.succeed(),
                Err(error) => request.fail(&error.to_string()),
            }
        }
    }

    /// Calls each service in turn. The first failure fails the sign-up. Each new
    /// service needs an edit here.
    fn call_each(&self, user: u64, services: &DirectServices) -> Result<(), Unavailable> {
        for service in services.in_call_order() {
            self.trace
                .send(RecordKind::Call, self.id, service.id(), user);
            service.handle(user)?;
        }
        Ok(())
    }

    /// Simulates a listener leak: subscribes for this user's registration and never
    /// unsubscribes.
    fn leak_listener(&self, user: u64, bus: &Bus, bus_id: NameId) {
        let session = self.trace.name(SESSION);
        self.trace
            .send(RecordKind::Subscribe, session, bus_id, user);
        bus.on(SESSION, |_: &UserRegistered| ()).detach();
    }

    /// Emits the event. A listener's failure is recorded by that listener and does
    /// not fail the sign-up. A new service needs no edit here.
    fn emit_registered(
        &self,
        user: u64,
        bus: &Bus,
        bus_id: NameId,
    ) -> Option<impl Future<Output = ()> + use<>> {
        self.trace.send(RecordKind::Emit, self.id, bus_id, user);
        if !self.awaits_listeners {
            let _isolated = bus.emit(&UserRegistered { user });
            return None;
        }
        let emit = bus.emit_concurrent(UserRegistered { user }, 0);
        Some(async {
            let _isolated = emit.await;
        })
    }
}
