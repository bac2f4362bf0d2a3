//! The subject: a service that registers users, in two designs.

use super::{
    EVENT_BUS, SESSION, USER_SERVICE,
    service::{DownstreamService, Unavailable},
};
use crate::{
    events::Bus,
    scenario::Context,
    trace::{NameId, RecordKind, Recorder},
};
use std::time::Duration;

/// What is said on the bus when somebody has signed up.
#[derive(Clone, Copy)]
pub(super) struct UserRegistered {
    pub(super) user: u64,
}

/// What is said when a mail has gone out.
#[derive(Clone, Copy)]
pub(super) struct MailSent {
    pub(super) user: u64,
}

/// Registers users. Who is to hear of it depends on the design.
pub(super) struct UserService {
    id: NameId,
    trace: Recorder,
    design: SignUpDesign,
    /// Whether it waits for room in the inboxes of listeners; never for what
    /// they do with it.
    awaits_listeners: bool,
}

enum SignUpDesign {
    /// It knows and calls every service.
    Direct(Box<DirectServices>),
    /// It knows the bus.
    Events {
        bus: Bus,
        bus_id: NameId,
        /// For how many sign-ups it has the bug of `remember`.
        leaks: u64,
    },
}

/// Every service it depends on.
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
    /// In the order in which they are called.
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
        let leaks = context.params.integer("leak");
        UserService::start(context, SignUpDesign::Events { bus, bus_id, leaks })
    }

    fn start(context: &Context, design: SignUpDesign) -> Self {
        let id = context.trace.name(USER_SERVICE);
        context.trace.instant(RecordKind::Start, id, 0);
        // What it holds on to is what it knows: neither more nor less.
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

    /// Takes the request of a user who arrived at `due`. It is answered when the
    /// future completes: that may have to wait for room in a listener's inbox.
    pub(super) fn register(&self, user: u64, due: Duration) -> impl Future<Output = ()> + 'static {
        let request = self.trace.begin_at(due, RecordKind::Request, self.id, user);
        let (outcome, announced) = match &self.design {
            SignUpDesign::Direct(services) => (self.call_each(user, services), None),
            SignUpDesign::Events { bus, bus_id, leaks } => {
                if user <= *leaks {
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

    /// Each new service means one more line here, and the first that fails
    /// takes the sign-up with it.
    fn call_each(&self, user: u64, services: &DirectServices) -> Result<(), Unavailable> {
        for service in services.in_call_order() {
            self.trace
                .send(RecordKind::Call, self.id, service.id(), user);
            service.handle(user)?;
        }
        Ok(())
    }

    /// The bug: it listens to learn when this user is registered, and goes on
    /// listening for ever.
    fn leak_listener(&self, user: u64, bus: &Bus, bus_id: NameId) {
        let session = self.trace.name(SESSION);
        self.trace
            .send(RecordKind::Subscribe, session, bus_id, user);
        bus.on(SESSION, |_: &UserRegistered| ()).detach();
    }

    /// A new service means no change here. What fails is on record with the
    /// service it failed in; the user is registered all the same.
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
