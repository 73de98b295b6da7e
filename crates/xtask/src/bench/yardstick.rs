//! How fast the machine is, before and after each load.
//!
//! A machine with other guests takes half as long again for the same work from one minute to the next. A little work
//! that is always the same, done while the stack rests, tells how fast it is, and so what of the difference
//! between two loads is theirs.

use std::time::{Duration, Instant};

use anyhow::Result;
use contracts::events::{Event, EventType};

/// What is read and written again, as the services do.
const BODY: &str = r#"{"type":"OrderCreated","orderId":"ord_01k0000000e00800000000000a",
    "customerId":"cust_01k0000000e00800000000000b",
    "items":[{"sku":"SKU-1","qty":2},{"sku":"SKU-2","qty":1}],"total":1499.00,"currency":"INR",
    "createdAt":"2025-08-15T10:30:00Z","expiresAt":"2025-08-15T10:45:00Z","paymentMethod":"pm_card_ok",
    "traceId":"0af7651916cd43dd8448eb211c80319c"}"#;
/// So often in a piece of work, for less than a millisecond.
const TIMES: usize = 30;
/// Pieces of which the median counts, together a tenth of a second.
const PIECES: usize = 151;

/// How long a piece of the work takes now, in microseconds: the longer, the slower the machine is.
pub async fn micros() -> Result<f64> {
    Ok(tokio::task::spawn_blocking(median_micros).await?)
}

fn median_micros() -> f64 {
    let mut pieces = [Duration::ZERO; PIECES];
    for piece in &mut pieces {
        let begun = Instant::now();
        for _ in 0..TIMES {
            let event = Event::decode(EventType::OrderCreated, BODY.as_bytes());
            std::hint::black_box(event.map(|event| event.to_json())).ok();
        }
        *piece = begun.elapsed();
    }
    pieces.sort_unstable();
    pieces[PIECES / 2].as_secs_f64() * 1e6
}

/// How much slower the machine was during one load than during another, by the work's times; 1 where one of
/// them is not known.
pub fn slower(one: f64, other: f64) -> f64 {
    if one > 0.0 && other > 0.0 { one / other } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_work_is_done_and_takes_time() {
        assert!(Event::decode(EventType::OrderCreated, BODY.as_bytes()).is_ok());
        assert!(micros().await.unwrap() > 0.0);
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "these are exact")]
    fn a_load_without_a_time_is_not_corrected() {
        assert_eq!(slower(300.0, 200.0), 1.5);
        assert_eq!(slower(0.0, 200.0), 1.0);
        assert_eq!(slower(200.0, 0.0), 1.0);
    }
}
