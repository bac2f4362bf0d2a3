//! Who listens on the bus: the only place that knows.

use super::{EVENT_BUS, service::Service, user_service::UserRegistered};
use crate::{
    events::{Bus, Notice, Subscription},
    platform::Task,
    scenario::Context,
    trace::{Kind, NameId},
};
use futures::{StreamExt, channel::mpsc};
use std::cell::RefCell;

/// The bus, its subscriptions, and the tasks of listeners that queue.
pub(super) struct Wiring {
    context: Context,
    bus: Bus,
    bus_id: NameId,
    subscriptions: RefCell<Vec<Subscription>>,
    tasks: RefCell<Vec<Task<()>>>,
}

impl Wiring {
    pub(super) fn new(context: &Context) -> Self {
        let bus = Bus::new();
        let bus_id = context.trace.name(EVENT_BUS);
        // Deliveries are recorded as the bus reports them.
        let trace = context.trace.clone();
        let registrations = bus.emitter::<UserRegistered>();
        let record = registrations.monitor(move |event, notice| {
            if let Notice::Delivering { listener, .. } = notice {
                let listener = trace.name(&listener.name);
                trace.send(Kind::Deliver, bus_id, listener, event.user);
            }
        });
        record.detach();
        Wiring {
            context: context.clone(),
            bus,
            bus_id,
            subscriptions: RefCell::default(),
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
        let subscription = if self.context.params.choice("listeners") == "async" {
            let queue = self.start_queue(service);
            self.bus.on(name, move |event: &UserRegistered| {
                queue.unbounded_send(*event)
            })
        } else {
            self.bus.on(name, move |event: &UserRegistered| {
                service.handle(event.user)
            })
        };
        self.subscriptions.borrow_mut().push(subscription);
    }

    /// A queue, and the task that works it off one by one. The queue has no
    /// bound because the run has: no more users arrive than were asked for.
    fn start_queue(&self, service: Service) -> mpsc::UnboundedSender<UserRegistered> {
        let (sender, mut queue) = mpsc::unbounded::<UserRegistered>();
        let task = self.context.platform.spawn(async move {
            while let Some(event) = queue.next().await {
                // On record with the service; nobody waits for it.
                let _failed = service.handle_async(event.user).await;
            }
        });
        self.tasks.borrow_mut().push(task);
        sender
    }

    /// Unsubscribes everybody and completes when the queues are worked off.
    pub(super) async fn finish(self) {
        drop(self.subscriptions);
        for task in self.tasks.into_inner() {
            task.await;
        }
    }
}
