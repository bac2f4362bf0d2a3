//! Asynchronous listeners, and the emits that await them.

use super::{
    AsyncEmitter, EmitError, Emitter, Failure, ListenerOutcome, Subscription,
    delivery::Progress,
    listener::{Listen, Running, Started},
    listener_table::{ListenerPosition, ListenerTable},
    monitor::{DeliveryObserver, MonitoredEmit},
};
use crate::BoxError;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either},
    stream::FuturesUnordered,
};
use std::{
    borrow::Borrow,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

impl<E: ?Sized + Send + Sync + 'static> AsyncEmitter<E> {
    /// Adds an asynchronous listener after the existing ones, for
    /// [`emit_serial`](Self::emit_serial) and
    /// [`emit_concurrent`](Self::emit_concurrent). An emitter with asynchronous
    /// listeners has no plain [`emit`](Emitter::emit).
    ///
    /// The event is shared, since the listener may outlive the call that started it.
    ///
    /// ```
    /// use highwater::events::AsyncEmitter;
    ///
    /// # futures::executor::block_on(async {
    /// let emitter = AsyncEmitter::<u32>::new_async();
    /// emitter.on_async("store", async |id| {
    ///     // store.insert(*id).await?
    ///     if *id == 0 { Err("no such id") } else { Ok(()) }
    /// }).detach();
    ///
    /// assert_eq!(emitter.emit_serial(7).await.unwrap(), 1);
    /// assert!(emitter.emit_serial(0).await.is_err());
    /// # });
    /// ```
    #[track_caller]
    pub fn on_async<F, R>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(Arc<E>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = R> + Send + 'static,
        R: ListenerOutcome,
    {
        self.add(
            ListenerPosition::Last,
            false,
            name.into(),
            async_listener(listener),
        )
    }

    /// Adds an asynchronous listener before the existing ones. See
    /// [`on_async`](Self::on_async).
    ///
    /// ```
    /// use highwater::events::AsyncEmitter;
    ///
    /// let emitter = AsyncEmitter::<u32>::new_async();
    /// emitter.on("store", |_| ()).detach();
    /// emitter.prepend_async("check", async |_| {}).detach();
    /// assert_eq!(&*emitter.listeners()[0].name, "check");
    /// ```
    #[track_caller]
    pub fn prepend_async<F, R>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(Arc<E>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = R> + Send + 'static,
        R: ListenerOutcome,
    {
        self.add(
            ListenerPosition::First,
            false,
            name.into(),
            async_listener(listener),
        )
    }

    /// Adds an asynchronous listener for one event. It is removed before it is
    /// started. See [`on_async`](Self::on_async).
    ///
    /// ```
    /// use highwater::events::AsyncEmitter;
    ///
    /// # futures::executor::block_on(async {
    /// let emitter = AsyncEmitter::<u32>::new_async();
    /// emitter.once_async("warm up", async |_| {}).detach();
    /// assert_eq!(emitter.emit_serial(1).await.unwrap(), 1);
    /// assert_eq!(emitter.emit_serial(2).await.unwrap(), 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn once_async<F, R>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(Arc<E>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = R> + Send + 'static,
        R: ListenerOutcome,
    {
        self.add(
            ListenerPosition::Last,
            true,
            name.into(),
            async_listener(listener),
        )
    }
}

impl<E: ?Sized + Send + Sync + 'static, M> Emitter<E, M> {
    /// Delivers an event to every listener, in order, each after the one before has
    /// completed, and returns how many ran.
    ///
    /// Nothing happens until the future is first polled; the listeners are those
    /// present then. Dropping the future stops the running listener and starts no
    /// other. Unobserved failures it has not returned yet are dropped with it, and a
    /// `once` that was called is used up.
    ///
    /// ```
    /// use highwater::events::AsyncEmitter;
    ///
    /// # futures::executor::block_on(async {
    /// let emitter = AsyncEmitter::<str>::new_async();
    /// emitter.on_async("first", async |_| {}).detach();
    /// emitter.on("then", |_| ()).detach();
    /// assert_eq!(emitter.emit_serial("saved").await.unwrap(), 2);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`EmitError`], as for [`emit`](Self::emit).
    pub fn emit_serial<T>(
        &self,
        event: T,
    ) -> impl Future<Output = Result<usize, EmitError>> + Send + use<E, T, M>
    where
        T: Borrow<E> + Into<Arc<E>> + Send + Sync + 'static,
    {
        SerialEmit::new(self.in_mode(), event)
    }

    /// Delivers an event to every listener and returns how many ran. Listeners are
    /// started in order and awaited together, at most `limit` at a time (0: no
    /// limit).
    ///
    /// As with [`emit_serial`](Self::emit_serial), the listeners are those present
    /// when the future is first polled. A plain listener runs in its turn and delays
    /// the others. Under [`FailurePolicy::FailFast`](super::FailurePolicy::FailFast)
    /// no listener is started after a failure; running ones are awaited, and their
    /// failures are returned too. Dropping the future stops the running listeners and
    /// drops the failures it would have returned.
    ///
    /// # Errors
    ///
    /// [`EmitError`], as for [`emit`](Self::emit). The failures are in the order of
    /// the listeners, not of time.
    ///
    /// ```
    /// use highwater::events::AsyncEmitter;
    ///
    /// # futures::executor::block_on(async {
    /// let emitter = AsyncEmitter::<str>::new_async();
    /// for shard in ["a", "b", "c"] {
    ///     emitter.on_async(shard, async |_| {}).detach();
    /// }
    /// assert_eq!(emitter.emit_concurrent("saved", 2).await.unwrap(), 3);
    /// # });
    /// ```
    pub fn emit_concurrent<T>(
        &self,
        event: T,
        limit: usize,
    ) -> impl Future<Output = Result<usize, EmitError>> + Send + use<E, T, M>
    where
        T: Into<Arc<E>>,
    {
        let limit = if limit == 0 { usize::MAX } else { limit };
        run_concurrently(self.in_mode(), event.into(), limit)
    }
}

/// The future of a serial emit.
///
/// Most awaited emits never wait: inboxes have room and listeners are plain. So this
/// holds only the emitter and the event, and boxes a future only when a listener has
/// to be awaited.
pub(super) struct SerialEmit<E: ?Sized, T> {
    emit: Option<PendingEmit<E, T>>,
    awaiting: Option<BoxFuture<'static, Result<usize, EmitError>>>,
}

/// An emit that has not started. The event is moved into an `Arc` only when the first
/// asynchronous listener is reached, since that may outlive the call.
struct PendingEmit<E: ?Sized, T> {
    emitter: Emitter<E>,
    event: T,
}

impl<E: ?Sized, T> SerialEmit<E, T> {
    pub(super) fn new(emitter: Emitter<E>, event: T) -> Self {
        SerialEmit {
            emit: Some(PendingEmit { emitter, event }),
            awaiting: None,
        }
    }
}

impl<E, T> Future for SerialEmit<E, T>
where
    E: ?Sized + Send + Sync + 'static,
    T: Borrow<E> + Into<Arc<E>> + Send + Sync + 'static,
{
    type Output = Result<usize, EmitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(emit) = self.emit.take() {
            let mut progress = Progress::default();
            let suspended = emit.begin(&mut progress);
            let Some(suspended) = suspended else {
                return Poll::Ready(progress.into_result());
            };
            self.awaiting = Some(Box::pin(emit.finish(suspended, progress)));
        }
        match &mut self.awaiting {
            Some(awaiting) => awaiting.as_mut().poll(context),
            // Polled again after completion.
            None => Poll::Pending,
        }
    }
}

/// No field is pinned.
impl<E: ?Sized, T> Unpin for SerialEmit<E, T> {}

/// An emit that has reached a listener it must await.
struct SuspendedEmit<E: ?Sized> {
    table: Arc<ListenerTable<E>>,
    /// The index of that listener.
    index: usize,
    call: CallState,
}

/// The state of the call of that listener.
enum CallState {
    NotStarted,
    /// It may be called, and needs a shared event.
    Admitted,
    Running(Running),
}

impl<E, T> PendingEmit<E, T>
where
    E: ?Sized + Send + Sync + 'static,
    T: Borrow<E> + Into<Arc<E>> + Send + Sync + 'static,
{
    /// Runs as far as possible without waiting, which usually is to the end.
    fn begin(&self, progress: &mut Progress) -> Option<SuspendedEmit<E>> {
        self.emitter.shared.table.with(|table| {
            self.emitter.count_if_unhandled(table);
            let (index, call) = if table.monitors().is_empty() {
                self.run_to_first_wait(table, progress)?
            } else {
                (0, CallState::NotStarted)
            };
            Some(SuspendedEmit {
                table: Arc::clone(table),
                index,
                call,
            })
        })
    }

    fn run_to_first_wait(
        &self,
        table: &ListenerTable<E>,
        progress: &mut Progress,
    ) -> Option<(usize, CallState)> {
        for (index, entry) in table.listeners().iter().enumerate() {
            if !self.emitter.should_call(entry) {
                continue;
            }
            progress.delivered += 1;
            match entry.listen.start(self.event.borrow()) {
                Started::Running(running) => return Some((index, CallState::Running(running))),
                Started::NeedsShared => return Some((index, CallState::Admitted)),
                Started::Done(Ok(())) => {}
                Started::Done(Err(error)) => {
                    let flow = self
                        .emitter
                        .handle_failure(entry, error, &mut progress.failures);
                    if flow.is_break() {
                        break;
                    }
                }
            }
        }
        None
    }

    async fn finish(
        self,
        suspended: SuspendedEmit<E>,
        mut progress: Progress,
    ) -> Result<usize, EmitError> {
        let PendingEmit { emitter, event } = self;
        let SuspendedEmit {
            table,
            index: from,
            mut call,
        } = suspended;
        let event: Arc<E> = event.into();
        let (listeners, monitors) = (table.listeners(), table.monitors());
        let mut monitored = MonitoredEmit::begin_if_any(&*event, monitors, listeners.len());
        for entry in &listeners[from..] {
            let call = std::mem::replace(&mut call, CallState::NotStarted);
            if matches!(call, CallState::NotStarted) {
                if !emitter.should_call(entry) {
                    continue;
                }
                progress.delivered += 1;
                monitored.delivering(entry.registration());
            }
            let started = match call {
                CallState::Running(running) => Started::Running(running),
                CallState::Admitted => Started::NeedsShared,
                CallState::NotStarted => entry.listen.start(&event),
            };
            let result = match started {
                Started::Done(result) => result,
                Started::Running(running) => running.await,
                Started::NeedsShared => entry.listen.start_shared(&event).await,
            };
            monitored.ended(entry.registration(), &result);
            if let Err(error) = result
                && emitter
                    .handle_failure(entry, error, &mut progress.failures)
                    .is_break()
            {
                break;
            }
        }
        progress.into_result()
    }
}

async fn run_concurrently<E: ?Sized + Send + Sync + 'static>(
    emitter: Emitter<E>,
    event: Arc<E>,
    limit: usize,
) -> Result<usize, EmitError> {
    let table = emitter.shared.table.get();
    emitter.count_if_unhandled(&table);
    let mut monitored =
        MonitoredEmit::begin_if_any(&*event, table.monitors(), table.listeners().len());
    let mut unstarted = table.listeners().iter().enumerate();
    let mut running = FuturesUnordered::new();
    let mut delivered = 0;
    let mut failures: Vec<(usize, Vec<Failure>)> = Vec::new();
    let mut stopped = false;
    loop {
        let next = if stopped || running.len() >= limit {
            None
        } else {
            unstarted.next()
        };
        let (index, entry, result) = if let Some((index, entry)) = next {
            if !emitter.should_call(entry) {
                continue;
            }
            delivered += 1;
            monitored.delivering(entry.registration());
            let future = match entry.listen.start(&event) {
                Started::Done(result) => Either::Left(result),
                Started::Running(future) => Either::Right(future),
                Started::NeedsShared => Either::Right(entry.listen.start_shared(&event)),
            };
            match future {
                Either::Left(result) => (index, entry, result),
                Either::Right(future) => {
                    running.push(future.map(move |result| (index, entry, result)));
                    continue;
                }
            }
        } else if let Some(ended) = running.next().await {
            ended
        } else {
            break;
        };
        monitored.ended(entry.registration(), &result);
        if let Err(error) = result {
            let mut own = Vec::new();
            stopped |= emitter.handle_failure(entry, error, &mut own).is_break();
            let position = failures.partition_point(|(known, _)| *known < index);
            failures.insert(position, (index, own));
        }
    }
    let failures = failures.into_iter().flat_map(|(_, own)| own).collect();
    let progress = Progress {
        delivered,
        failures,
    };
    progress.into_result()
}

fn async_listener<E, F, R>(
    listener: impl Fn(Arc<E>) -> F + Send + Sync + 'static,
) -> Arc<dyn Listen<E>>
where
    E: ?Sized + Send + Sync + 'static,
    F: Future<Output = R> + Send + 'static,
    R: ListenerOutcome,
{
    Arc::new(AsyncFnListener(move |event: &Arc<E>| {
        let running = listener(Arc::clone(event));
        async move { running.await.into_result() }.boxed()
    }))
}

/// An asynchronous function as a listener.
struct AsyncFnListener<F>(F);

impl<E, F> Listen<E> for AsyncFnListener<F>
where
    E: ?Sized,
    F: Fn(&Arc<E>) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync + 'static,
{
    fn call(&self, _: &E) -> Result<(), BoxError> {
        unreachable!("an emitter with asynchronous listeners has awaited emits only")
    }

    fn start(&self, _: &E) -> Started {
        Started::NeedsShared
    }

    fn start_shared(&self, event: &Arc<E>) -> Running {
        (self.0)(event)
    }
}
