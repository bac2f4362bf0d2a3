//! Streams with backpressure.

mod bound;
mod channel;
mod stats;
mod weigh;

pub use crate::overflow::Overflow;
pub use bound::{Bound, InvalidBound};
pub use channel::{
    BoxError, ChannelSink, Ready, Receiver, SendError, Sender, Sending, StreamError, Unfinished,
    channel, channel_with_clock,
};
pub use stats::{Amount, Stats};
pub use weigh::Weigh;
