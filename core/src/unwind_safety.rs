//! Types that stay usable after a panic, although they hold functions, errors or clocks
//! of the user: none of them is in the middle of a change while it runs user code.

#[cfg(feature = "tower")]
use crate::error::http::HandlerLayer;
use crate::{
    bounded_queue::BoundedQueue,
    error::{AppError, Handler},
    events::{
        Bus, CachedEmitter, EmitError, Emitter, Failure, InboxMonitor, Metrics, Options,
        Subscription, WeakBus, WeakEmitter,
    },
    scale::{Pool, PoolOptions, Ticket},
    stream::{CancelHandle, ChannelMonitor, PipelineMonitor},
    trace::Recorder,
};
use std::panic::{RefUnwindSafe, UnwindSafe};

macro_rules! impl_unwind_safe {
    ($($type:ident $(<$($parameter:ident $(: ?$bound:ident)?),+>)?),+ $(,)?) => {$(
        impl $(<$($parameter $(: ?$bound)?),+>)? UnwindSafe for $type $(<$($parameter),+>)? {}
        impl $(<$($parameter $(: ?$bound)?),+>)? RefUnwindSafe for $type $(<$($parameter),+>)? {}
    )+};
}

impl_unwind_safe!(
    AppError,
    BoundedQueue<I>,
    Bus<M>,
    CachedEmitter<E: ?Sized>,
    CancelHandle,
    ChannelMonitor,
    EmitError,
    Emitter<E: ?Sized, M>,
    Failure,
    Handler,
    InboxMonitor,
    Metrics,
    Options,
    PipelineMonitor,
    Pool,
    PoolOptions,
    Recorder,
    Subscription,
    Ticket<T>,
    WeakBus<M>,
    WeakEmitter<E: ?Sized, M>,
);
#[cfg(feature = "tower")]
impl_unwind_safe!(HandlerLayer);
