//! What is drawn: throughput and latency over time, how latency is distributed, and where processor time goes.

mod axis;
mod svg;

use std::path::Path;

use anyhow::{Context, Result};
use bench::{Latency, Second};

use self::svg::{Bars, Chart, Line};
use super::report::Report;

/// Draws what was measured, a file each.
pub fn draw(report: &Report, folder: &Path) -> Result<()> {
    let loads: Vec<(String, &[Second])> =
        [("half", &report.load50), ("four fifths", &report.load80)]
            .into_iter()
            .filter_map(|(what, load)| load.as_ref().map(|load| (what, load)))
            .map(|(what, load)| {
                (format!("{what}: {:.0} orders/s", load.rate), &load.run.outcome.series[..])
            })
            .collect();
    let latencies = latencies(report);
    let saturation = report.saturation.as_ref();
    let plots = [
        ("throughput.svg", saturation.map(|run| throughput(&run.outcome.series).render())),
        ("processor-time.svg", saturation.map(|_| processor_time(report).render())),
        ("latency.svg", (!loads.is_empty()).then(|| latency(&loads).render())),
        ("distribution.svg", (!latencies.is_empty()).then(|| distribution(&latencies).render())),
    ];
    for (name, text) in plots {
        let path = folder.join(name);
        match text {
            Some(text) => std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?,
            // That of an earlier report tells nothing of this one.
            None if path.exists() => std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?,
            None => {}
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "points of a plot")]
fn throughput(series: &[Second]) -> Chart {
    let of = |count: fn(&Second) -> u64| {
        let mut before = 0.0;
        let point = |second: &Second| {
            let seconds = (second.at - before).max(0.001);
            before = second.at;
            (second.at, count(second) as f64 / seconds)
        };
        series.iter().map(point).collect()
    };
    Chart {
        title: "Saturation: orders a second".to_owned(),
        x: "seconds",
        y: "orders/s",
        logarithmic: false,
        lines: vec![
            Line { name: "accepted".to_owned(), points: of(|second| second.accepted) },
            Line { name: "ended".to_owned(), points: of(|second| second.ended) },
        ],
    }
}

fn latency(loads: &[(String, &[Second])]) -> Chart {
    let line = |name: &str, series: &[Second], of: fn(&Second) -> f64| {
        let there = series.iter().filter(|second| second.ended > 0);
        Line {
            name: name.to_owned(),
            points: there.map(|second| (second.at, of(second))).collect(),
        }
    };
    let lines = loads.iter().flat_map(|(name, series)| {
        [
            line(&format!("{name}, median"), series, |second| second.p50_ms),
            line(&format!("{name}, 99 %"), series, |second| second.p99_ms),
        ]
    });
    Chart {
        title: "From the moment an order is due to its end".to_owned(),
        x: "seconds",
        y: "ms",
        logarithmic: true,
        lines: lines.collect(),
    }
}

fn latencies(report: &Report) -> Vec<(String, &Latency)> {
    let idle = report.idle.as_ref().map(|idle| ("idle".to_owned(), &idle.run.outcome.end));
    let paced = [&report.load50, &report.load80].into_iter().flatten();
    let paced = paced.map(|load| (format!("{:.0} orders/s", load.rate), &load.run.outcome.end));
    let most = report.saturation.as_ref();
    let most = most.map(|run| ("saturation".to_owned(), &run.outcome.end));
    idle.into_iter().chain(paced).chain(most).filter(|(_, latency)| latency.count > 0).collect()
}

/// With each step to the right, ten times fewer orders take longer.
fn distribution(latencies: &[(String, &Latency)]) -> Chart {
    let line = |(name, latency): &(String, &Latency)| {
        let points = latency.distribution.iter();
        let nines = |percent: f64| -(1.0 - percent / 100.0).log10();
        Line { name: name.clone(), points: points.map(|(p, ms)| (nines(*p), *ms)).collect() }
    };
    Chart {
        title: "How many orders take longer".to_owned(),
        x: "1: one in ten, 2: one in a hundred, 3: one in a thousand, …",
        y: "ms",
        logarithmic: true,
        lines: latencies.iter().map(line).collect(),
    }
}

fn processor_time(report: &Report) -> Bars {
    let mut figures: Vec<(String, f64)> =
        report.cpu_micros_per_order.iter().map(|(name, micros)| (name.clone(), *micros)).collect();
    figures.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Bars { title: "Saturation: processor time an order".to_owned(), unit: "µs", figures }
}
