//! Schemas of what a service publishes, for a schema registry as Confluent's that other teams look them up in.

use std::time::Duration;

use anyhow::{Context, bail};
use contracts::events::EventType;
use contracts::schema;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a registry that is away is waited for.
const AWAY: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// What readers of the version before can read: a field may be added, and none that was there may change. The
/// registry holds each schema against the ones it has.
const COMPATIBILITY: &str = "FORWARD";

/// The draft that every registry knows. What the schemas say means the same in it.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Registers the schemas of the events that `service` publishes. Fails where the registry refuses one, which names
/// the event and the registry's reason. One that is away for long is told of in the log and done without: nothing
/// that the service does needs it.
pub(crate) async fn register(url: &str, service: &str) -> anyhow::Result<()> {
    match register_all(url, service).await {
        Err(error) if error.is::<Away>() => {
            tracing::warn!(error = format!("{error:#}"), "schemas are not registered");
            Ok(())
        }
        other => other,
    }
}

/// Nothing was registered or refused.
#[derive(Debug, thiserror::Error)]
#[error("the schema registry (SCHEMA_REGISTRY_URL) is away")]
struct Away;

async fn register_all(url: &str, service: &str) -> anyhow::Result<()> {
    let registry = Registry {
        http: Client::builder().timeout(PATIENCE).build()?,
        url: url.trim_end_matches('/').to_owned(),
    };
    let events = EventType::ALL.iter().filter(|event| event.topic().producer() == service);
    let mut registered = 0;
    for event in events {
        let subject = subject(*event);
        let registering = async {
            registry.hold_to(&subject).await?;
            registry.add(&subject, draft_07(schema::schema(*event))).await
        };
        registering.await.with_context(|| format!("cannot register the schema {subject}"))?;
        registered += 1;
    }
    tracing::info!(registered, "the schema registry has what is published here");
    Ok(())
}

/// By topic and event, since a topic has several events.
fn subject(event: EventType) -> String {
    format!("{}-{event}", event.topic())
}

fn draft_07(mut schema: Value) -> Value {
    if let Some(draft) = schema.get_mut("$schema") {
        *draft = json!(DRAFT);
    }
    schema
}

struct Registry {
    http: Client,
    url: String,
}

/// What the registry says of what it refuses.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Registry {
    /// Says what later schemas of a subject are held to.
    async fn hold_to(&self, subject: &str) -> anyhow::Result<()> {
        let body = json!({"compatibility": COMPATIBILITY});
        done(self.send(Method::PUT, &format!("config/{subject}"), &body).await?).await
    }

    /// Adds a schema; one that is there already stays as it is.
    async fn add(&self, subject: &str, schema: Value) -> anyhow::Result<()> {
        let body = json!({"schemaType": "JSON", "schema": schema.to_string()});
        let answer =
            self.send(Method::POST, &format!("subjects/{subject}/versions"), &body).await?;
        if answer.status() != StatusCode::CONFLICT {
            return done(answer).await;
        }
        bail!(
            "consumers of the version before could not read it; such a change is a new version of the topic: {}",
            reason(answer).await
        )
    }

    /// Sends a request, again and again while the registry is away.
    async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Response> {
        let given_up = Instant::now() + AWAY;
        loop {
            let request = self
                .http
                .request(method.clone(), format!("{}/{path}", self.url))
                .header("content-type", CONTENT_TYPE)
                .body(body.to_string());
            let error = match request.send().await {
                Ok(answer) if answer.status().is_server_error() => {
                    let status = answer.status();
                    anyhow::anyhow!("it answers {status}: {}", reason(answer).await)
                }
                Ok(answer) => return Ok(answer),
                // The URL may hold a password.
                Err(error) => error.without_url().into(),
            };
            if Instant::now() > given_up {
                return Err(error.context(Away));
            }
            tracing::warn!(error = format!("{error:#}"), "waiting for the schema registry");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn done(answer: Response) -> anyhow::Result<()> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    bail!("the registry answers {status}: {}", reason(answer).await)
}

async fn reason(answer: Response) -> String {
    let text = answer.text().await.unwrap_or_default();
    serde_json::from_str(&text).map_or(text, |Refusal { message }| message)
}

#[cfg(test)]
mod tests {
    use test_support::OwnRegistry;

    use super::*;

    #[tokio::test]
    async fn what_is_published_is_registered_once_and_refused_where_readers_would_break() {
        let registry = OwnRegistry::start().await;
        let http = Client::new();
        let subject = format!("{}/subjects/users.v1-UserRegistered", registry.url);
        let versions = async || -> Value {
            http.get(format!("{subject}/versions")).send().await.unwrap().json().await.unwrap()
        };
        for _once_and_again in 0..2 {
            register(&registry.url, "auth").await.unwrap();
            assert_eq!(versions().await, json!([1]));
        }

        // A version before ours, whose readers need a field that ours does not have.
        http.delete(&subject).send().await.unwrap();
        let other = json!({
            "$schema": DRAFT,
            "type": "object",
            "properties": {"userId": {"type": "integer"}},
            "required": ["userId"]
        });
        let body = json!({"schemaType": "JSON", "schema": other.to_string()});
        let added = http.post(format!("{subject}/versions")).json(&body).send().await.unwrap();
        assert!(added.status().is_success(), "{}", added.text().await.unwrap());
        let error = register(&registry.url, "auth").await.unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("users.v1-UserRegistered") && error.contains("new version"),
            "{error}"
        );
    }
}
