//! Emits that wait for asynchronous listeners.

use super::{
    AsyncEmitter, EmitError, Emitter, Failure, Outcome, Subscription,
    deliver::Progress,
    listener::{Listen, Running, Started},
    lists::Place,
    monitor::{Tell, Told},
    serial::Serial,
};
use crate::BoxError;
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either},
    stream::FuturesUnordered,
};
use std::{borrow::Borrow, future::Future, sync::Arc};

impl<E: ?Sized + Send + Sync + 'static> AsyncEmitter<E> {
    /// Adds an asynchronous listener behind those there are, for
    /// [`emit_serial`](Self::emit_serial) and
    /// [`emit_concurrent`](Self::emit_concurrent). An emitter with asynchronous
    /// listeners has no plain [`emit`](Emitter::emit).
    ///
    /// The event is shared, since the listener may outlast the call that
    /// started it.
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
        R: Outcome,
    {
        self.add(Place::Last, false, name.into(), asynchronous(listener))
    }

    /// [`on_async`](Self::on_async), before the listeners there are.
    ///
    /// ```
    /// # use highwater::events::AsyncEmitter;
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
        R: Outcome,
    {
        self.add(Place::First, false, name.into(), asynchronous(listener))
    }

    /// [`on_async`](Self::on_async), for one event: it is removed before it is
    /// started.
    ///
    /// ```
    /// # use highwater::events::AsyncEmitter;
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
        R: Outcome,
    {
        self.add(Place::Last, true, name.into(), asynchronous(listener))
    }
}

impl<E: ?Sized + Send + Sync + 'static, M> Emitter<E, M> {
    /// Hands an event to every listener, in order, each after the one before
    /// has completed, and says how many ran.
    ///
    /// Nothing happens until the future is first polled; the listeners are those
    /// there are then. Dropping it stops the listener that is running and starts
    /// no other; failures it has not returned yet, and nobody observed, are
    /// dropped with it, and a `once` that was called stays called.
    ///
    /// ```
    /// # use highwater::events::AsyncEmitter;
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
        Serial::new(self.in_mode(), event)
    }

    /// Hands an event to every listener, started in order and awaited together,
    /// at most `limit` of them at a time (0: all), and says how many ran.
    ///
    /// As with [`emit_serial`](Self::emit_serial), the listeners are those there
    /// are when the future is first polled. A plain listener runs at its turn and
    /// holds up the rest meanwhile. Under
    /// [`FailurePolicy::FailFast`](super::FailurePolicy::FailFast) a failure starts no more
    /// listeners; those running are awaited, and if they fail too that is
    /// reported with it. Dropping the future stops those that are running, and drops
    /// with it what it would have returned.
    ///
    /// # Errors
    ///
    /// [`EmitError`], as for [`emit`](Self::emit); failures are in the order of
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
        together(self.in_mode(), event.into(), limit)
    }
}

async fn together<E: ?Sized + Send + Sync + 'static>(
    emitter: Emitter<E>,
    event: Arc<E>,
    limit: usize,
) -> Result<usize, EmitError> {
    let lists = emitter.shared.lists.get();
    emitter.note_if_unhandled(&lists);
    let mut told = Told::begin_if_any(&*event, lists.monitors(), lists.listeners().len());
    let mut waiting = lists.listeners().iter().enumerate();
    let mut running = FuturesUnordered::new();
    let mut delivered = 0;
    let mut failures: Vec<(usize, Vec<Failure>)> = Vec::new();
    let mut stopped = false;
    loop {
        let next = if stopped || running.len() >= limit {
            None
        } else {
            waiting.next()
        };
        let (index, entry, result) = if let Some((index, entry)) = next {
            if !emitter.admits(entry) {
                continue;
            }
            delivered += 1;
            told.delivering(entry.registration());
            let future = match entry.listen.start(&event) {
                Started::Done(result) => Either::Left(result),
                Started::Running(future) => Either::Right(future),
                Started::Outlives => Either::Right(entry.listen.start_shared(&event)),
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
        told.ended(entry.registration(), &result);
        if let Err(error) = result {
            let mut own = Vec::new();
            stopped |= emitter.settle(entry, error, &mut own).is_break();
            let place = failures.partition_point(|(known, _)| *known < index);
            failures.insert(place, (index, own));
        }
    }
    let failures = failures.into_iter().flat_map(|(_, own)| own).collect();
    let progress = Progress {
        delivered,
        failures,
    };
    progress.conclude()
}

fn asynchronous<E, F, R>(
    listener: impl Fn(Arc<E>) -> F + Send + Sync + 'static,
) -> Arc<dyn Listen<E>>
where
    E: ?Sized + Send + Sync + 'static,
    F: Future<Output = R> + Send + 'static,
    R: Outcome,
{
    Arc::new(AsyncFunction(move |event: &Arc<E>| {
        let running = listener(Arc::clone(event));
        async move { running.await.into_result() }.boxed()
    }))
}

/// A listener that is started, then awaited.
struct AsyncFunction<F>(F);

impl<E, F> Listen<E> for AsyncFunction<F>
where
    E: ?Sized,
    F: Fn(&Arc<E>) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync + 'static,
{
    fn call(&self, _: &E) -> Result<(), BoxError> {
        unreachable!("an emitter with asynchronous listeners has awaited emits only")
    }

    fn start(&self, _: &E) -> Started {
        Started::Outlives
    }

    fn start_shared(&self, event: &Arc<E>) -> Running {
        (self.0)(event)
    }
}
