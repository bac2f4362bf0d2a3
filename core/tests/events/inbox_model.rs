//! Random uses of an inbox, against a model that is a plain queue.

use crate::cases::cases;
use futures::{
    FutureExt, Stream, StreamExt,
    task::{ArcWake, waker},
};
use highwater::events::{EmitError, Emitter, Inbox, Overflow};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Emit,
    /// An awaited emit, polled once.
    Start,
    /// Polls one of the emits that wait, of the many modulo those there are.
    Poll(usize),
    Abandon(usize),
    TryNext,
    PollNext,
    Close,
    Off,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Emit),
        6 => Just(Step::Start),
        4 => (0..8_usize).prop_map(Step::Poll),
        2 => (0..8_usize).prop_map(Step::Abandon),
        5 => Just(Step::TryNext),
        5 => Just(Step::PollNext),
        1 => Just(Step::Close),
        1 => Just(Step::Off),
    ]
}

/// What an inbox is, in as many words as it takes.
struct Model {
    capacity: usize,
    overflow: Overflow,
    queue: VecDeque<u32>,
    /// Those that wait, in line: the event of each.
    line: VecDeque<u32>,
    is_subscribed: bool,
    is_closed: bool,
    received: u64,
    taken: u64,
    dropped: u64,
    refused: u64,
    peak: usize,
}

#[derive(Debug, PartialEq)]
enum Sent {
    Delivered(usize),
    Refused,
    Waits,
}

impl Model {
    fn new(capacity: usize, overflow: Overflow) -> Self {
        Model {
            capacity,
            overflow,
            queue: VecDeque::new(),
            line: VecDeque::new(),
            is_subscribed: true,
            is_closed: false,
            received: 0,
            taken: 0,
            dropped: 0,
            refused: 0,
            peak: 0,
        }
    }

    fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }

    fn push(&mut self, event: u32) {
        self.queue.push_back(event);
        self.peak = self.peak.max(self.queue.len());
    }

    fn emit(&mut self, event: u32, may_wait: bool) -> Sent {
        if !self.is_subscribed {
            return Sent::Delivered(0);
        }
        if may_wait && self.overflow == Overflow::Wait && !(self.has_room() && self.line.is_empty())
        {
            self.line.push_back(event);
            return Sent::Waits;
        }
        self.received += 1;
        if self.has_room() && self.line.is_empty() {
            self.push(event);
            return Sent::Delivered(1);
        }
        match self.overflow {
            Overflow::Wait | Overflow::Fail => {
                self.refused += 1;
                return Sent::Refused;
            }
            Overflow::DropNewest => self.dropped += 1,
            Overflow::DropOldest => {
                self.dropped += 1;
                self.queue.pop_front();
                self.push(event);
            }
            Overflow::Latest => {
                self.dropped += self.queue.len() as u64;
                self.queue.clear();
                self.push(event);
            }
        }
        Sent::Delivered(1)
    }

    /// Whether the emit that waits with this event would go on if polled.
    fn may_go_on(&self, event: u32) -> bool {
        self.is_closed || (self.line.front() == Some(&event) && self.has_room())
    }

    fn poll(&mut self, event: u32) -> Sent {
        if !self.may_go_on(event) {
            return Sent::Waits;
        }
        self.received += 1;
        if self.is_closed {
            self.dropped += 1;
        } else {
            self.push(event);
        }
        self.leave(event);
        Sent::Delivered(1)
    }

    fn leave(&mut self, event: u32) {
        self.line.retain(|waiting| *waiting != event);
    }

    fn off(&mut self) {
        self.is_subscribed = false;
        self.is_closed = true;
    }

    fn next(&mut self) -> Option<u32> {
        let next = self.queue.pop_front();
        self.taken += u64::from(next.is_some());
        next
    }
}

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::Relaxed);
    }
}

/// Polled with a waker of its own each time.
fn poll<T>(woken: &mut Arc<Woken>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    *woken = Arc::default();
    let waker = waker(Arc::clone(woken));
    match poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// An event and what it holds, to be counted.
#[derive(Clone, Debug)]
struct Event(u32, #[expect(dead_code, reason = "it is counted")] Arc<()>);

type Emit = Pin<Box<dyn Future<Output = Result<usize, EmitError>> + Send>>;

struct Real {
    emitter: Emitter<Event>,
    inbox: Inbox<Event>,
    held: Arc<()>,
    /// By the number of their event.
    waiting: BTreeMap<u32, (Emit, Arc<Woken>)>,
    /// Of the reader, while it sleeps.
    sleeper: Option<Arc<Woken>>,
}

fn sent(emitted: Result<usize, EmitError>) -> Sent {
    emitted.map_or(Sent::Refused, Sent::Delivered)
}

impl Real {
    fn new(capacity: usize, overflow: Overflow) -> Self {
        let emitter = Emitter::new();
        let inbox = emitter.inbox("inbox", capacity, overflow).unwrap();
        Real {
            emitter,
            inbox,
            held: Arc::default(),
            waiting: BTreeMap::new(),
            sleeper: None,
        }
    }

    fn event(&self, number: u32) -> Event {
        Event(number, Arc::clone(&self.held))
    }

    fn start(&mut self, number: u32) -> Sent {
        let mut emit: Emit = Box::pin(self.emitter.emit_serial(self.event(number)));
        let mut woken = Arc::default();
        let Some(emitted) = poll(&mut woken, |context| emit.poll_unpin(context)) else {
            self.waiting.insert(number, (emit, woken));
            return Sent::Waits;
        };
        sent(emitted)
    }

    fn poll(&mut self, number: u32) -> Sent {
        let (emit, woken) = self.waiting.get_mut(&number).unwrap();
        match poll(woken, |context| emit.poll_unpin(context)) {
            Some(emitted) => {
                self.waiting.remove(&number);
                sent(emitted)
            }
            None => Sent::Waits,
        }
    }

    /// The one of those that wait that a step means.
    fn waiting(&self, index: usize) -> Option<u32> {
        let index = index.checked_rem(self.waiting.len())?;
        self.waiting.keys().nth(index).copied()
    }

    fn poll_next(&mut self) -> Poll<Option<u32>> {
        let mut woken = Arc::default();
        let polled = poll(&mut woken, |context| self.inbox.poll_next_unpin(context));
        let Some(next) = polled else {
            self.sleeper = Some(woken);
            return Poll::Pending;
        };
        Poll::Ready(next.map(|event| event.0))
    }
}

fn step_both(model: &mut Model, real: &mut Real, step: Step, number: u32) {
    match step {
        Step::Emit => {
            let emitted = sent(real.emitter.emit(&real.event(number)));
            assert_eq!(emitted, model.emit(number, false));
        }
        Step::Start => assert_eq!(real.start(number), model.emit(number, true)),
        Step::Poll(index) => {
            if let Some(number) = real.waiting(index) {
                assert_eq!(real.poll(number), model.poll(number));
            }
        }
        Step::Abandon(index) => {
            if let Some(number) = real.waiting(index) {
                real.waiting.remove(&number);
                model.leave(number);
            }
        }
        Step::TryNext => {
            let next = real.inbox.try_next().map(|event| event.0);
            assert_eq!(next, model.next());
        }
        Step::PollNext => {
            let expected = match model.next() {
                None if !model.is_closed => Poll::Pending,
                next => Poll::Ready(next),
            };
            assert_eq!(real.poll_next(), expected);
        }
        Step::Close => {
            real.inbox.close();
            model.is_closed = true;
            model.is_subscribed = false;
        }
        Step::Off => {
            assert_eq!(real.emitter.off(real.inbox.id()), model.is_subscribed);
            model.off();
        }
    }
}

fn compare(model: &Model, real: &mut Real) {
    let stats = real.inbox.stats();
    let counted = [stats.received, stats.taken, stats.dropped, stats.refused];
    let expected = [model.received, model.taken, model.dropped, model.refused];
    assert_eq!(counted, expected, "{stats:?}");
    let sizes = [stats.queued, stats.waiting, stats.peak];
    let expected = [model.queue.len(), model.line.len(), model.peak];
    assert_eq!(sizes, expected, "{stats:?}");
    let accounted = stats.taken + stats.dropped + stats.refused + stats.queued as u64;
    assert_eq!(stats.received, accounted);
    let most = model.is_closed.then_some(stats.queued);
    let surely = match model.overflow {
        // One more event would take the place of all of them.
        Overflow::Latest if !model.is_closed => stats.queued.min(1),
        _ => stats.queued,
    };
    assert_eq!(real.inbox.size_hint(), (surely, most));
    // What is nowhere is freed.
    let events = stats.queued + real.waiting.len();
    assert!(Arc::strong_count(&real.held) > events);
    if real.waiting.is_empty() {
        assert_eq!(Arc::strong_count(&real.held), 1 + events);
    }

    // Nobody sleeps who has something to do.
    for (number, (_, woken)) in &real.waiting {
        let is_woken = woken.0.load(Ordering::Relaxed);
        assert!(is_woken || !model.may_go_on(*number), "{number} sleeps");
    }
    if !model.queue.is_empty() || model.is_closed {
        let sleeper = real.sleeper.take();
        let is_woken = sleeper.is_none_or(|woken| woken.0.load(Ordering::Relaxed));
        assert!(is_woken, "the reader sleeps");
    }
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn an_inbox_is_a_bounded_queue(
        capacity in 1..=5_usize,
        overflow in prop::sample::select(vec![
            Overflow::Wait,
            Overflow::Wait,
            Overflow::DropOldest,
            Overflow::DropNewest,
            Overflow::Latest,
            Overflow::Fail,
        ]),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let (mut model, mut real) = (Model::new(capacity, overflow), Real::new(capacity, overflow));
        for (step, number) in steps.into_iter().zip(0..) {
            step_both(&mut model, &mut real, step, number);
            compare(&model, &mut real);
        }
        let Real { emitter, inbox, held, waiting, .. } = real;
        drop(inbox);
        for (emit, woken) in waiting.into_values() {
            prop_assert!(model.is_closed || woken.0.load(Ordering::Relaxed));
            prop_assert_eq!(emit.now_or_never().unwrap().unwrap(), 1);
        }
        prop_assert_eq!(emitter.listener_count(), 0);
        prop_assert_eq!(Arc::strong_count(&held), 1);
    }
}
