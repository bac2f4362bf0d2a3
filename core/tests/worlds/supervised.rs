//! Supervised processes, as in a scenario.

use super::echo::ECHO;
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use highwater::{
    platform::{Exit, Platform, Process, ProcessEvent},
    scale::{Action, Supervisor, SupervisorOptions, WorkerId},
};
use std::{rc::Rc, time::Duration};

type WorkerEvent = (WorkerId, ProcessEvent);

struct Cluster {
    platform: Platform,
    supervisor: Supervisor,
    workers: Vec<Option<Rc<Process>>>,
    sender: mpsc::UnboundedSender<WorkerEvent>,
    events: mpsc::UnboundedReceiver<WorkerEvent>,
}

impl Cluster {
    fn new(platform: &Platform, slots: usize, options: SupervisorOptions) -> Self {
        let (sender, events) = mpsc::unbounded();
        Cluster {
            supervisor: Supervisor::new(slots, options, platform.now()),
            platform: platform.clone(),
            workers: vec![None; slots],
            sender,
            events,
        }
    }

    /// Executes the supervisor's actions until a worker reports an event. Returns
    /// `None` if the supervisor gives up.
    async fn next(&mut self) -> Option<WorkerEvent> {
        loop {
            while let Some(action) = self.supervisor.next_action() {
                match action {
                    Action::Start(id) => self.start(id),
                    Action::Kill(id) => self.worker(id.slot).kill(),
                    Action::Escalate => return None,
                    other => panic!("{other:?}"),
                }
            }
            let deadline = self.supervisor.next_deadline().unwrap_or(Duration::MAX);
            let pause = deadline.saturating_sub(self.platform.now());
            let event = match select(self.events.next(), self.platform.sleep(pause)).await {
                Either::Left((event, _)) => event,
                Either::Right(_) => None,
            };
            let now = self.platform.now();
            self.supervisor.tick(now);
            let Some((id, event)) = event else {
                continue;
            };
            match event {
                ProcessEvent::Ready => self.supervisor.ready(id, now),
                ProcessEvent::Exited(_) => {
                    self.workers[id.slot] = None;
                    self.supervisor.exited(id, now);
                }
                ProcessEvent::Message(_) => {}
            }
            return Some((id, event));
        }
    }

    fn start(&mut self, id: WorkerId) {
        let process = Rc::new(self.platform.start(&ECHO));
        self.workers[id.slot] = Some(Rc::clone(&process));
        let sender = self.sender.clone();
        drop(self.platform.spawn(async move {
            loop {
                let event = process.next().await;
                let is_last = matches!(event, ProcessEvent::Exited(_));
                if sender.unbounded_send((id, event)).is_err() || is_last {
                    return;
                }
            }
        }));
    }

    fn worker(&self, slot: usize) -> &Process {
        self.workers[slot].as_ref().unwrap()
    }

    async fn all_ready(&mut self) {
        while (0..self.workers.len()).any(|slot| !self.supervisor.is_ready(slot)) {
            assert!(self.next().await.is_some(), "it gave up");
        }
    }
}

impl Drop for Cluster {
    /// Kills the processes, which the forwarding tasks hold.
    fn drop(&mut self) {
        for worker in self.workers.iter().flatten() {
            worker.kill();
        }
    }
}

/// Each exit leads to one restart of that worker and no other.
pub(super) async fn restarts(platform: Platform) {
    let mut cluster = Cluster::new(&platform, 2, SupervisorOptions::new());
    cluster.all_ready().await;
    let undisturbed = cluster.worker(0).id();
    let mut ids = vec![undisturbed, cluster.worker(1).id()];
    for (generation, command) in (1..).zip(["crash", "return", "block"]) {
        cluster.worker(1).send(command);
        let exit = loop {
            let event = cluster.next().await.unwrap();
            match event {
                (id, ProcessEvent::Exited(exit)) => {
                    assert_eq!(id, WorkerId::new(1, generation));
                    break exit;
                }
                (WorkerId { slot: 1, .. }, ProcessEvent::Message(_)) => cluster.worker(1).kill(),
                other => panic!("{other:?}"),
            }
        };
        match command {
            "crash" => assert!(exit.is_bug()),
            "return" => assert_eq!(exit, Exit::Finished),
            _ => assert_eq!(exit, Exit::Killed),
        }
        cluster.all_ready().await;
        assert_eq!(cluster.supervisor.restarts(), generation);
        assert_eq!(cluster.supervisor.generation(1), generation + 1);
        let id = cluster.worker(1).id();
        assert!(!ids.contains(&id), "{id} again: {ids:?}");
        ids.push(id);
    }
    assert_eq!(cluster.worker(0).id(), undisturbed);
    assert_eq!(cluster.supervisor.generation(0), 1);
}

/// The supervisor gives up on a crash loop.
pub(super) async fn gives_up(platform: Platform) {
    let options = SupervisorOptions::new()
        .intensity(2, Duration::from_hours(1))
        .backoff(Duration::from_millis(2), Duration::from_millis(4));
    let mut cluster = Cluster::new(&platform, 1, options);
    let mut bugs = 0;
    while let Some((_, event)) = cluster.next().await {
        match event {
            ProcessEvent::Ready => cluster.worker(0).send("crash"),
            ProcessEvent::Exited(exit) => bugs += u32::from(exit.is_bug()),
            ProcessEvent::Message(text) => panic!("{text}"),
        }
    }
    assert_eq!((bugs, cluster.supervisor.restarts()), (3, 2));
}
