//! Traits that users expect of the library's types.

use highwater::{BoxError, Clock, LatencyHistogram, Overflow, error, events, scale, stream, trace};
use std::{
    error::Error,
    fmt::{Debug, Display},
    hash::Hash,
    panic::{RefUnwindSafe, UnwindSafe},
    rc::Rc,
};

/// Checks at compile time that each type implements the traits.
macro_rules! implement {
    ($bounds:tt: $($type:ty),* $(,)?) => { $(implement!(@ $bounds $type);)* };
    (@ ($($bound:tt)+) $type:ty) => {
        const _: () = {
            const fn check<T: $($bound)+ + ?Sized>() {}
            check::<$type>();
        };
    };
}

implement!((Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug):
    LatencyHistogram, Overflow,
    error::AppError, error::Breaker, error::BreakerOpen, error::BreakerState, error::Class,
    error::Classification, error::CorrelationId, error::Decision, error::ErrorKind,
    error::FailedAttempt<'_>, error::FieldError, error::GiveUp, error::Handler,
    error::HandlerPolicy, error::HandlerStats, error::IdGenerator, error::Incident<'_>,
    error::InvalidId, error::Permit, error::Problem, error::RetryBudget, error::RetryPolicy,
    error::ErrorReport<'_>,
    events::AsyncBus, events::AsyncEmitter<str>, events::Bus, events::CachedEmitter<str>,
    events::EmitError, events::Emitter<str>, events::EventMetrics, events::Failure,
    events::FailurePolicy, events::Inbox<u8>, events::InboxFull, events::InboxMonitor,
    events::InboxStats,
    events::Leak, events::ListenerId, events::ListenerMetrics,
    events::Metrics, events::Options, events::Percentiles, events::Registration,
    events::Removal, events::Subscription, events::WeakBus, events::WeakEmitter<str>,
    events::ZeroCapacity,
    scale::Action, scale::Cancellation, scale::Escalation, scale::LagMonitor, scale::Pool,
    scale::PoolLatencies, scale::PoolOptions, scale::PoolStats, scale::QueueFull,
    scale::Rejected<u8>, scale::Supervisor, scale::SupervisorOptions,
    scale::Ticket<u8>, scale::WorkError, scale::WorkerId,
    stream::Amount, stream::Batch<u8>, stream::Bound<u8>, stream::CancelHandle,
    stream::ChannelMonitor, stream::ChannelSink<u8>,
    stream::Chunks<u8>, stream::InvalidBound, stream::LineTooLong, stream::Lines<u8>,
    stream::PipelineMonitor, stream::PipelineReport, stream::Receiver<u8>,
    stream::SendError<u8>, stream::SendPermit<'_, u8>, stream::Sender<u8>, stream::StageReport, stream::Stats, stream::Unfinished,
    trace::Counters, trace::Event, trace::MalformedBatch, trace::NameId, trace::PackedBatch,
    trace::Phase, trace::QueueTotals, trace::RecordBatch, trace::RecordKind, trace::Recorder,
    trace::Ring<u8>, trace::Span, trace::Summary, trace::Trace,
);

// For events of any type.
implement!((Send + Sync):
    events::AsyncEmitter<Rc<()>>, events::CachedEmitter<Rc<()>>, events::Emitter<Rc<()>>,
    events::WeakEmitter<Rc<()>>,
);

// They hold errors of the user.
implement!((Send + Sync + Unpin + Debug):
    events::Notice<'_>, stream::PipelineError, stream::StreamError, stream::TryRecvError,
);
implement!((Send): scale::Work, dyn Clock);
implement!((Send + Sync + Unpin + UnwindSafe + RefUnwindSafe):
    stream::ClosedFuture<'_, u8>, stream::ReadyFuture<'_, u8>, stream::ReserveFuture<'_, u8>,
    stream::SendFuture<'_, u8>,
);
#[cfg(feature = "tower")]
implement!((Send + Sync + UnwindSafe + RefUnwindSafe + Debug): error::http::HandlerLayer);
#[cfg(feature = "tokio")]
implement!((Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug):
    highwater::tokio::LagTask, highwater::tokio::TokioClock,
);

implement!((Error + Send + Sync + 'static):
    error::AppError, error::BreakerOpen, error::GiveUp, error::InvalidId, events::EmitError,
    events::Failure, events::InboxFull, events::ZeroCapacity, scale::QueueFull,
    scale::Rejected<fn()>, scale::WorkError, stream::InvalidBound, stream::LineTooLong,
    stream::PipelineError, stream::SendError<fn()>, stream::StreamError, stream::TryRecvError,
    stream::Unfinished, trace::MalformedBatch,
);

implement!((Into<BoxError>): error::AppError, stream::PipelineError);

implement!((Copy + Eq + Hash + Debug):
    Overflow, error::BreakerState, error::Class, error::CorrelationId, error::ErrorKind,
    error::GiveUp, error::HandlerPolicy, events::FailurePolicy, events::ListenerId,
    events::Removal, scale::Action, scale::Escalation, scale::WorkerId, trace::NameId,
    trace::Phase, trace::RecordKind,
);

implement!((Display):
    error::BreakerState, error::Class, error::CorrelationId, error::Decision,
    error::ErrorKind, events::Leak, events::ListenerId, scale::WorkerId, trace::RecordKind,
);

implement!((Default + Clone):
    LatencyHistogram, Overflow, error::HandlerPolicy, error::HandlerStats, error::RetryBudget,
    error::RetryPolicy, events::AsyncBus, events::AsyncEmitter<str>, events::Bus,
    events::Emitter<str>, events::Options, events::Percentiles, scale::Escalation,
    scale::PoolLatencies, scale::PoolStats, scale::SupervisorOptions, stream::Amount,
    stream::PipelineReport, stream::Stats, trace::Counters, trace::PackedBatch,
    trace::RecordBatch, trace::Summary, trace::Trace,
);
