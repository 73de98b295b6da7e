use serde_json::{Value, json};

use super::*;

fn run() -> Run {
    let outcome = Outcome {
        accepted: 10,
        completed: 8,
        failed: [("OUT_OF_STOCK".to_owned(), 2)].into(),
        ended_in_seconds: 2.0,
        completed_per_second: 4.0,
        ..Outcome::default()
    };
    Run::new(outcome, Spent::default())
}

fn hot_sku() -> HotSku {
    HotSku {
        ratio: 0.9,
        rounds: vec![0.9],
        sold_per_second: 1.0,
        sold_out: true,
        on_hand: 5,
        run: run(),
    }
}

#[test]
fn figures_are_where_they_are_looked_for() {
    let report = Report {
        saturation: Some(run()),
        hot_sku: Some(hot_sku()),
        ratio_to_ceiling: Some(0.5),
        peak_rss_mib: [("orders".to_owned(), 50.0)].into(),
        ..Report::default()
    };
    let report: Value = serde_json::to_value(report).unwrap();
    assert_eq!(report["saturation"]["completedPerSecond"], json!(4.0));
    assert_eq!(report["saturation"]["endsPerSecond"], json!(5.0));
    assert_eq!(report["hotSku"]["ratio"], json!(0.9));
    assert_eq!(report["hotSku"]["accepted"], json!(10));
    assert_eq!(report["ratioToCeiling"], json!(0.5));
    assert_eq!(report["peakRssMiB"]["orders"], json!(50.0));
    assert_eq!(report["lost"], json!(0));
    assert!(report.get("growth").is_none(), "what was not measured has no figure");
}

#[test]
fn no_figure_of_a_load_hides_another_of_the_same_name() {
    let mut run = run();
    run.outcome.streams = Some(bench::StreamsOutcome::default());
    let sse = Sse {
        streams: 10_000,
        peak_rss_mib: 200.0,
        rss_before_mib: 50.0,
        p50_ms: 1.0,
        p99_ms: 2.0,
        missed: 0,
        expected: 5,
        run,
    };
    let report = Report { sse: Some(sse), ..Report::default() };
    let report: Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(report["sse"]["streams"], json!(10_000));
    assert_eq!(report["sse"]["peakRssMiB"], json!(200.0));
    assert_eq!(report["sse"]["p99Ms"], json!(2.0));
}

#[test]
fn a_machine_has_processors_and_memory() {
    let machine = machine();
    assert!(machine.cores > 0 && machine.memory_gib > 0.0);
}
