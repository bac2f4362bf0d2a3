//! The server on its single loop.

use crate::{
    platform::Job,
    platform::Threads,
    scenario::{
        Context,
        scaling::{self, LOOP, POOL, REQUESTS},
    },
    trace::{NameId, RecordKind},
};
use std::{rc::Rc, time::Duration};

/// The failure of a request whose job does not fit in the queue.
const REJECTED: &str = "503: the queue is full, try again later";

/// A request as it arrives.
pub(super) struct Request {
    pub(super) number: u64,
    /// The arrival time.
    pub(super) due: Duration,
    /// The time on the loop.
    pub(super) work: Duration,
    pub(super) needs_job: bool,
}

pub(super) struct Server {
    context: Context,
    requests: NameId,
    loop_name: NameId,
    pool: NameId,
    /// `None` if jobs run on the loop.
    threads: Option<Threads>,
}

impl Server {
    pub(super) fn start(context: &Context) -> Self {
        let params = &context.params;
        let threads = (params.choice("run") == "offloaded").then(|| {
            let number = |key| usize::try_from(params.integer(key)).unwrap_or(usize::MAX);
            context.platform.threads(number("threads"), number("queue"))
        });
        let [requests, loop_name] = [REQUESTS, LOOP].map(|name| context.start_source(name));
        let pool = context.trace.name(POOL);
        if let Some(threads) = &threads {
            context.start_source(POOL);
            scaling::record_threads(threads, pool, &context.trace);
        }
        Server {
            requests,
            loop_name,
            pool,
            threads,
            context: context.clone(),
        }
    }

    /// Handles a request.
    pub(super) async fn serve(self: Rc<Self>, request: Request) {
        let Request {
            number,
            due,
            work,
            needs_job,
        } = request;
        let trace = &self.context.trace;
        let request = trace.begin_at(due, RecordKind::Request, self.requests, number);
        let handle = trace.begin(RecordKind::Handle, self.loop_name, number);
        let timer = self.context.platform.timer();
        timer.block(work);
        handle.succeed();
        if needs_job {
            let params = &self.context.params;
            let job = Job::costing(scaling::kind(params), params.millis("size"));
            match self.compute(job, number).await {
                Ok(result) => scaling::record_result(job, result, self.pool, trace),
                Err(cause) => return request.fail(cause),
            }
        }
        request.succeed();
    }

    async fn compute(&self, job: Job, number: u64) -> Result<u64, &'static str> {
        let (platform, trace) = (&self.context.platform, &self.context.trace);
        let Some(threads) = &self.threads else {
            return Ok(platform.run_on_loop(job, trace, number));
        };
        let Ok(ticket) = threads.try_compute(job, trace, number) else {
            trace.instant(RecordKind::Reject, self.pool, number);
            return Err(REJECTED);
        };
        trace.send(RecordKind::Call, self.loop_name, self.pool, number);
        ticket.await.map_err(|_| "500: the job is lost")
    }
}
