//! A summary of a trace, for the checks.

use super::{HEARTBEAT, POOL};
use crate::{
    scenario::checks::CheckResult,
    trace::{Event, NameId, Phase, RecordKind, Trace},
};
use std::time::Duration;

/// The requests, jobs and threads of a run, collected in one pass over the trace.
#[derive(Default)]
pub(in crate::scenario) struct ScalingSummary {
    pub(in crate::scenario) requests: u64,
    pub(in crate::scenario) answered: u64,
    pub(in crate::scenario) rejected: u64,
    pub(in crate::scenario) beats: u64,
    /// The heartbeat interval.
    pub(in crate::scenario) interval: Duration,
    /// Jobs that ran on the loop.
    pub(in crate::scenario) loop_jobs: u64,
    /// Other records of the loop while a job blocked it.
    pub(in crate::scenario) records_while_blocked: u64,
    /// Jobs that ran on threads.
    pub(in crate::scenario) offloaded_jobs: u64,
    /// The time during which a thread ran a job and the loop was free.
    pub(in crate::scenario) compute_time: Duration,
    /// Heartbeats while a thread ran a job.
    pub(in crate::scenario) beats_while_offloaded: u64,
    /// The number of threads, or 0 without threads.
    pub(in crate::scenario) threads: u64,
    /// Jobs accepted by the queue.
    pub(in crate::scenario) accepted: u64,
    /// The maximum number of accepted jobs that have not ended.
    pub(in crate::scenario) max_accepted: u64,
    /// Jobs rejected by the queue.
    pub(in crate::scenario) rejected_jobs: u64,
    /// Jobs that started.
    started: u64,
    /// Jobs that succeeded.
    succeeded: u64,
    /// The thread and number of each running job.
    running: Vec<(u32, u64)>,
    /// The time at which a job last started or ended.
    last_change: Duration,
    /// All threads that ran jobs.
    thread_ids: Vec<u32>,
    /// The threads of the latest pool that ran jobs.
    pool_thread_ids: Vec<u32>,
    /// The maximum number of threads of any pool that ran jobs.
    pub(in crate::scenario) max_threads_used: u64,
    /// The maximum number of jobs running on threads.
    max_concurrent: u64,
    /// Impossible records: a start on a busy thread, an end without a start, or more
    /// running jobs than threads.
    pub(in crate::scenario) impossible_records: u64,
    results: u64,
    /// The first result of each job.
    first_results: Vec<(Option<NameId>, u64)>,
    /// The number of results that differ from the first result of the same job.
    mismatches: u64,
}

impl ScalingSummary {
    pub(in crate::scenario) fn of(trace: &Trace) -> Self {
        let interval = trace.param("beat").parse().unwrap_or(0);
        let mut summary = ScalingSummary {
            interval: Duration::from_millis(interval),
            ..ScalingSummary::default()
        };
        let heartbeat = trace.id(HEARTBEAT);
        let mut accepted_ended = 0;
        for event in &trace.events {
            let is_blocked = summary.running.iter().any(|(thread, ..)| *thread == 0);
            let is_job_end = event.kind == RecordKind::Compute && event.phase == Phase::End;
            if is_blocked && event.thread == 0 && !is_job_end {
                summary.records_while_blocked += 1;
            }
            let is_end = event.phase == Phase::End;
            match event.kind {
                RecordKind::Threads => {
                    summary.threads = event.subject;
                    summary.pool_thread_ids.clear();
                }
                RecordKind::Request if event.phase == Phase::Begin => summary.requests += 1,
                RecordKind::Request if event.failure.is_some() => summary.rejected += 1,
                RecordKind::Request => summary.answered += 1,
                RecordKind::Beat if is_end && Some(event.source) == heartbeat => summary.beat(),
                RecordKind::Reject => summary.rejected_jobs += 1,
                RecordKind::Call => summary.accepted += 1,
                RecordKind::Compute => summary.compute(event),
                RecordKind::Result => summary.add_result(event),
                _ => {}
            }
            // The job injected by `hog` has no number and bypasses the queue.
            accepted_ended += u64::from(is_job_end && event.subject > 0);
            let unfinished = summary.accepted.saturating_sub(accepted_ended);
            summary.max_accepted = summary.max_accepted.max(unfinished);
        }
        summary
    }

    /// Explains why no job ran on a thread, and suggests settings.
    pub(in crate::scenario) fn why_not_offloaded(&self, trace: &Trace, set: &str) -> String {
        if self.threads == 0 && trace.id(POOL).is_some() && self.accepted > 0 {
            return "no threads here: they need shared memory; see cargo run -p native -- serve"
                .to_owned();
        }
        ["nothing was offloaded: set ", set].concat()
    }

    fn beat(&mut self) {
        self.beats += 1;
        let is_offloaded = self.running.iter().any(|(thread, ..)| *thread != 0);
        self.beats_while_offloaded += u64::from(is_offloaded);
    }

    fn compute(&mut self, event: &Event) {
        let thread = event.thread;
        self.advance_to(event.recorded_at());
        if event.phase == Phase::Begin {
            self.started += 1;
            self.impossible_records += u64::from(self.running.iter().any(|(it, ..)| *it == thread));
            self.running.push((thread, event.subject));
            self.max_concurrent = self.max_concurrent.max(self.concurrent());
            if thread == 0 {
                self.loop_jobs += 1;
            } else {
                self.offloaded_jobs += 1;
                for thread_ids in [&mut self.thread_ids, &mut self.pool_thread_ids] {
                    if !thread_ids.contains(&thread) {
                        thread_ids.push(thread);
                    }
                }
                let thread_ids = self.pool_thread_ids.len() as u64;
                self.max_threads_used = self.max_threads_used.max(thread_ids);
                self.impossible_records += u64::from(self.concurrent() > self.threads);
            }
            return;
        }
        let it = (thread, event.subject);
        let Some(index) = self.running.iter().position(|other| *other == it) else {
            self.impossible_records += 1;
            return;
        };
        self.running.remove(index);
        self.succeeded += u64::from(event.failure.is_none());
    }

    /// Adds the time during which a thread ran a job and the loop was free for heartbeats.
    fn advance_to(&mut self, now: Duration) {
        let is_blocked = self.running.iter().any(|(thread, ..)| *thread == 0);
        if self.concurrent() > 0 && !is_blocked {
            self.compute_time += now.saturating_sub(self.last_change);
        }
        self.last_change = now;
    }

    /// Counts the jobs running on threads.
    fn concurrent(&self) -> u64 {
        let on_threads = self.running.iter().filter(|(thread, ..)| *thread != 0);
        on_threads.count() as u64
    }

    fn add_result(&mut self, event: &Event) {
        self.results += 1;
        let (job, result) = (event.target, event.subject);
        match self.first_results.iter().find(|(it, _)| *it == job) {
            Some((_, first)) => self.mismatches += u64::from(*first != result),
            None => self.first_results.push((job, result)),
        }
    }
}

pub(in crate::scenario) fn each_job_once(trace: &Trace) -> CheckResult {
    let claim = "each job starts and finishes once, and each thread runs one job at a time";
    let summary = ScalingSummary::of(trace);
    if summary.started == 0 {
        return CheckResult::not_exercised(claim, "there were no jobs: set every=20");
    }
    let thread_ids = match summary.thread_ids.len() {
        0 => "on the loop".to_owned(),
        1 => "on one thread".to_owned(),
        count => format!("on {count} threads"),
    };
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.started == summary.succeeded
            && summary.impossible_records == 0
            && summary.running.is_empty(),
        evidence: format!(
            "{} started, {} ended, {thread_ids}; at most {} on threads at once",
            summary.started, summary.succeeded, summary.max_concurrent
        ),
    }
}

pub(in crate::scenario) fn one_result(trace: &Trace) -> CheckResult {
    let claim = "equal jobs have equal results, wherever they run";
    let summary = ScalingSummary::of(trace);
    if summary.results < 2 {
        return CheckResult::not_exercised(claim, "fewer than two jobs ran: set every=20");
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.mismatches == 0,
        evidence: format!(
            "{} results of {} job sizes, {} mismatches",
            summary.results,
            summary.first_results.len(),
            summary.mismatches
        ),
    }
}
