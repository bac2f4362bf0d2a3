//! Wires the services to the bus. Only this module depends on the listeners.

use super::{
    names::{AUDIT, EMAIL, EVENT_BUS},
    service::{DownstreamService, Unavailable},
    user_service::{MailSent, UserRegistered},
};
use crate::{
    events::{Bus, Emitter, Inbox, InboxFull, ListenerId, Notice, Options, Subscription},
    platform::Task,
    scenario::Context,
    trace::{NameId, RecordKind, Recorder},
};
use futures_util::StreamExt;
use std::{any::Any, cell::RefCell};

/// The bus, its subscriptions, and the tasks that process inboxes.
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
                    trace.instant(RecordKind::Reject, trace.name(&listener.name), user);
                }
                // The services record everything else.
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

    /// Subscribes a service to sign-ups.
    pub(super) fn subscribe(&self, service: DownstreamService) {
        let trace = &self.context.trace;
        trace.send(RecordKind::Subscribe, service.id(), self.bus_id, 0);
        let name = service.name();
        let mail_announcer = self.wire_mail_sent(name, service.id());
        if self.context.params.choice("listeners") == "async" {
            self.subscribe_inbox(service, mail_announcer);
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

    /// Subscribes a service through an inbox, and spawns the task that processes it.
    fn subscribe_inbox(&self, service: DownstreamService, mail_announcer: Option<MailAnnouncer>) {
        let (params, trace) = (&self.context.params, self.context.trace.clone());
        let capacity = usize::try_from(params.integer("inbox")).unwrap_or(usize::MAX);
        let inbox = self.bus.inbox(service.name(), capacity, params.overflow());
        let inbox = inbox.expect("the parameter's minimum is 1");
        self.inboxes.borrow_mut().push(inbox.id());
        let task = process_inbox(inbox, service, mail_announcer, trace);
        self.tasks
            .borrow_mut()
            .push(self.context.platform.spawn(task));
    }

    /// If `reentry` is `email`, subscribes `AuditLog` to `MailSent` and returns an
    /// announcer for `EmailService`.
    fn wire_mail_sent(&self, name: &str, id: NameId) -> Option<MailAnnouncer> {
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

    /// Closes the inboxes, waits until they are drained, and drops the subscriptions.
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

/// Processes events one by one until the inbox is closed.
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
        // The service has already recorded any failure, and no caller waits for it.
        let handled = service.handle_async(event.user).await;
        if let (Ok(()), Some(mail_announcer)) = (handled, &mail_announcer) {
            mail_announcer.emit_mail_sent(event.user);
        }
    }
}

/// Returns an event's user.
fn user_of(event: &dyn Any) -> Option<u64> {
    let registered = event
        .downcast_ref()
        .map(|event: &UserRegistered| event.user);
    registered.or_else(|| event.downcast_ref().map(|event: &MailSent| event.user))
}

/// Emits `MailSent` from within the listener that sent the mail.
struct MailAnnouncer {
    trace: Recorder,
    email: NameId,
    bus_id: NameId,
    /// An emitter instead of the bus, because the bus owns this through its listener.
    emitter: Emitter<MailSent>,
}

impl MailAnnouncer {
    fn emit_mail_sent(&self, user: u64) {
        self.trace
            .send(RecordKind::Emit, self.email, self.bus_id, user);
        let _infallible = self.emitter.emit(&MailSent { user });
    }
}
