//! The subject: a service that registers users, in two designs.

use super::{
    EVENT_BUS, SESSION, USER_SERVICE,
    service::{Service, Unavailable},
};
use crate::{
    events::Bus,
    scenario::Context,
    trace::{Kind, NameId, Recorder},
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
    design: Design,
    /// Whether it waits for room in the inboxes of listeners; never for what
    /// they do with it.
    awaits_listeners: bool,
}

enum Design {
    /// It knows and calls every service.
    Direct(Box<Known>),
    /// It knows the bus.
    Events {
        bus: Bus,
        bus_id: NameId,
        /// For how many sign-ups it has the bug of `remember`.
        leaks: u64,
    },
}

/// Every service it depends on.
struct Known {
    email: Service,
    audit: Service,
    metrics: Service,
}

impl Design {
    fn known(&self) -> Vec<NameId> {
        match self {
            Design::Direct(known) => known.in_turn().map(Service::id).into(),
            Design::Events { bus_id, .. } => vec![*bus_id],
        }
    }
}

impl Known {
    /// In the order in which they are called.
    fn in_turn(&self) -> [&Service; 3] {
        [&self.email, &self.audit, &self.metrics]
    }
}

impl UserService {
    pub(super) fn calling(
        context: &Context,
        email: Service,
        audit: Service,
        metrics: Service,
    ) -> Self {
        let known = Known {
            email,
            audit,
            metrics,
        };
        UserService::start(context, Design::Direct(Box::new(known)))
    }

    pub(super) fn emitting(context: &Context, bus: Bus) -> Self {
        let bus_id = context.trace.name(EVENT_BUS);
        let leaks = context.params.integer("leak");
        UserService::start(context, Design::Events { bus, bus_id, leaks })
    }

    fn start(context: &Context, design: Design) -> Self {
        let id = context.trace.name(USER_SERVICE);
        context.trace.instant(Kind::Start, id, 0);
        // What it holds on to is what it knows: neither more nor less.
        for known in design.known() {
            context.trace.send(Kind::Depend, id, known, 0);
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
        let request = self.trace.begin_at(due, Kind::Request, self.id, user);
        let (outcome, announced) = match &self.design {
            Design::Direct(known) => (self.call_each(user, known), None),
            Design::Events { bus, bus_id, leaks } => {
                if user <= *leaks {
                    self.remember(user, bus, *bus_id);
                }
                (Ok(()), self.announce(user, bus, *bus_id))
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
    fn call_each(&self, user: u64, known: &Known) -> Result<(), Unavailable> {
        for service in known.in_turn() {
            self.trace.send(Kind::Call, self.id, service.id(), user);
            service.handle(user)?;
        }
        Ok(())
    }

    /// The bug: it listens to learn when this user is registered, and goes on
    /// listening for ever.
    fn remember(&self, user: u64, bus: &Bus, bus_id: NameId) {
        let session = self.trace.name(SESSION);
        self.trace.send(Kind::Subscribe, session, bus_id, user);
        bus.on(SESSION, |_: &UserRegistered| ()).detach();
    }

    /// A new service means no change here. What fails is on record with the
    /// service it failed in; the user is registered all the same.
    fn announce(
        &self,
        user: u64,
        bus: &Bus,
        bus_id: NameId,
    ) -> Option<impl Future<Output = ()> + use<>> {
        self.trace.send(Kind::Emit, self.id, bus_id, user);
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
