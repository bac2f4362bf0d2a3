//! CPU work on request: on other threads, as much as they can take.

use super::metrics::Meter;
use axum::extract::{Query, State, rejection::QueryRejection};
use highwater::{
    error::AppError,
    scale::{Cancellation, Job, Pool, PoolOptions, WorkError},
};
use serde::Deserialize;
use std::{sync::Arc, thread, time::Instant};

/// How many jobs may wait for each thread. Who comes later is better off
/// elsewhere.
const WAITING_PER_THREAD: usize = 64;

/// Where jobs are handed in.
#[derive(Debug)]
pub(super) struct JobService {
    pool: Pool,
    meter: Arc<Meter>,
}

#[derive(Deserialize)]
pub(super) struct JobQuery {
    job: String,
}

impl JobService {
    /// One in front of rayon's threads, of which there is one a core.
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let start = Instant::now();
        let options = PoolOptions::new(threads)
            .waiting(WAITING_PER_THREAD * threads)
            .clock(Arc::new(move || start.elapsed()));
        JobService {
            pool: Pool::new(options, |work| rayon::spawn(|| work.run())),
            meter,
        }
    }

    /// Has it done, unless whoever waits for it gives up.
    async fn run<T, W>(&self, work: W) -> Result<T, AppError>
    where
        T: Send + 'static,
        W: FnOnce(&Cancellation) -> T + Send + 'static,
    {
        let ticket = self.pool.try_run(work);
        let ticket = ticket.inspect_err(|_| self.meter.job_rejected())?;
        let result = ticket.await;
        match &result {
            Ok(_) => self.meter.job_done(),
            Err(WorkError::Panicked { .. }) => self.meter.job_panicked(),
            Err(WorkError::Lost) => {}
        }
        Ok(result?)
    }
}

/// `GET /work?job=fib:27`: the job's result. While as many jobs wait as may, 503
/// and when to come back. Whoever hangs up, or is not answered in time, ends it.
pub(super) async fn work(
    State(jobs): State<Arc<JobService>>,
    query: Result<Query<JobQuery>, QueryRejection>,
) -> Result<String, AppError> {
    let Query(query) = query.map_err(|rejection| {
        AppError::invalid_input("Name a job: for example /work?job=fib:27.").with_source(rejection)
    })?;
    let job: Job = query.job.parse()?;
    let work = move |cancellation: &Cancellation| job.run_until(|| cancellation.is_cancelled());
    // If it was cancelled, nobody is left who could read this.
    let result = jobs.run(work).await?.unwrap_or_default();
    Ok(format!("{job} = {result}\n"))
}

/// `POST /faults/job`: a job with a bug.
pub(super) async fn bug(State(jobs): State<Arc<JobService>>) -> Result<(), AppError> {
    jobs.run(|_| panic!("a bug in a job, as it was asked for"))
        .await
}
