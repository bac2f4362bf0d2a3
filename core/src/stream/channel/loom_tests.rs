//! Loom tests of what a channel adds to its queue: the end with the last sender.
//! Run them with `RUSTFLAGS="--cfg loom" cargo test -p highwater --release --lib`.

use super::channel;
use crate::{Overflow, stream::Bound};
use futures::StreamExt;
use loom::{future::block_on, thread};

#[test]
fn last_sender_ends_the_channel() {
    loom::model(|| {
        let bound = Bound::items(2).expect("positive");
        let (sender, mut receiver) = channel(bound, Overflow::Wait);
        let other = sender.clone();
        let sending = thread::spawn(move || {
            other.try_send(1).expect("there is room");
            drop(other);
        });
        drop(sender);
        assert!(matches!(block_on(receiver.next()), Some(Ok(1))));
        assert!(block_on(receiver.next()).is_none());
        sending.join().expect("no panic");
    });
}
