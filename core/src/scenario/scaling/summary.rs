//! What the checks ask of a trace.

use super::{HEARTBEAT, POOL};
use crate::{
    scenario::checks::CheckResult,
    trace::{Event, NameId, Phase, RecordKind, Trace},
};
use std::time::Duration;

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(in crate::scenario) struct ScalingSummary {
    pub(in crate::scenario) requests: u64,
    pub(in crate::scenario) answered: u64,
    pub(in crate::scenario) turned_away: u64,
    pub(in crate::scenario) beats: u64,
    /// How often the heart is to beat.
    pub(in crate::scenario) interval: Duration,
    /// Jobs that held the loop, and what the loop recorded while one did.
    pub(in crate::scenario) held: u64,
    pub(in crate::scenario) while_held: u64,
    /// Jobs on threads, how long there was one and the loop was not held, and the
    /// beats meanwhile.
    pub(in crate::scenario) offloaded: u64,
    pub(in crate::scenario) computing: Duration,
    pub(in crate::scenario) beats_meanwhile: u64,
    /// How many threads there are; 0 without any.
    pub(in crate::scenario) threads: u64,
    /// Jobs a queue let in, the most at once, and those it refused.
    pub(in crate::scenario) let_in: u64,
    pub(in crate::scenario) most_let_in: u64,
    pub(in crate::scenario) refused: u64,
    /// Jobs that began, that ended well, and that are under way at the end.
    begun: u64,
    ended: u64,
    /// Jobs under way: thread and number.
    under_way: Vec<(u32, u64)>,
    /// When the last job began or ended.
    last: Duration,
    /// Which threads computed; which of those that were started last; and how
    /// many did the most times that some were started.
    ids: Vec<u32>,
    ids_of_pool: Vec<u32>,
    pub(in crate::scenario) most_of_a_pool: u64,
    most_at_once: u64,
    /// A thread that began with a job in hand, an end without a beginning, or
    /// more jobs at once than threads.
    pub(in crate::scenario) impossible: u64,
    results: u64,
    /// The first result of each job, and how many were others.
    firsts: Vec<(Option<NameId>, u64)>,
    others: u64,
}

impl ScalingSummary {
    pub(in crate::scenario) fn of(trace: &Trace) -> Self {
        let interval = trace.param("beat").parse().unwrap_or(0);
        let mut summary = ScalingSummary {
            interval: Duration::from_millis(interval),
            ..ScalingSummary::default()
        };
        let heartbeat = trace.id(HEARTBEAT);
        let mut ended_let_in = 0;
        for event in &trace.events {
            let is_held = summary.under_way.iter().any(|(thread, ..)| *thread == 0);
            let ends_it = event.kind == RecordKind::Compute && event.phase == Phase::End;
            if is_held && event.thread == 0 && !ends_it {
                summary.while_held += 1;
            }
            let is_end = event.phase == Phase::End;
            match event.kind {
                RecordKind::Threads => {
                    summary.threads = event.subject;
                    summary.ids_of_pool.clear();
                }
                RecordKind::Request if event.phase == Phase::Begin => summary.requests += 1,
                RecordKind::Request if event.failure.is_some() => summary.turned_away += 1,
                RecordKind::Request => summary.answered += 1,
                RecordKind::Beat if is_end && Some(event.source) == heartbeat => summary.beat(),
                RecordKind::Refuse => summary.refused += 1,
                RecordKind::Call => summary.let_in += 1,
                RecordKind::Compute => summary.compute(event),
                RecordKind::Result => summary.note_result(event),
                _ => {}
            }
            // The job of an overlooked hog has no number, and was let in by nobody.
            ended_let_in += u64::from(ends_it && event.subject > 0);
            let inside = summary.let_in.saturating_sub(ended_let_in);
            summary.most_let_in = summary.most_let_in.max(inside);
        }
        summary
    }

    /// Why no job ran on a thread: what to set, or that nothing helps.
    pub(in crate::scenario) fn why_not_offloaded(&self, trace: &Trace, set: &str) -> String {
        if self.threads == 0 && trace.id(POOL).is_some() && self.let_in > 0 {
            return "there are no threads here: the loop does it all. With shared memory there are (cargo run -p native -- serve)".to_owned();
        }
        ["nothing was offloaded: set ", set].concat()
    }

    fn beat(&mut self) {
        self.beats += 1;
        let is_offloaded = self.under_way.iter().any(|(thread, ..)| *thread != 0);
        self.beats_meanwhile += u64::from(is_offloaded);
    }

    fn compute(&mut self, event: &Event) {
        let thread = event.thread;
        self.pass_to(event.recorded_at());
        if event.phase == Phase::Begin {
            self.begun += 1;
            self.impossible += u64::from(self.under_way.iter().any(|(it, ..)| *it == thread));
            self.under_way.push((thread, event.subject));
            self.most_at_once = self.most_at_once.max(self.at_once());
            if thread == 0 {
                self.held += 1;
            } else {
                self.offloaded += 1;
                for ids in [&mut self.ids, &mut self.ids_of_pool] {
                    if !ids.contains(&thread) {
                        ids.push(thread);
                    }
                }
                let ids = self.ids_of_pool.len() as u64;
                self.most_of_a_pool = self.most_of_a_pool.max(ids);
                self.impossible += u64::from(self.at_once() > self.threads);
            }
            return;
        }
        let it = (thread, event.subject);
        let Some(place) = self.under_way.iter().position(|other| *other == it) else {
            self.impossible += 1;
            return;
        };
        self.under_way.remove(place);
        self.ended += u64::from(event.failure.is_none());
    }

    /// Time in which the loop could have beaten while threads computed: not what
    /// several threads do at once, nor while the loop is held.
    fn pass_to(&mut self, now: Duration) {
        let is_held = self.under_way.iter().any(|(thread, ..)| *thread == 0);
        if self.at_once() > 0 && !is_held {
            self.computing += now.saturating_sub(self.last);
        }
        self.last = now;
    }

    /// Jobs under way on threads.
    fn at_once(&self) -> u64 {
        let on_threads = self.under_way.iter().filter(|(thread, ..)| *thread != 0);
        on_threads.count() as u64
    }

    fn note_result(&mut self, event: &Event) {
        self.results += 1;
        let (job, result) = (event.target, event.subject);
        match self.firsts.iter().find(|(it, _)| *it == job) {
            Some((_, first)) => self.others += u64::from(*first != result),
            None => self.firsts.push((job, result)),
        }
    }
}

/// A thread is a place for one job, and there are so many.
pub(in crate::scenario) fn each_job_once(trace: &Trace) -> CheckResult {
    let claim = "each job begins and ends once; a thread does one at a time, and there are never more than threads";
    let summary = ScalingSummary::of(trace);
    if summary.begun == 0 {
        return not_exercised(claim, "there was no job: set every=20");
    }
    let ids = match summary.ids.len() {
        0 => "on the loop".to_owned(),
        1 => "on one thread".to_owned(),
        more => format!("on {more} threads"),
    };
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.begun == summary.ended
            && summary.impossible == 0
            && summary.under_way.is_empty(),
        evidence: format!(
            "{} begun, {} ended, {ids}; at most {} on threads at once",
            summary.begun, summary.ended, summary.most_at_once
        ),
    }
}

/// The same work comes to the same result, wherever it is done.
pub(in crate::scenario) fn one_result(trace: &Trace) -> CheckResult {
    let claim = "the same job always comes to the same result, wherever it ran";
    let summary = ScalingSummary::of(trace);
    if summary.results < 2 {
        return not_exercised(claim, "fewer than two jobs were done: set every=20");
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.others == 0,
        evidence: format!(
            "results: {}, sizes of job: {}, that differ: {}",
            summary.results,
            summary.firsts.len(),
            summary.others
        ),
    }
}

pub(in crate::scenario) fn not_exercised(claim: &str, hint: impl Into<String>) -> CheckResult {
    CheckResult::NotExercised {
        claim: claim.to_owned(),
        hint: hint.into(),
    }
}
