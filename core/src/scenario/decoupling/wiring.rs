//! Who listens on the bus: the only place that knows.

use super::{
    AUDIT, EMAIL, EVENT_BUS, reader,
    service::{Service, Unavailable},
    user_service::{MailSent, UserRegistered},
};
use crate::{
    events::{Bus, Emitter, InboxFull, ListenerId, Notice, Options, Subscription},
    platform::Task,
    scenario::Context,
    trace::{Kind, NameId, Recorder},
};
use std::{any::Any, cell::RefCell};

/// The bus, its subscriptions, and the tasks of those with an inbox.
pub(super) struct Wiring {
    context: Context,
    bus: Bus,
    bus_id: NameId,
    subscriptions: RefCell<Vec<Subscription>>,
    inboxes: RefCell<Vec<ListenerId>>,
    tasks: RefCell<Vec<Task<()>>>,
}

impl Wiring {
    pub(super) fn new(context: &Context) -> Self {
        let bus_id = context.trace.name(EVENT_BUS);
        let trace = context.trace.clone();
        let options = Options::new()
            .clock(context.platform.timer())
            .on_leak(move |leak| {
                let (warning, count) = (trace.name(&leak.to_string()), leak.listeners.len());
                trace.send(Kind::Leak, bus_id, warning, count as u64);
            });
        let bus = Bus::with_options(options);
        // Deliveries are recorded as the bus reports them.
        let trace = context.trace.clone();
        let record = bus.tap(move |tapped| {
            let Some(user) = user_of(tapped.event) else {
                return;
            };
            match tapped.notice {
                Notice::Delivering { listener, .. } => {
                    trace.send(Kind::Deliver, bus_id, trace.name(&listener.name), user);
                }
                Notice::Failed {
                    listener, error, ..
                } if error.is::<InboxFull>() => {
                    trace.instant(Kind::Refuse, trace.name(&listener.name), user);
                }
                // The services record the rest themselves.
                _ => {}
            }
        });
        record.detach();
        Wiring {
            context: context.clone(),
            bus,
            bus_id,
            subscriptions: RefCell::default(),
            inboxes: RefCell::default(),
            tasks: RefCell::default(),
        }
    }

    pub(super) fn bus(&self) -> Bus {
        self.bus.clone()
    }

    /// Lets a service hear of sign-ups from now on.
    pub(super) fn subscribe(&self, service: Service) {
        let trace = &self.context.trace;
        trace.send(Kind::Subscribe, service.id(), self.bus_id, 0);
        let name = service.name();
        let mails = self.mails(name, service.id());
        if self.context.params.choice("listeners") == "async" {
            self.start_reader(service, mails);
            return;
        }
        let subscription = self.bus.on(name, move |event: &UserRegistered| {
            service.handle(event.user)?;
            if let Some(mails) = &mails {
                mails.announce(event.user);
            }
            Ok::<(), Unavailable>(())
        });
        self.subscriptions.borrow_mut().push(subscription);
    }

    /// Gives a service an inbox and a task of its own.
    fn start_reader(&self, service: Service, mails: Option<Mails>) {
        let (params, trace) = (&self.context.params, self.context.trace.clone());
        let capacity = usize::try_from(params.integer("inbox")).unwrap_or(usize::MAX);
        let overflow = reader::overflow(params);
        let inbox = self.bus.inbox(service.name(), capacity, overflow);
        let inbox = inbox.expect("the parameter's range begins at 1");
        self.inboxes.borrow_mut().push(inbox.id());
        let task = reader::work_off(inbox, service, mails, trace);
        self.tasks
            .borrow_mut()
            .push(self.context.platform.spawn(task));
    }

    /// What a service says on the bus of its own accord, if it does; and who
    /// hears of that.
    fn mails(&self, name: &str, id: NameId) -> Option<Mails> {
        if self.context.params.choice("reentry") != "email" {
            return None;
        }
        let trace = &self.context.trace;
        if name == AUDIT {
            trace.send(Kind::Subscribe, id, self.bus_id, 0);
            let hears = self.bus.on(AUDIT, |_: &MailSent| ());
            self.subscriptions.borrow_mut().push(hears);
        }
        (name == EMAIL).then(|| Mails {
            trace: trace.clone(),
            email: id,
            bus_id: self.bus_id,
            emitter: self.bus.emitter(),
        })
    }

    /// Unsubscribes everybody, when the inboxes are closed and worked off.
    pub(super) async fn finish(self) {
        for inbox in self.inboxes.into_inner() {
            self.bus.off(inbox);
        }
        for task in self.tasks.into_inner() {
            task.await;
        }
        drop(self.subscriptions);
    }
}

/// Whom an event is about.
fn user_of(event: &dyn Any) -> Option<u64> {
    let registered = event
        .downcast_ref()
        .map(|event: &UserRegistered| event.user);
    registered.or_else(|| event.downcast_ref().map(|event: &MailSent| event.user))
}

/// Tells the bus of each mail, from within the listener that sent it.
pub(super) struct Mails {
    trace: Recorder,
    email: NameId,
    bus_id: NameId,
    /// Not the bus, which would then hold itself.
    emitter: Emitter<MailSent>,
}

impl Mails {
    pub(super) fn announce(&self, user: u64) {
        self.trace.send(Kind::Emit, self.email, self.bus_id, user);
        let _infallible = self.emitter.emit(&MailSent { user });
    }
}
