//! Property tests: random histories of simulated processes, and random texts through
//! the line encoding of real ones.

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

/// A process that follows commands such as `sleep 5`, in milliseconds.
static SCRIPTED: Program = Program {
    name: "scripted",
    run: |context| Box::pin(follow(context)),
};

/// Executes each command and replies with the times at which it was received and
/// done, in microseconds. `spawn` sends a late reply from a task.
async fn follow(context: ProcessContext) {
    let platform = context.platform().clone();
    while let Some(command) = context.recv().await {
        let received = platform.now().as_micros();
        let (action, duration) = command.split_once(' ').unwrap();
        let duration = ms(duration.parse().unwrap());
        match action {
            "sleep" => platform.sleep(duration).await,
            "block" => platform.timer().block(duration),
            _ => {
                let (own, late) = (context.clone(), platform.clone());
                drop(platform.spawn(async move {
                    late.sleep(duration).await;
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
    action: &'static str,
    duration_ms: u64,
    /// The time the loop sleeps and blocks before it sends, in milliseconds.
    sleep: u64,
    block: u64,
}

fn sent() -> impl Strategy<Value = Sent> {
    let action = prop_oneof![Just("sleep"), Just("block"), Just("spawn")];
    (0..3_usize, action, 0..20_u64, 0..10_u64, 0..3_u64).prop_map(
        |(process, action, duration_ms, sleep, block)| Sent {
            process,
            action,
            duration_ms,
            sleep,
            block,
        },
    )
}

/// A reply: process, text and time of arrival in microseconds.
type Reply = (usize, String, u128);

fn history(script: Vec<Sent>, blocks: bool) -> (Vec<Reply>, Vec<u128>) {
    let world = VirtualTime::new();
    let platform = world.platform();
    let outcome = world.run_to_end(async move {
        let processes: Rc<[_; 3]> = Rc::new([(); 3].map(|()| platform.start(&SCRIPTED)));
        let (sender, replies) = mpsc::unbounded();
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
            processes[sent.process].send(format!("{} {}", sent.action, sent.duration_ms));
        }
        platform.sleep(ms(10_000)).await;
        for process in processes.iter() {
            process.close();
        }
        join_all(readers).await;
        drop(sender);
        (replies.collect().await, sent_at)
    });
    outcome.expect("every wait ends")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_in_order_and_on_time(
        script in prop::collection::vec(sent(), 0..25),
        blocks: bool,
    ) {
        let (replies, sent_at) = history(script.clone(), blocks);
        prop_assert_eq!((&replies, &sent_at), (&history(script.clone(), blocks).0, &sent_at));
        prop_assert!(replies.is_sorted_by_key(|(.., at)| *at), "{replies:?}");
        let delay = MESSAGE_DELAY.as_micros();
        let start = PROCESS_START.as_micros();
        for process in 0..3 {
            let mine = || replies.iter().filter(move |(of, ..)| *of == process);
            let commands = script.iter().zip(&sent_at).filter(|(sent, _)| sent.process == process);
            let answers = mine().filter(|(_, text, _)| !text.starts_with("late"));
            prop_assert_eq!(commands.clone().count(), answers.clone().count());
            let mut free = start;
            for ((sent, sent_at), (_, text, arrived_at)) in commands.zip(answers) {
                let (received, done) = text.split_once(' ').unwrap();
                let [received, done] = [received, done]
                    .map(|at| start + at.parse::<u128>().unwrap());
                // Received on arrival, or as soon as the process is free.
                let earliest = (sent_at + delay).max(start);
                prop_assert!(received >= earliest.max(free), "{sent:?}: {text}");
                let blocked = script.iter().any(|it| it.action == "block");
                if !blocked {
                    prop_assert_eq!(received, earliest.max(free));
                }
                free = done;
                // The loop reads it on arrival, unless the loop is blocked.
                prop_assert!(*arrived_at >= done + delay);
                if !blocks {
                    prop_assert_eq!(*arrived_at, done + delay);
                }
            }
            for (_, text, arrived_at) in mine().filter(|(_, text, _)| text.starts_with("late")) {
                let sent: u128 = text["late ".len()..].parse().unwrap();
                prop_assert!(*arrived_at >= start + sent + delay);
            }
        }
    }

    #[test]
    fn encoded_lines_round_trip(text: String, location: Option<String>) {
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
        for input in [ProcessInput::Message(text.clone()), ProcessInput::Close] {
            let line = input.to_line();
            prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
            prop_assert_eq!(ProcessInput::from_line(&line), Some(input));
        }
        // Arbitrary text must not panic.
        let _ = (ProcessEvent::from_line(&text), ProcessInput::from_line(&text));
    }
}
