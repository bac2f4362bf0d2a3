//! Tables of services and queues.

use super::units::{bytes, human_duration};
use crate::terminal::FAINT;
use highwater::trace::Trace;
use std::{fmt::Write, time::Duration};

/// Returns one row per service: calls handled, their times, and the services it calls.
/// `note` is appended to the time headers.
pub(super) fn services(trace: &Trace, note: &str) -> String {
    let note = note.to_uppercase();
    let summary = trace.summary();
    let mut rows = vec![[
        "SERVICE".to_owned(),
        "HANDLED".to_owned(),
        "FAILED".to_owned(),
        "IN FLIGHT".to_owned(),
        format!("OK P50{note}"),
        format!("OK P99{note}"),
        "CALLS".to_owned(),
    ]];
    for source in summary.sources() {
        let counters = summary.counters(source);
        let is_sample = summary.is_sample(source);
        let suffix = if is_sample { ", sampled times" } else { "" };
        // A bus does no work itself: show dashes, not zeros.
        let figure = |number: u64| match counters.started {
            0 => "–".to_owned(),
            _ => number.to_string(),
        };
        let percentile = |percent| {
            let duration = summary.percentile(source, percent);
            duration.map_or_else(|| "–".to_owned(), human_duration)
        };
        let targets: Vec<String> = summary
            .edges()
            .filter(|(from, ..)| *from == source)
            .map(|(_, target, count)| {
                if is_sample {
                    trace.name(target).to_owned()
                } else {
                    format!("{} {count}×", trace.name(target))
                }
            })
            .collect();
        rows.push([
            [trace.name(source), suffix].concat(),
            figure(counters.finished()),
            figure(counters.failed),
            figure(counters.in_flight()),
            percentile(50),
            percentile(99),
            targets.join(", "),
        ]);
    }
    render(&rows)
}

/// Returns one row per byte queue: its high-water mark, levels, stalls and drops. Empty
/// if there are no queues.
pub(super) fn queues(trace: &Trace, run_duration: Duration) -> String {
    let summary = trace.summary();
    let header = [
        "QUEUE", "MARK", "PEAK", "FINAL", "STALLED", "DROPPED", "REJECTED", "",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for (id, queue) in summary.queues() {
        let share = |stalled: Duration| {
            let share = stalled.as_secs_f64() / run_duration.as_secs_f64().max(f64::EPSILON);
            format!("{:.0} %", 100.0 * share)
        };
        rows.push([
            trace.name(id).to_owned(),
            bytes(queue.mark),
            bytes(queue.peak),
            bytes(queue.level),
            queue.stalled.map_or_else(|| "–".to_owned(), share),
            queue.dropped.to_string(),
            queue.rejected.to_string(),
            String::new(),
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!("\n{}", render(&rows))
}

/// Formats rows as a table. The first and last columns are left-aligned text, the others
/// are right-aligned numbers.
pub(crate) fn render<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut table = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let is_text = column == 0 || column == N - 1;
            let _ = if is_text {
                write!(line, "  {cell:<width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        let line = line.trim_end();
        let _ = match index {
            0 => writeln!(table, "{FAINT}{line}{FAINT:#}"),
            _ => writeln!(table, "{line}"),
        };
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::scenario;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "9", "x"], ["long", "10", "y"]].map(|row| row.map(str::to_owned));
        let table = anstream::adapter::strip_str(&render(&rows)).to_string();
        assert_eq!(table, "  a      9  x\n  long  10  y\n");
    }

    #[test]
    fn bus_row_shows_calls_but_no_handled_events() {
        let trace = scenario::find("decoupling")
            .unwrap()
            .experiment()
            .simulate();
        let table = services(&trace, "");
        let bus = table.lines().find(|line| line.contains("  EventBus  "));
        let bus = bus.unwrap();
        assert!(
            bus.ends_with("EmailService 12×, AuditLog 12×, Metrics 12×, LoyaltyService 6×"),
            "{bus}"
        );
        assert!(bus.contains('–') && !bus.contains(" 0 "), "{bus}");
        // Subscriptions and dependencies are not calls.
        let user_service = table.lines().find(|line| line.starts_with("  UserService"));
        assert!(user_service.unwrap().ends_with("  EventBus 12×"), "{table}");
        let email = table
            .lines()
            .find(|line| line.starts_with("  EmailService"))
            .unwrap();
        assert!(!email.contains("EventBus"), "{email}");
    }
}
