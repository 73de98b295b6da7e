//! `boutique outbox` and `boutique dlq`: what the services say of themselves.

use std::io::Write;

use futures_util::future::join_all;

use crate::services::{self, Figures, ServiceUrls};
use crate::table::table;

pub async fn outbox(urls: &ServiceUrls, out: &mut impl Write) -> anyhow::Result<()> {
    let rows = rows(urls, services::names(), |figures| {
        let leads = figures.sum("outbox_relay_leader").unwrap_or_default() > 0.0;
        let age = figures.sum("outbox_oldest_row_age_seconds").unwrap_or_default();
        [
            if leads { count(figures.sum("outbox_rows")) } else { "-".to_owned() },
            if leads { format!("{age:.1} s") } else { "-".to_owned() },
            if leads { "yes" } else { "no, another replica or none" }.to_owned(),
        ]
    });
    write!(out, "{}", table(["service", "rows", "oldest", "leads"], &rows.await))?;
    Ok(())
}

pub async fn dead_letters(urls: &ServiceUrls, out: &mut impl Write) -> anyhow::Result<()> {
    let rows = rows(urls, services::consumers(), |figures| {
        let kept = figures.sum("dead_letters_total").unwrap_or_default();
        [count(figures.sum("dead_letters_open")), count(Some(kept)), String::new()]
    });
    let heads = ["service", "open", "kept since its start", ""];
    write!(out, "{}", table(heads, &rows.await))?;
    Ok(())
}

fn count(figure: Option<f64>) -> String {
    figure.map_or_else(|| "?".to_owned(), |figure| format!("{figure:.0}"))
}

/// What each service says, or why it says nothing.
async fn rows(
    urls: &ServiceUrls,
    services: impl Iterator<Item = &'static str>,
    tell: impl Fn(&Figures) -> [String; 3],
) -> Vec<[String; 4]> {
    let asking = services.map(async |service| {
        let [a, b, c] = match urls.figures(service).await {
            Ok(figures) => tell(&figures),
            Err(error) => ["?".to_owned(), "?".to_owned(), format!("{error:#}")],
        };
        [service.to_owned(), a, b, c]
    });
    join_all(asking).await
}
