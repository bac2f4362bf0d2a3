//! Random scripts of sending, waiting, reading and ending, against a model that
//! is a plain queue.

use crate::plain_queue::{Answer, Ending, Item, Model, Wish};
use futures::{
    FutureExt, StreamExt,
    task::{ArcWake, waker},
};
use highwater::stream::{
    Amount, Bound, Overflow, Receiver, SendError, SendPermit, Sender, StreamError, channel,
};
use proptest::prelude::*;
use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

#[derive(Clone, Copy, Debug)]
enum Action {
    TrySend(usize),
    ForceSend(usize),
    Send(usize),
    Ready,
    Reserve,
    TryReserve,
    /// Sends by one of the permits.
    SendHeld(usize, usize),
    /// Drops one of the permits.
    Release(usize),
    /// Polls one of those that wait.
    Poll(usize),
    /// Drops one of those that wait.
    Cancel(usize),
    Read,
    End(Ending),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..6_usize).prop_map(Action::TrySend),
        2 => (0..6_usize).prop_map(Action::ForceSend),
        5 => (0..6_usize).prop_map(Action::Send),
        3 => Just(Action::Ready),
        2 => Just(Action::Reserve),
        1 => Just(Action::TryReserve),
        2 => (0..8_usize, 0..6_usize).prop_map(|(index, weight)| Action::SendHeld(index, weight)),
        2 => (0..8_usize).prop_map(Action::Release),
        6 => (0..8_usize).prop_map(Action::Poll),
        2 => (0..8_usize).prop_map(Action::Cancel),
        12 => Just(Action::Read),
        1 => prop_oneof![
            Just(Ending::Close),
            Just(Ending::Fail),
            Just(Ending::Abort)
        ].prop_map(Action::End),
    ]
}

fn overflow() -> impl Strategy<Value = Overflow> {
    prop_oneof![
        4 => Just(Overflow::Wait),
        1 => Just(Overflow::DropOldest),
        1 => Just(Overflow::DropNewest),
        1 => Just(Overflow::Latest),
        1 => Just(Overflow::Fail),
    ]
}

#[derive(Default)]
struct Woken(AtomicBool);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::Relaxed);
    }
}

type Pending<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// The channel, and those that wait for it.
struct Real<'a> {
    sender: &'a Sender<Item>,
    receiver: Receiver<Item>,
    waiting: Vec<(usize, Pending<'a>, Arc<Woken>)>,
}

fn sent(sent: Result<(), SendError<Item>>) -> Answer {
    match sent {
        Ok(()) => Answer::Done,
        Err(SendError::Full(item)) => Answer::Full(item),
        Err(SendError::Closed(item)) => Answer::Closed(Some(item)),
    }
}

impl<'a> Real<'a> {
    fn wait(&mut self, id: usize, future: Pending<'a>) -> Answer {
        self.waiting.push((id, future, Arc::default()));
        self.poll(self.waiting.len() - 1)
    }

    fn poll(&mut self, index: usize) -> Answer {
        let (_, future, woken) = &mut self.waiting[index];
        woken.0.store(false, Ordering::Relaxed);
        let waker = waker(Arc::clone(woken));
        match future.poll_unpin(&mut Context::from_waker(&waker)) {
            Poll::Pending => Answer::Pending,
            Poll::Ready(answer) => {
                drop(self.waiting.remove(index));
                answer
            }
        }
    }

    fn read(&mut self) -> Answer {
        match self.receiver.next().now_or_never() {
            None => Answer::Pending,
            Some(Some(Ok(item))) => Answer::Read(item),
            Some(Some(Err(StreamError::Failed(_)))) => Answer::Failed,
            Some(Some(Err(StreamError::Aborted))) => Answer::Aborted,
            Some(None) => Answer::Ended,
        }
    }
}

fn sum(left: Amount, right: Amount) -> (u64, u64) {
    (left.items + right.items, left.weight + right.weight)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 1000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_channel_is_a_queue_with_marks(
        high in 1..9_usize,
        low in 0..8_usize,
        overflow in overflow(),
        script in prop::collection::vec(action(), 0..80),
    ) {
        let low = low.min(high - 1);
        let bound = Bound::weight(high, |item: &Item| item.1).unwrap().low(low).unwrap();
        let (sender, receiver) = channel(bound, overflow);
        let permits: Rc<RefCell<Vec<SendPermit<'_, Item>>>> = Rc::default();
        let mut real = Real { sender: &sender, receiver, waiting: Vec::new() };
        let mut model = Model::new(high, low, overflow);
        for (id, action) in script.into_iter().enumerate() {
            let (was, expected) = match action {
                Action::TrySend(weight) => {
                    let item = (id, weight);
                    (sent(sender.try_send(item)), model.send(item, false))
                }
                Action::ForceSend(weight) => {
                    let item = (id, weight);
                    let was = match sender.force_send(item) {
                        Ok(true) => Answer::Done,
                        Ok(false) => Answer::Last,
                        Err(error) => sent(Err(error)),
                    };
                    let expected = if model.end.is_some() {
                        Answer::Closed(Some(item))
                    } else {
                        model.push(item);
                        if model.has_room() { Answer::Done } else { Answer::Last }
                    };
                    (was, expected)
                }
                Action::Send(weight) => {
                    let item = (id, weight);
                    let was = real.wait(id, Box::pin(real.sender.send(item).map(sent)));
                    let expected = match model.send(item, true) {
                        Answer::Pending => model.wait(id, Wish::Send(item)),
                        answer => answer,
                    };
                    (was, expected)
                }
                Action::Ready => {
                    let ready = real.sender.ready().map(|ready| match ready {
                        Ok(()) => Answer::Done,
                        Err(_) => Answer::Closed(None),
                    });
                    (real.wait(id, Box::pin(ready)), model.wait(id, Wish::Ready))
                }
                Action::Reserve => {
                    let kept = Rc::clone(&permits);
                    let reserve = real.sender.reserve().map(move |permit| match permit {
                        Ok(permit) => {
                            kept.borrow_mut().push(permit);
                            Answer::Done
                        }
                        Err(_) => Answer::Closed(None),
                    });
                    (real.wait(id, Box::pin(reserve)), model.wait(id, Wish::Reserve))
                }
                Action::TryReserve => {
                    let was = match sender.try_reserve() {
                        Ok(permit) => {
                            permits.borrow_mut().push(permit);
                            Answer::Done
                        }
                        Err(SendError::Full(())) => Answer::Full((0, 0)),
                        Err(SendError::Closed(())) => Answer::Closed(None),
                    };
                    (was, model.try_reserve())
                }
                Action::SendHeld(index, _) | Action::Release(index) => {
                    let len = permits.borrow().len();
                    if len == 0 {
                        continue;
                    }
                    let permit = permits.borrow_mut().remove(index % len);
                    if let Action::SendHeld(_, weight) = action {
                        let item = (id, weight);
                        (sent(permit.send(item)), model.permit(Some(item)))
                    } else {
                        drop(permit);
                        (Answer::Done, model.permit(None))
                    }
                }
                Action::Poll(index) | Action::Cancel(index) => {
                    if real.waiting.is_empty() {
                        continue;
                    }
                    let index = index % real.waiting.len();
                    let id = real.waiting[index].0;
                    if matches!(action, Action::Poll(_)) {
                        (real.poll(index), model.poll(id))
                    } else {
                        drop(real.waiting.remove(index));
                        model.cancel(id);
                        (Answer::Done, Answer::Done)
                    }
                }
                Action::Read => (real.read(), model.read()),
                Action::End(ending) => {
                    match ending {
                        Ending::Close => sender.close(),
                        Ending::Fail => sender.fail("it was told to"),
                        Ending::Abort => sender.abort(),
                    };
                    // The reader has heard of one end, and of no other.
                    if !model.is_told {
                        model.end(ending);
                    }
                    (Answer::Done, Answer::Done)
                }
            };
            model.settle();
            prop_assert_eq!(was, expected, "{:?}", action);
            if model.end.is_none() {
                for (id, _, woken) in &real.waiting {
                    let is_woken = woken.0.load(Ordering::Relaxed);
                    let known = model.line.iter().find(|waiting| waiting.id == *id).unwrap();
                    prop_assert_eq!(is_woken, known.is_woken, "{} after {:?}", id, action);
                }
            } else {
                // Who waits is told of the end, whoever is first.
                for (_, _, woken) in &real.waiting {
                    prop_assert!(woken.0.load(Ordering::Relaxed));
                }
            }
            let stats = sender.stats();
            prop_assert_eq!(stats.sent, model.sent);
            prop_assert_eq!(stats.received, model.received);
            prop_assert_eq!(stats.refused, model.refused);
            prop_assert_eq!(stats.peak, model.peak);
            prop_assert_eq!(stats.waiting, model.line.len());
            prop_assert_eq!(sender.is_closed(), model.end.is_some());
            // What the reader had taken is dropped when it hears of the abort.
            let queued = Amount { items: model.queue.len() as u64, weight: model.weight() as u64 };
            prop_assert_eq!(sum(stats.queued, stats.dropped), sum(queued, model.dropped));
            if model.end != Some(Ending::Abort) {
                prop_assert_eq!(stats.queued, queued);
                prop_assert_eq!(sender.len() as u64, queued.items);
                prop_assert_eq!(sender.is_full(), !model.has_room());
            }
        }
    }
}
