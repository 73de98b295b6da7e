//! What is printed.

use bench::Outcome;

use super::report::{Report, Run};
use crate::say;

/// What a load came to.
pub fn tell(run: &Run) {
    let Run { ends_per_second, outcome, spent, .. } = run;
    let Outcome { sent, accepted, completed, errors, .. } = outcome;
    say(&format!(
        "{ends_per_second:.0} orders/s: {sent} sent, {accepted} accepted in {:.1} s, {} ended in {:.1} s, {} behind \
         when sending ended",
        outcome.placed_in_seconds,
        outcome.ended(),
        outcome.ended_in_seconds,
        outcome.backlog_at_end,
    ));
    let others = outcome.failed.iter().chain(&outcome.cancelled);
    let others: Vec<String> = others.map(|(why, count)| format!(", {count} {why}")).collect();
    say(&format!(
        "{completed} completed{}; {} refused {:?}, {errors} errors{}, {} lost",
        others.concat(),
        outcome.refusals(),
        outcome.refused,
        outcome.first_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default(),
        outcome.lost,
    ));
    for (what, latency) in [("202", &outcome.accept), ("the end", &outcome.end)] {
        say(&format!(
            "POST to {what}: median {:.1} ms, 99 % {:.1} ms, 99.9 % {:.1} ms, longest {:.1} ms",
            latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
        ));
    }
    spent.tell();
}

/// All that was measured.
pub fn print(report: &Report) {
    say("");
    for (what, value) in rows(report) {
        say(&format!("{what:<44} {value}"));
    }
}

fn rows(report: &Report) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |what: &str, value: String| rows.push((what.to_owned(), value));
    if let Some(idle) = &report.idle {
        row("idle, POST to 202, median and 99 %", pair(idle.accept_p50_ms, idle.accept_p99_ms));
        row("idle, POST to COMPLETED, median and 99 %", pair(idle.p50_ms, idle.p99_ms));
    }
    if let Some(saturation) = &report.saturation {
        row("saturation", rate(saturation.outcome.completed_per_second));
        row("  processor time an order", format!("{:.0} µs", saturation.spent.cpu_micros()));
    }
    if let Some(ceiling) = &report.ceiling {
        row("ceiling", rate(ceiling.orders_per_second));
    }
    if let Some(ratio) = report.ratio_to_ceiling {
        row("  of which is reached by the laps around it", percent(ratio));
    }
    for (what, paced) in [("at half the rate", &report.load50), ("at four fifths", &report.load80)]
    {
        if let Some(paced) = paced {
            let what = format!("{what}, {:.0} orders/s, median and 99 %", paced.rate);
            row(
                &what,
                format!("{}; at the end × {:.2}", pair(paced.p50_ms, paced.p99_ms), paced.drift),
            );
        }
    }
    if let Some(hot) = &report.hot_sku {
        let ratio = percent(hot.ratio);
        let sold = rate(hot.sold_per_second);
        let until = if hot.sold_out { "until it is sold out" } else { "and some are left" };
        row("one product", format!("{sold} {until}: {ratio} of all, at one speed of the machine"));
    }
    if let Some(mixed) = &report.mixed {
        row("every kind of order", rate(mixed.ends_per_second));
    }
    if let Some(sse) = &report.sse {
        row(
            &format!("{} streams, told after, median and 99 %", sse.streams),
            pair(sse.p50_ms, sse.p99_ms),
        );
        row(
            "  memory of orders",
            format!("{:.0} MiB, {} of {} ends missed", sse.peak_rss_mib, sse.missed, sse.expected),
        );
    }
    if let Some(growth) = &report.growth {
        let what = format!("with {} orders from before", growth.orders_before);
        row(
            &what,
            format!(
                "{} instead of {}: {}, at one speed of the machine",
                rate(growth.per_second),
                rate(growth.per_second_before),
                percent(growth.ratio)
            ),
        );
    }
    if let Some(recovery) = &report.recovery {
        let what = format!("{} records caught up with", recovery.backlog_records);
        row(
            &what,
            format!("in {:.1} s, {:.0} records/s", recovery.seconds, recovery.records_per_second),
        );
    }
    for scale in &report.scale {
        let what = format!("replicas {}, partitions {}", scale.replicas, scale.partitions);
        let cost = format!("{:.0} µs an order", scale.cpu_micros_per_order);
        row(&what, format!("{cost}, {}", rate(scale.completed_per_second)));
    }
    row("lost", report.lost.to_string());
    row("audits and loads with something wrong", report.broken.len().to_string());
    row("took", format!("{:.0} s", report.seconds));
    rows
}

fn pair(median: f64, tail: f64) -> String {
    format!("{median:.1} ms, {tail:.1} ms")
}

fn rate(rate: f64) -> String {
    format!("{rate:.0} orders/s")
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_has_no_row() {
        let rows = rows(&Report::default());
        let names: Vec<&str> = rows.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(names, ["lost", "audits and loads with something wrong", "took"]);
    }
}
