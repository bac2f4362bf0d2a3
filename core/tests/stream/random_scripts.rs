//! Random scripts of channel operations, compared with a model.

use crate::model::{Ending, Item, Model, Operation, Outcome};
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
    /// Sends with a permit.
    SendWithPermit(usize, usize),
    /// Drops a permit.
    ReleasePermit(usize),
    /// Polls a waiting future.
    Poll(usize),
    /// Drops a waiting future.
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
        2 => (0..8_usize, 0..6_usize).prop_map(|(index, weight)| Action::SendWithPermit(index, weight)),
        2 => (0..8_usize).prop_map(Action::ReleasePermit),
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
struct WakeFlag(AtomicBool);

impl ArcWake for WakeFlag {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::Relaxed);
    }
}

type Pending<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// The channel under test, and the futures waiting on it.
struct ActualChannel<'a> {
    sender: &'a Sender<Item>,
    receiver: Receiver<Item>,
    waiting: Vec<(usize, Pending<'a>, Arc<WakeFlag>)>,
}

fn outcome_of(sent: Result<(), SendError<Item>>) -> Outcome {
    match sent {
        Ok(()) => Outcome::Done,
        Err(SendError::Full(item)) => Outcome::Full(item),
        Err(SendError::Closed(item)) => Outcome::Closed(Some(item)),
    }
}

impl<'a> ActualChannel<'a> {
    fn wait(&mut self, id: usize, future: Pending<'a>) -> Outcome {
        self.waiting.push((id, future, Arc::default()));
        self.poll(self.waiting.len() - 1)
    }

    fn poll(&mut self, index: usize) -> Outcome {
        let (_, future, woken) = &mut self.waiting[index];
        woken.0.store(false, Ordering::Relaxed);
        let waker = waker(Arc::clone(woken));
        match future.poll_unpin(&mut Context::from_waker(&waker)) {
            Poll::Pending => Outcome::Pending,
            Poll::Ready(outcome) => {
                drop(self.waiting.remove(index));
                outcome
            }
        }
    }

    fn read(&mut self) -> Outcome {
        match self.receiver.next().now_or_never() {
            None => Outcome::Pending,
            Some(Some(Ok(item))) => Outcome::Read(item),
            Some(Some(Err(StreamError::Failed(_)))) => Outcome::Failed,
            Some(Some(Err(StreamError::Aborted))) => Outcome::Aborted,
            Some(None) => Outcome::Ended,
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
    fn channel_behaves_like_the_model(
        high in 1..9_usize,
        low in 0..8_usize,
        overflow in overflow(),
        script in prop::collection::vec(action(), 0..80),
    ) {
        let low = low.min(high - 1);
        let bound = Bound::weight(high, |item: &Item| item.1).unwrap().with_low_water_mark(low).unwrap();
        let (sender, receiver) = channel(bound, overflow);
        let permits: Rc<RefCell<Vec<SendPermit<'_, Item>>>> = Rc::default();
        let mut actual_channel = ActualChannel { sender: &sender, receiver, waiting: Vec::new() };
        let mut model = Model::new(high, low, overflow);
        for (id, action) in script.into_iter().enumerate() {
            let (actual, expected) = match action {
                Action::TrySend(weight) => {
                    let item = (id, weight);
                    (outcome_of(sender.try_send(item)), model.send(item, false))
                }
                Action::ForceSend(weight) => {
                    let item = (id, weight);
                    let actual = match sender.force_send(item) {
                        Ok(true) => Outcome::Done,
                        Ok(false) => Outcome::SentAndFull,
                        Err(error) => outcome_of(Err(error)),
                    };
                    let expected = if model.end.is_some() {
                        Outcome::Closed(Some(item))
                    } else {
                        model.push(item);
                        if model.has_room() { Outcome::Done } else { Outcome::SentAndFull }
                    };
                    (actual, expected)
                }
                Action::Send(weight) => {
                    let item = (id, weight);
                    let actual = actual_channel.wait(id, Box::pin(actual_channel.sender.send(item).map(outcome_of)));
                    let expected = match model.send(item, true) {
                        Outcome::Pending => model.wait(id, Operation::Send(item)),
                        outcome => outcome,
                    };
                    (actual, expected)
                }
                Action::Ready => {
                    let ready = actual_channel.sender.ready().map(|ready| match ready {
                        Ok(()) => Outcome::Done,
                        Err(_) => Outcome::Closed(None),
                    });
                    (actual_channel.wait(id, Box::pin(ready)), model.wait(id, Operation::Ready))
                }
                Action::Reserve => {
                    let collected_permits = Rc::clone(&permits);
                    let reserve = actual_channel.sender.reserve().map(move |permit| match permit {
                        Ok(permit) => {
                            collected_permits.borrow_mut().push(permit);
                            Outcome::Done
                        }
                        Err(_) => Outcome::Closed(None),
                    });
                    (actual_channel.wait(id, Box::pin(reserve)), model.wait(id, Operation::Reserve))
                }
                Action::TryReserve => {
                    let actual = match sender.try_reserve() {
                        Ok(permit) => {
                            permits.borrow_mut().push(permit);
                            Outcome::Done
                        }
                        Err(SendError::Full(())) => Outcome::Full((0, 0)),
                        Err(SendError::Closed(())) => Outcome::Closed(None),
                    };
                    (actual, model.try_reserve())
                }
                Action::SendWithPermit(index, _) | Action::ReleasePermit(index) => {
                    let len = permits.borrow().len();
                    if len == 0 {
                        continue;
                    }
                    let permit = permits.borrow_mut().remove(index % len);
                    if let Action::SendWithPermit(_, weight) = action {
                        let item = (id, weight);
                        (outcome_of(permit.send(item)), model.use_permit(Some(item)))
                    } else {
                        drop(permit);
                        (Outcome::Done, model.use_permit(None))
                    }
                }
                Action::Poll(index) | Action::Cancel(index) => {
                    if actual_channel.waiting.is_empty() {
                        continue;
                    }
                    let index = index % actual_channel.waiting.len();
                    let id = actual_channel.waiting[index].0;
                    if matches!(action, Action::Poll(_)) {
                        (actual_channel.poll(index), model.poll(id))
                    } else {
                        drop(actual_channel.waiting.remove(index));
                        model.cancel(id);
                        (Outcome::Done, Outcome::Done)
                    }
                }
                Action::Read => (actual_channel.read(), model.read()),
                Action::End(ending) => {
                    match ending {
                        Ending::Close => sender.close(),
                        Ending::Fail => sender.fail("injected"),
                        Ending::Abort => sender.abort(),
                    };
                    // After the reader has read the end, ending the channel has no
                    // effect.
                    if !model.end_was_read {
                        model.end(ending);
                    }
                    (Outcome::Done, Outcome::Done)
                }
            };
            model.reopen_if_drained();
            prop_assert_eq!(actual, expected, "{:?}", action);
            if model.end.is_none() {
                for (id, _, woken) in &actual_channel.waiting {
                    let is_woken = woken.0.load(Ordering::Relaxed);
                    let modelled = model.waiters.iter().find(|waiting| waiting.id == *id).unwrap();
                    prop_assert_eq!(is_woken, modelled.is_woken, "{} after {:?}", id, action);
                }
            } else {
                // Ending the channel wakes every waiter.
                for (_, _, woken) in &actual_channel.waiting {
                    prop_assert!(woken.0.load(Ordering::Relaxed));
                }
            }
            let stats = sender.stats();
            prop_assert_eq!(stats.sent, model.sent);
            prop_assert_eq!(stats.received, model.received);
            prop_assert_eq!(stats.rejected, model.rejected);
            prop_assert_eq!(stats.peak, model.peak);
            prop_assert_eq!(stats.waiting, model.waiters.len());
            prop_assert_eq!(sender.is_closed(), model.end.is_some());
            // After an abort, the reader drops its batch on its next read.
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
