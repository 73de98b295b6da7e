//! The binary: its subcommands, what it logs, and what it counts.

use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use test_support::TestEnv;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::running::{Answer, PASSWORD, PATIENCE, environment, send};

const EMAIL: &str = "boss@example.org";
const ADMIN_PASSWORD: &str = "staple horse battery";

fn command(env: &TestEnv) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth"));
    command
        .env_clear()
        .env("DATABASE_URL", env.database_url())
        .env("KAFKA_BROKERS", env.kafka_brokers())
        .env("KAFKA_TOPIC_PREFIX", env.topic_prefix())
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("LOG_FORMAT", "json")
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

async fn migrate(env: &TestEnv) {
    assert!(run(command(env).arg("migrate"), "").await.status.success());
}

/// The service as a process.
struct Serving {
    process: Child,
    log: JoinHandle<String>,
    url: String,
    http: reqwest::Client,
}

impl Serving {
    async fn start(env: &TestEnv, level: &str) -> Self {
        let mut process = command(env).arg("serve").env("RUST_LOG", level).spawn().unwrap();
        let (found, address) = oneshot::channel();
        let log = tokio::spawn(read_log(process.stderr.take().unwrap(), found));
        let address = timeout(PATIENCE, address).await.unwrap().unwrap();
        Self { process, log, url: format!("http://{address}"), http: reqwest::Client::new() }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.http.post(format!("{}/api/users/{path}", self.url)).json(&body)).await
    }

    async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("signin", json!({"email": email, "password": password})).await
    }

    /// How many passwords have been checked.
    async fn checks(&self) -> u64 {
        let metrics = send(self.http.get(format!("{}/metrics", self.url))).await.is(200).body;
        let name = r#"password_hashes_total{operation="verify"} "#;
        let line = metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.parse().unwrap())
    }

    /// Stops it as an operator does, and returns all it has logged.
    async fn stop(mut self) -> String {
        let id = Pid::from_raw(self.process.id().unwrap().try_into().unwrap());
        kill(id, Signal::SIGTERM).unwrap();
        let ended = self.process.wait().await.unwrap();
        let log = self.log.await.unwrap();
        assert!(ended.success());
        log
    }
}

/// Reads all that is logged, and tells the address that the service listens on.
async fn read_log(stderr: ChildStderr, found: oneshot::Sender<String>) -> String {
    let (mut lines, mut log, mut found) =
        (BufReader::new(stderr).lines(), String::new(), Some(found));
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Ok(json) = serde_json::from_str::<Value>(&line)
            && json["message"] == "listening"
            && let Some(found) = found.take()
        {
            found.send(json["address"].as_str().unwrap().to_owned()).unwrap();
        }
        log += &line;
        log.push('\n');
    }
    log
}

#[tokio::test]
async fn an_address_nobody_has_costs_the_same_check_and_a_limited_one_none() {
    let env = environment().await;
    migrate(&env).await;
    let auth = Serving::start(&env, "info").await;
    auth.post("signup", json!({"email": EMAIL, "password": PASSWORD})).await.is(201);
    assert_eq!(auth.checks().await, 0);
    for (tried, email) in (1..).zip([EMAIL, "nobody@example.org"].repeat(10)) {
        auth.sign_in(email, "wrong password").await.is(401);
        assert_eq!(auth.checks().await, tried, "{email}");
    }
    for (email, password) in [(EMAIL, PASSWORD), ("nobody@example.org", PASSWORD)] {
        auth.sign_in(email, password).await.is(429);
    }
    assert_eq!(auth.checks().await, 20);
    auth.stop().await;
}

#[tokio::test]
async fn an_admin_is_made_from_the_command_line_once() {
    let env = environment().await;
    migrate(&env).await;
    for _ in 0..2 {
        let create = ["create-admin", "--email", EMAIL];
        let output = run(command(&env).args(create), &format!("{ADMIN_PASSWORD}\n")).await;
        assert!(output.status.success(), "{output:?}");
    }
    let other = ["create-admin", "--email", "other@example.org"];
    let output = run(command(&env).args(other).env("ADMIN_PASSWORD", PASSWORD), "").await;
    assert!(output.status.success(), "{output:?}");

    let auth = Serving::start(&env, "info").await;
    for (email, password) in [(EMAIL, ADMIN_PASSWORD), ("other@example.org", PASSWORD)] {
        let answer = auth.sign_in(email, password).await.is(200);
        assert_eq!(answer.body["user"]["role"], "admin");
    }
    auth.stop().await;
}

#[tokio::test]
async fn an_admin_without_address_or_password_is_refused() {
    let env = environment().await;
    migrate(&env).await;
    for (email, input, message) in [
        ("boss", ADMIN_PASSWORD, "--email is not valid"),
        (EMAIL, "", "standard input holds no password"),
        (EMAIL, "short\n", "the password on standard input is not valid"),
    ] {
        let output = run(command(&env).args(["create-admin", "--email", email]), input).await;
        assert!(!output.status.success());
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains(message), "{log}");
    }
}

#[tokio::test]
async fn keys_are_rotated_from_the_command_line() {
    let env = environment().await;
    migrate(&env).await;
    for _ in 0..2 {
        let mut rotate = command(&env);
        rotate.arg("rotate-keys").env("KEY_PUBLISH_LEAD_SECONDS", "0");
        assert!(run(&mut rotate, "").await.status.success());
    }
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM signing_key_pairs")
        .fetch_one(&env.pool().await)
        .await
        .unwrap();
    assert_eq!(keys, 2);
}

#[tokio::test]
async fn what_is_wrong_with_the_configuration_is_named_and_secrets_are_not_shown() {
    let env = environment().await;
    for (variable, value) in [
        ("ACCESS_TOKEN_SECONDS", "0"),
        ("REFRESH_TOKEN_DAYS", "many"),
        ("COOKIE_SECURE", "perhaps"),
        ("KEY_ROTATION_DAYS", "0"),
        ("KEY_PUBLISH_LEAD_SECONDS", "86400"),
        ("SIGN_UPS_PER_ADDRESS", "0"),
        ("TRUSTED_PROXIES", "-1"),
    ] {
        let output = run(command(&env).env(variable, value), "").await;
        assert!(!output.status.success());
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains(variable), "{variable}: {log}");
    }
    let mut help = command(&env);
    help.env("ADMIN_EMAIL", EMAIL).env("ADMIN_PASSWORD", ADMIN_PASSWORD).arg("--help");
    let shown = String::from_utf8(run(&mut help, "").await.stdout).unwrap();
    assert!(shown.contains("ADMIN_PASSWORD"), "{shown}");
    assert!(!shown.contains(ADMIN_PASSWORD) && !shown.contains(EMAIL), "{shown}");
}

#[tokio::test]
async fn nothing_secret_or_personal_is_logged() {
    let env = environment().await;
    migrate(&env).await;
    let create = ["create-admin", "--email", EMAIL];
    let made = run(command(&env).args(create), &format!("{ADMIN_PASSWORD}\n")).await;
    assert!(made.status.success());

    let auth = Serving::start(&env, "trace").await;
    let email = "asha@example.org";
    let first = auth.post("signup", json!({"email": email, "password": PASSWORD})).await.is(201);
    auth.post("signup", json!({"email": email, "password": PASSWORD})).await.is(409);
    auth.sign_in(email, "wrong password").await.is(401);
    auth.post("signin", json!({"email": "asha at home", "password": 77_123_456})).await.is(422);
    let second = auth.post("refresh", json!({"refreshToken": first.refresh()})).await.is(200);
    auth.post("refresh", json!({"refreshToken": first.refresh()})).await.is(401);
    auth.post("signout", json!({"refreshToken": second.refresh()})).await.is(204);
    let log = auth.stop().await + &String::from_utf8(made.stderr).unwrap();

    assert!(log.contains("a refresh token was used twice"), "it has logged");
    let tokens = [first.access(), first.refresh(), second.access(), second.refresh()];
    let words = [EMAIL, email, "asha", ADMIN_PASSWORD, PASSWORD, "wrong password", "77123456"];
    for secret in tokens.iter().map(String::as_str).chain(words).chain(["$argon2id$"]) {
        let place = log.find(secret);
        let around = place.map(|at| &log[at.saturating_sub(300)..(at + 100).min(log.len())]);
        assert_eq!(around, None, "{secret}");
    }
}
