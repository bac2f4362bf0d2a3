//! CPU jobs for HTTP requests, run on a bounded thread pool.

use axum::extract::{Query, State, rejection::QueryRejection};
use highwater::{
    error::AppError,
    platform::Job,
    scale::{Cancellation, Pool, PoolOptions},
    tokio::rayon_pool,
};
use highwater_server::{RegisterError, Worker};
use serde::Deserialize;
use std::{sync::Arc, thread};

/// The maximum number of queued jobs per thread. Excess jobs are rejected.
const QUEUED_PER_THREAD: usize = 64;

/// Runs jobs on a thread pool.
#[derive(Debug)]
pub(super) struct JobService {
    pool: Pool,
}

#[derive(Deserialize)]
pub(super) struct JobQuery {
    job: String,
}

impl JobService {
    /// Creates a service that runs jobs on rayon's threads, one per core, and registers
    /// the pool's metrics.
    pub(super) fn new(worker: &Worker) -> Result<Self, RegisterError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let options = PoolOptions::new(threads).waiting(QUEUED_PER_THREAD * threads);
        let pool = rayon_pool(options);
        worker.register("jobs", &pool)?;
        Ok(JobService { pool })
    }

    /// Runs a job and returns its result. Dropping the future cancels the job.
    async fn run<T, W>(&self, work: W) -> Result<T, AppError>
    where
        T: Send + 'static,
        W: FnOnce(&Cancellation) -> T + Send + 'static,
    {
        Ok(self.pool.try_run(work)?.await?)
    }
}

/// `GET /work?job=fib:27`: returns the job's result, or 503 with `Retry-After` if the
/// queue is full. The job is cancelled if the client disconnects or the deadline passes.
pub(super) async fn work(
    State(jobs): State<Arc<JobService>>,
    query: Result<Query<JobQuery>, QueryRejection>,
) -> Result<String, AppError> {
    let Query(query) = query.map_err(|rejection| {
        AppError::invalid_input("The query must name a job, for example /work?job=fib:27.")
            .with_source(rejection)
    })?;
    let job: Job = query.job.parse()?;
    let work = move |cancellation: &Cancellation| job.run_until(|| cancellation.is_cancelled());
    // A cancelled job has no result, but its client has already disconnected.
    let result = jobs.run(work).await?.unwrap_or_default();
    Ok(format!("{job} = {result}\n"))
}

/// `POST /faults/job`: runs a job that panics.
pub(super) async fn bug(State(jobs): State<Arc<JobService>>) -> Result<(), AppError> {
    jobs.run(|_| panic!("a deliberate bug in a job")).await
}
