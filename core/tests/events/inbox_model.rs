//! Random operations on an inbox, compared with a plain queue.

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
    /// Polls one of the waiting emits; the index is taken modulo their number.
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

/// The specification of an inbox.
struct Model {
    capacity: usize,
    overflow: Overflow,
    queue: VecDeque<u32>,
    /// The waiting emits, in line.
    line: VecDeque<Waiting>,
    is_subscribed: bool,
    is_closed: bool,
    sent: u64,
    received: u64,
    dropped: u64,
    rejected: u64,
    peak: usize,
}

/// A waiting emit.
struct Waiting {
    event: u32,
    is_woken: bool,
    /// It was woken and found its slot taken.
    was_overtaken: bool,
}

#[derive(Debug, PartialEq)]
enum Sent {
    Delivered(usize),
    Rejected,
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
            sent: 0,
            received: 0,
            dropped: 0,
            rejected: 0,
            peak: 0,
        }
    }

    fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }

    fn woken(&self) -> impl Iterator<Item = &Waiting> {
        self.line.iter().filter(|waiting| waiting.is_woken)
    }

    /// Returns whether there is room besides the reserved slots.
    fn has_unreserved(&self) -> bool {
        self.queue.len() + self.woken().count() < self.capacity
    }

    fn admits(&self) -> bool {
        let has_sleeper = self.line.iter().any(|waiting| !waiting.is_woken);
        let may_overtake =
            self.queue.is_empty() && !self.woken().any(|waiting| waiting.was_overtaken);
        !has_sleeper && self.has_room() && (self.has_unreserved() || may_overtake)
    }

    fn wake_next(&mut self) {
        if self.has_unreserved()
            && let Some(first) = self.line.iter_mut().find(|waiting| !waiting.is_woken)
        {
            first.is_woken = true;
        }
    }

    fn push(&mut self, event: u32) {
        self.queue.push_back(event);
        self.peak = self.peak.max(self.queue.len());
    }

    fn emit(&mut self, event: u32, may_wait: bool) -> Sent {
        if !self.is_subscribed {
            return Sent::Delivered(0);
        }
        let is_admitted = self.admits();
        if may_wait && self.overflow == Overflow::Wait && !is_admitted {
            self.line.push_back(Waiting {
                event,
                is_woken: false,
                was_overtaken: false,
            });
            return Sent::Waits;
        }
        match self.overflow {
            _ if is_admitted => self.push(event),
            Overflow::Wait | Overflow::Fail => {
                self.rejected += 1;
                return Sent::Rejected;
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
        self.sent += 1;
        Sent::Delivered(1)
    }

    fn is_woken(&self, event: u32) -> bool {
        self.woken().any(|waiting| waiting.event == event)
    }

    fn poll(&mut self, event: u32) -> Sent {
        let is_event = |waiting: &Waiting| waiting.event == event;
        let index = self.line.iter().position(is_event).unwrap();
        let is_woken = self.line[index].is_woken;
        let first_asleep = self.line.iter().position(|waiting| !waiting.is_woken);
        let may_pass = if is_woken {
            self.has_room()
        } else {
            first_asleep == Some(index) && self.has_unreserved()
        };
        if !self.is_closed && !may_pass {
            self.line[index].was_overtaken |= is_woken;
            self.line[index].is_woken = false;
            return Sent::Waits;
        }
        self.sent += 1;
        if self.is_closed {
            self.dropped += 1;
        } else {
            self.push(event);
        }
        self.leave(event);
        Sent::Delivered(1)
    }

    fn leave(&mut self, event: u32) {
        self.line.retain(|waiting| waiting.event != event);
        self.wake_next();
    }

    fn off(&mut self) {
        self.is_subscribed = false;
        self.is_closed = true;
    }

    fn next(&mut self) -> Option<u32> {
        let next = self.queue.pop_front();
        self.received += u64::from(next.is_some());
        if next.is_some() {
            self.wake_next();
        }
        next
    }
}

/// A waker that records whether it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::Relaxed);
    }
}

/// Polls with a new waker each time.
fn poll<T>(woken: &mut Arc<Woken>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    *woken = Arc::default();
    let waker = waker(Arc::clone(woken));
    match poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// An event whose copies are counted.
#[derive(Clone, Debug)]
struct Event(u32, #[expect(dead_code, reason = "it is counted")] Arc<()>);

type Emit = Pin<Box<dyn Future<Output = Result<usize, EmitError>> + Send>>;

struct Real {
    emitter: Emitter<Event>,
    inbox: Inbox<Event>,
    held: Arc<()>,
    /// The waiting emits, by the number of their event.
    waiting: BTreeMap<u32, (Emit, Arc<Woken>)>,
    /// The waker of the sleeping reader.
    sleeper: Option<Arc<Woken>>,
}

fn sent(emitted: Result<usize, EmitError>) -> Sent {
    emitted.map_or(Sent::Rejected, Sent::Delivered)
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

    /// Returns the waiting emit that a step refers to.
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
    let counted = [stats.sent, stats.received, stats.dropped, stats.rejected];
    let expected = [model.sent, model.received, model.dropped, model.rejected];
    assert_eq!(counted, expected, "{stats:?}");
    let sizes = [stats.queued, stats.waiting, stats.peak];
    let expected = [model.queue.len(), model.line.len(), model.peak];
    assert_eq!(sizes, expected, "{stats:?}");
    let accounted = stats.received + stats.dropped + stats.queued as u64;
    assert_eq!(stats.sent, accounted);
    let most = model.is_closed.then_some(stats.queued);
    let surely = match model.overflow {
        // One more event would replace all of them.
        Overflow::Latest if !model.is_closed => stats.queued.min(1),
        _ => stats.queued,
    };
    assert_eq!(real.inbox.size_hint(), (surely, most));
    // Events that left the inbox are freed.
    let events = stats.queued + real.waiting.len();
    assert!(Arc::strong_count(&real.held) > events);
    if real.waiting.is_empty() {
        assert_eq!(Arc::strong_count(&real.held), 1 + events);
    }

    // Slots are reserved for woken emits only.
    for (number, (_, woken)) in &real.waiting {
        let is_woken = woken.0.load(Ordering::Relaxed);
        let expected = model.is_closed || model.is_woken(*number);
        assert_eq!(is_woken, expected, "{number}");
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
    fn inbox_is_a_bounded_queue(
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
