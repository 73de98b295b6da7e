//! Servers that are spoken to by TLS, and by those they know.

use std::path::Path;
use std::time::Duration;

use contracts::events::Event;
use contracts::topic::Topic;
use messaging::{Admin, KafkaConfig, Outbox, Relay, Sasl, Tls, new_trace};
use service_kit::config::DatabaseArgs;
use service_kit::database;
use test_support::stack::Guard;
use test_support::{OwnKafka, OwnPostgres, TestEnv, eventually, sample};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

fn kafka(
    brokers: String,
    ca: &Path,
    mechanism: &str,
    username: &str,
    password: &str,
) -> KafkaConfig {
    KafkaConfig {
        tls: Some(Tls { ca_location: Some(ca.to_owned()) }),
        sasl: Some(Sasl {
            mechanism: mechanism.to_owned(),
            username: username.to_owned(),
            password: password.to_owned(),
        }),
        ..KafkaConfig::plaintext(brokers, "")
    }
}

#[tokio::test]
async fn events_pass_brokers_that_ask_for_tls_and_an_account() {
    let (own, guard) = OwnKafka::start_guarded("boutique", "hunter2").await;
    let Guard { ca, username, password, .. } = &guard;
    let with = |mechanism, password| kafka(own.brokers(), ca, mechanism, username, password);

    // Each of the three is let in; topics are made by the first.
    let topic = Topic::Stock.name().to_owned();
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] {
        let admin = Admin::new(with(mechanism, password));
        admin.create_topics(std::slice::from_ref(&topic), 1, 1).await.unwrap();
        assert_eq!(admin.topics(vec![topic.clone()]).await.unwrap().len(), 1, "{mechanism}");
    }

    let env = TestEnv::new("inventory").await;
    let pool = env.pool().await;
    database::migrate(&pool, &[]).await.unwrap();
    let outbox = Outbox::new(pool, "inventory");
    let event: Event = sample(contracts::events::EventType::StockChanged);
    let mut tx = outbox.begin().await.unwrap();
    let since = tx.now();
    tx.publish(event.clone(), &new_trace()).unwrap();
    tx.commit().await.unwrap();
    let end = CancellationToken::new();
    let relay = Relay::new(with("SCRAM-SHA-512", password), outbox);
    let relaying = tokio::spawn(relay.run(end.clone()));
    let admin = Admin::new(with("SCRAM-SHA-256", password));
    let arrived = eventually(PATIENCE, async || {
        let history = admin.history_of(event.key(), &[Topic::Stock], since).await.ok()?;
        history.events.into_iter().next()
    });
    assert_eq!(arrived.await.event, event);
    end.cancel();
    relaying.await.unwrap().unwrap();

    // Whoever has the wrong password, or does not trust them, gets nowhere.
    let wrong = Admin::new(with("SCRAM-SHA-512", "hunter3"));
    wrong.topics(vec![topic.clone()]).await.unwrap_err();
    let (_other, stranger) = OwnPostgres::start_guarded().await;
    let distrusting = kafka(own.brokers(), &stranger.ca, "SCRAM-SHA-512", username, password);
    Admin::new(distrusting).topics(vec![topic]).await.unwrap_err();
}

#[tokio::test]
async fn postgres_is_spoken_to_by_tls_where_the_url_asks_for_it() {
    let (own, guard) = OwnPostgres::start_guarded().await;
    let args = |query: String| DatabaseArgs {
        database_url: format!("{}?{query}", own.url()),
        database_max_connections: 2,
    };
    let verified = |ca: &Path| args(format!("sslmode=verify-full&sslrootcert={}", ca.display()));
    let pool = database::connect(&verified(&guard.ca), "orders").await.unwrap();
    let encrypted: bool =
        sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert!(encrypted);

    let (_other, stranger) = OwnPostgres::start_guarded().await;
    let error = database::connect(&verified(&stranger.ca), "orders").await.unwrap_err();
    assert!(format!("{error:#}").contains("certificate"), "{error:#}");
}
