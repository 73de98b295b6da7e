use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use super::{Account, Shop, expect};

/// How long a client waits before it opens a broken stream again.
const RECONNECT: Duration = Duration::from_millis(250);

/// One change of an order, as the stream tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which order.
    pub order_id: String,
    /// `PENDING` until it has ended.
    pub status: String,
    /// What was reached.
    pub step: String,
    /// Grows by one with each change of the order.
    pub version: u32,
    /// Why it failed or was cancelled.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Change {
    /// Whether the order has ended.
    pub fn is_terminal(&self) -> bool {
        self.status != "PENDING"
    }
}

/// A customer's stream of order changes (server-sent events), which resumes by itself where it broke,
/// as browsers do.
#[derive(Debug)]
pub struct Changes {
    shop: Shop,
    account: Account,
    response: Response,
    unread: Vec<u8>,
    last_id: Option<String>,
}

impl Changes {
    pub(super) async fn open(shop: Shop, account: Account) -> Result<Self> {
        let response = connect(&shop, &account, None).await?;
        Ok(Self { shop, account, response, unread: Vec::new(), last_id: None })
    }

    /// The next change; a repeat is possible. May be dropped while waiting without losing anything.
    pub async fn next(&mut self) -> Result<Change> {
        loop {
            while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.unread.drain(..end + 2).collect();
                let event = std::str::from_utf8(&event)?;
                if let Some(id) = field(event, "id:") {
                    self.last_id = Some(id.to_owned());
                }
                if let Some(data) = field(event, "data:") {
                    return serde_json::from_str(data).context("the stream's data");
                }
            }
            if let Ok(Some(bytes)) = self.response.chunk().await {
                self.unread.extend_from_slice(&bytes);
                continue;
            }
            self.unread.clear();
            tokio::time::sleep(RECONNECT).await;
            let id = self.last_id.as_deref();
            if let Ok(response) = connect(&self.shop, &self.account, id).await {
                self.response = response;
            }
        }
    }
}

async fn connect(shop: &Shop, account: &Account, last_id: Option<&str>) -> Result<Response> {
    let request = || {
        let request = shop.request("orders", Method::GET, "/api/orders/events");
        match last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        }
    };
    expect(shop.send_as(account, request).await?, StatusCode::OK).await
}

/// The value of an event's field; comments, such as heartbeats, have none.
fn field<'a>(event: &'a str, name: &str) -> Option<&'a str> {
    event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn heartbeats_have_no_data() {
        assert_eq!(field(": heartbeat\n\n", "data:"), None);
        assert_eq!(field("id: 1\ndata: {}\n\n", "data:"), Some("{}"));
    }
}
