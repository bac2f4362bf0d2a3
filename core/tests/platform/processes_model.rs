//! Random histories of processes in the simulated world, and random texts on
//! their way between real ones.

use futures::{StreamExt, channel::mpsc, future::join_all};
use highwater::platform::{
    Exit, MESSAGE_DELAY, PROCESS_START, ProcessContext, ProcessEvent, ProcessInput, Program,
    VirtualTime,
};
use proptest::prelude::*;
use std::{rc::Rc, time::Duration};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What a scripted process does between messages, in milliseconds.
static SCRIPTED: Program = Program {
    name: "scripted",
    run: |context| Box::pin(follow(context)),
};

/// Each order is a sleep, a block or a wait for the next; after each it tells
/// when that was.
async fn follow(context: ProcessContext) {
    let platform = context.platform().clone();
    while let Some(order) = context.recv().await {
        let received = platform.now().as_micros();
        let (what, long) = order.split_once(' ').unwrap();
        let long = ms(long.parse().unwrap());
        match what {
            "sleep" => platform.sleep(long).await,
            "block" => platform.timer().block(long),
            _ => {
                let (own, late) = (context.clone(), platform.clone());
                drop(platform.spawn(async move {
                    late.sleep(long).await;
                    own.send(format!("late {}", late.now().as_micros()));
                }));
            }
        }
        let done = platform.now().as_micros();
        context.send(format!("{received} {done}"));
    }
}

#[derive(Clone, Debug)]
struct Sent {
    process: usize,
    order: &'static str,
    long: u64,
    /// What the loop does before.
    sleep: u64,
    block: u64,
}

fn sent() -> impl Strategy<Value = Sent> {
    let order = prop_oneof![Just("sleep"), Just("block"), Just("spawn")];
    (0..3_usize, order, 0..20_u64, 0..10_u64, 0..3_u64).prop_map(
        |(process, order, long, sleep, block)| Sent {
            process,
            order,
            long,
            sleep,
            block,
        },
    )
}

/// Who told what, and when it was heard, in microseconds.
type Heard = (usize, String, u128);

fn history(script: Vec<Sent>, blocks: bool) -> (Vec<Heard>, Vec<u128>) {
    let world = VirtualTime::new();
    let platform = world.platform();
    let outcome = world.run_to_end(async move {
        let processes: Rc<[_; 3]> = Rc::new([(); 3].map(|()| platform.start(&SCRIPTED)));
        let (sender, heard) = mpsc::unbounded();
        let readers = (0..3).map(|index| {
            let (processes, sender) = (Rc::clone(&processes), sender.clone());
            let platform = platform.clone();
            platform.clone().spawn(async move {
                while let ProcessEvent::Message(text) = processes[index].next().await {
                    let at = platform.now().as_micros();
                    sender.unbounded_send((index, text, at)).unwrap();
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        let mut sent_at = Vec::new();
        for sent in script {
            platform.sleep(ms(sent.sleep)).await;
            if blocks {
                platform.timer().block(ms(sent.block));
            }
            sent_at.push(platform.now().as_micros());
            processes[sent.process].send(format!("{} {}", sent.order, sent.long));
        }
        platform.sleep(ms(10_000)).await;
        for process in processes.iter() {
            process.close();
        }
        join_all(readers).await;
        drop(sender);
        (heard.collect().await, sent_at)
    });
    outcome.expect("every wait ends")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_and_none_before_it_was_sent(
        script in prop::collection::vec(sent(), 0..25),
        blocks: bool,
    ) {
        let (heard, sent_at) = history(script.clone(), blocks);
        prop_assert_eq!((&heard, &sent_at), (&history(script.clone(), blocks).0, &sent_at));
        prop_assert!(heard.is_sorted_by_key(|(.., at)| *at), "{heard:?}");
        let delay = MESSAGE_DELAY.as_micros();
        let begun = PROCESS_START.as_micros();
        for process in 0..3 {
            let mine = || heard.iter().filter(move |(of, ..)| *of == process);
            let orders = script.iter().zip(&sent_at).filter(|(sent, _)| sent.process == process);
            let answers = mine().filter(|(_, text, _)| !text.starts_with("late"));
            prop_assert_eq!(orders.clone().count(), answers.clone().count());
            let mut free = begun;
            for ((sent, sent_at), (_, text, heard_at)) in orders.zip(answers) {
                let (received, done) = text.split_once(' ').unwrap();
                let [received, done] = [received, done]
                    .map(|at| begun + at.parse::<u128>().unwrap());
                // It is received when it arrives, or when the process is free.
                let earliest = (sent_at + delay).max(begun);
                prop_assert!(received >= earliest.max(free), "{sent:?}: {text}");
                let blocked = script.iter().any(|it| it.order == "block");
                if !blocked {
                    prop_assert_eq!(received, earliest.max(free));
                }
                free = done;
                // The loop hears it as it arrives, unless it blocks itself.
                prop_assert!(*heard_at >= done + delay);
                if !blocks {
                    prop_assert_eq!(*heard_at, done + delay);
                }
            }
            for (_, text, heard_at) in mine().filter(|(_, text, _)| text.starts_with("late")) {
                let told: u128 = text["late ".len()..].parse().unwrap();
                prop_assert!(*heard_at >= begun + told + delay);
            }
        }
    }

    #[test]
    fn a_line_is_one_whatever_it_carries(text: String, location: Option<String>) {
        let events = [
            ProcessEvent::Message(text.clone()),
            ProcessEvent::Exited(Exit::Lost { reason: text.clone() }),
            ProcessEvent::Exited(Exit::Bug { message: text.clone(), location }),
            ProcessEvent::Ready,
            ProcessEvent::Exited(Exit::Killed),
            ProcessEvent::Exited(Exit::Finished),
        ];
        for event in events {
            let line = event.to_line();
            prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
            prop_assert_eq!(ProcessEvent::from_line(&line), Some(event));
        }
        for order in [ProcessInput::Message(text.clone()), ProcessInput::Close] {
            let line = order.to_line();
            prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
            prop_assert_eq!(ProcessInput::from_line(&line), Some(order));
        }
        // Anything may come through a pipe, and is read or not.
        let _ = (ProcessEvent::from_line(&text), ProcessInput::from_line(&text));
    }
}
