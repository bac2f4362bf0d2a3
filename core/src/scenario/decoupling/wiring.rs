//! Who listens on the bus: the only place that knows.

use super::{
    AUDIT, EMAIL, EVENT_BUS,
    service::{DownstreamService, Unavailable},
    user_service::{MailSent, UserRegistered},
};
use crate::{
    events::{Bus, Emitter, Inbox, InboxFull, ListenerId, Notice, Options, Overflow, Subscription},
    platform::Task,
    scenario::{Context, Values},
    trace::{NameId, RecordKind, Recorder},
};
use futures::StreamExt;
use std::{any::Any, cell::RefCell};

/// The bus, its subscriptions, and the tasks of those with an inbox.
pub(super) struct BusWiring {
    context: Context,
    bus: Bus,
    bus_id: NameId,
    subscriptions: RefCell<Vec<Subscription>>,
    inboxes: RefCell<Vec<ListenerId>>,
    tasks: RefCell<Vec<Task<()>>>,
}

impl BusWiring {
    pub(super) fn new(context: &Context) -> Self {
        let bus_id = context.trace.name(EVENT_BUS);
        let trace = context.trace.clone();
        let options = Options::new()
            .clock(context.platform.timer())
            .on_leak(move |leak| {
                let (warning, count) = (trace.name(&leak.to_string()), leak.listeners.len());
                trace.send(RecordKind::Leak, bus_id, warning, count as u64);
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
                    trace.send(
                        RecordKind::Deliver,
                        bus_id,
                        trace.name(&listener.name),
                        user,
                    );
                }
                Notice::Failed {
                    listener, error, ..
                } if error.is::<InboxFull>() => {
                    trace.instant(RecordKind::Refuse, trace.name(&listener.name), user);
                }
                // The services record the rest themselves.
                _ => {}
            }
        });
        record.detach();
        BusWiring {
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
    pub(super) fn subscribe(&self, service: DownstreamService) {
        let trace = &self.context.trace;
        trace.send(RecordKind::Subscribe, service.id(), self.bus_id, 0);
        let name = service.name();
        let mail_announcer = self.mail_announcer(name, service.id());
        if self.context.params.choice("listeners") == "async" {
            self.start_reader(service, mail_announcer);
            return;
        }
        let subscription = self.bus.on(name, move |event: &UserRegistered| {
            service.handle(event.user)?;
            if let Some(mail_announcer) = &mail_announcer {
                mail_announcer.emit_mail_sent(event.user);
            }
            Ok::<(), Unavailable>(())
        });
        self.subscriptions.borrow_mut().push(subscription);
    }

    /// Gives a service an inbox and a task of its own.
    fn start_reader(&self, service: DownstreamService, mail_announcer: Option<MailAnnouncer>) {
        let (params, trace) = (&self.context.params, self.context.trace.clone());
        let capacity = usize::try_from(params.integer("inbox")).unwrap_or(usize::MAX);
        let overflow = overflow(params);
        let inbox = self.bus.inbox(service.name(), capacity, overflow);
        let inbox = inbox.expect("the parameter's range begins at 1");
        self.inboxes.borrow_mut().push(inbox.id());
        let task = process_inbox(inbox, service, mail_announcer, trace);
        self.tasks
            .borrow_mut()
            .push(self.context.platform.spawn(task));
    }

    /// What a service says on the bus of its own accord, if it does; and who
    /// hears of that.
    fn mail_announcer(&self, name: &str, id: NameId) -> Option<MailAnnouncer> {
        if self.context.params.choice("reentry") != "email" {
            return None;
        }
        let trace = &self.context.trace;
        if name == AUDIT {
            trace.send(RecordKind::Subscribe, id, self.bus_id, 0);
            let subscription = self.bus.on(AUDIT, |_: &MailSent| ());
            self.subscriptions.borrow_mut().push(subscription);
        }
        (name == EMAIL).then(|| MailAnnouncer {
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

/// Works the inbox off, one event after the other, until it is closed.
async fn process_inbox(
    mut inbox: Inbox<UserRegistered>,
    service: DownstreamService,
    mail_announcer: Option<MailAnnouncer>,
    trace: Recorder,
) {
    let mut lost = 0;
    loop {
        let next = inbox.next().await;
        let dropped = inbox.stats().dropped;
        if dropped > lost {
            trace.instant(RecordKind::Drop, service.id(), dropped - lost);
            lost = dropped;
        }
        let Some(event) = next else {
            return;
        };
        // A failure is on record with the service; nobody waits for it.
        let handled = service.handle_async(event.user).await;
        if let (Ok(()), Some(mail_announcer)) = (handled, &mail_announcer) {
            mail_announcer.emit_mail_sent(event.user);
        }
    }
}

/// What a full inbox does.
fn overflow(params: &Values) -> Overflow {
    match params.choice("overflow") {
        "drop-oldest" => Overflow::DropOldest,
        "drop-newest" => Overflow::DropNewest,
        "latest" => Overflow::Latest,
        "fail" => Overflow::Fail,
        _ => Overflow::Wait,
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
struct MailAnnouncer {
    trace: Recorder,
    email: NameId,
    bus_id: NameId,
    /// Not the bus, which would then hold itself.
    emitter: Emitter<MailSent>,
}

impl MailAnnouncer {
    fn emit_mail_sent(&self, user: u64) {
        self.trace
            .send(RecordKind::Emit, self.email, self.bus_id, user);
        let _infallible = self.emitter.emit(&MailSent { user });
    }
}
