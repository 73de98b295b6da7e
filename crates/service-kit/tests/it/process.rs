//! A service as a process: its command line, its exit code, its log.

use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use test_support::{TestEnv, eventually};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(20);

fn greeter(variables: &[(&str, &str)]) -> Command {
    let tests = std::env::current_exe().unwrap();
    let greeter = tests.parent().unwrap().with_file_name("examples").join("greeter");
    assert!(greeter.exists(), "run `cargo build -p service-kit --examples` first");
    let mut command = Command::new(greeter);
    command.env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

async fn run(variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let output = greeter(variables).args(arguments).output();
    ended(tokio::time::timeout(DEADLINE, output).await.unwrap().unwrap())
}

fn ended(output: Output) -> (i32, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

async fn terminated(child: Child) -> (i32, String) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
    ended(output.unwrap().unwrap())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn names_the_variable_that_is_missing_or_wrong() {
    let (code, text) = run(&[], &[]).await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("DATABASE_URL"), "{text}");
    for (name, value) in [
        ("LISTEN_ADDR", "everywhere"),
        ("DATABASE_MAX_CONNECTIONS", "0"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "soon"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "orders=loud"),
        ("GREETING_SECONDS", ""),
    ] {
        let (code, text) =
            run(&[("DATABASE_URL", "postgres://u:hunter2@h/d"), (name, value)], &[]).await;
        assert_eq!(code, 2, "{name}: {text}");
        assert!(text.contains(name) && !text.contains("hunter2"), "{name}: {text}");
    }
}

#[tokio::test]
async fn help_explains_every_variable_and_shows_no_secret() {
    let (code, text) = run(&[("DATABASE_URL", "postgres://u:hunter2@h/d")], &["--help"]).await;
    assert_eq!(code, 0);
    for name in [
        "DATABASE_URL",
        "DATABASE_MAX_CONNECTIONS",
        "KAFKA_BROKERS",
        "KAFKA_TOPIC_PREFIX",
        "LISTEN_ADDR",
        "RUST_LOG",
        "LOG_FORMAT",
        "SHUTDOWN_TIMEOUT_SECONDS",
        "GREETING_SECONDS",
    ] {
        assert!(text.contains(&format!("[env: {name}")), "{name} is missing:\n{text}");
    }
    assert!(text.contains("[default: 127.0.0.1:3010]"), "{text}");
    assert!(text.contains("migrate") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn serves_once_it_is_migrated_and_stops_when_told() {
    let env = TestEnv::new("greeter").await;
    let (url, address) = (env.database_url(), format!("127.0.0.1:{}", free_port()));
    let variables =
        [("DATABASE_URL", url.as_str()), ("LISTEN_ADDR", &address), ("LOG_FORMAT", "json")];

    let (code, text) = run(&variables, &["serve"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("run `greeter migrate`"), "{text}");

    for _once_and_again in 0..2 {
        let (code, text) = run(&variables, &["migrate"]).await;
        assert_eq!(code, 0, "{text}");
    }

    let child = greeter(&variables).spawn().unwrap();
    eventually(DEADLINE, async || {
        let answer = reqwest::get(format!("http://{address}/readyz")).await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    let answer = reqwest::get(format!("http://{address}/api/greeting")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello\n");

    let taken = run(&variables, &[]).await;
    assert_eq!(taken.0, 1, "{}", taken.1);
    assert!(taken.1.contains("LISTEN_ADDR") && taken.1.contains(&address), "{}", taken.1);

    let (code, log) = terminated(child).await;
    assert_eq!(code, 0, "{log}");
    let messages: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["message"].to_string())
        .collect();
    assert_eq!(messages.last().unwrap(), r#""stopped""#);
    for message in [r#""hello""#, r#""listening""#, r#""stopping""#] {
        assert!(messages.contains(&message.to_owned()), "{message} is missing:\n{log}");
    }
}

/// Whoever sends requests learns that it is to send them elsewhere while they are still answered.
#[tokio::test]
async fn a_process_that_is_told_to_stop_is_not_ready_first_and_then_gone() {
    let env = TestEnv::new("greeter").await;
    let (url, address) = (env.database_url(), format!("127.0.0.1:{}", free_port()));
    let variables = [("DATABASE_URL", url.as_str()), ("LISTEN_ADDR", &address)];
    assert_eq!(run(&variables, &["migrate"]).await.0, 0);
    let child = greeter(&variables).spawn().unwrap();
    let ask = async |path| reqwest::get(format!("http://{address}{path}")).await.ok();
    let is_ready = async || ask("/readyz").await.is_some_and(|answer| answer.status() == 200);
    eventually(DEADLINE, async || is_ready().await.then_some(())).await;

    let watching = async {
        while is_ready().await {}
        let (readiness, greeting) = (ask("/readyz").await, ask("/api/greeting").await);
        let (readiness, greeting) = (readiness.expect("an answer"), greeting.expect("an answer"));
        assert_eq!(readiness.status(), 503);
        assert!(readiness.text().await.unwrap().contains("shutting down"));
        assert_eq!(greeting.headers()["connection"], "close", "the next request goes elsewhere");
        assert_eq!(greeting.text().await.unwrap(), "hello\n");
    };
    let ((code, log), ()) = tokio::join!(terminated(child), watching);
    assert_eq!(code, 0, "{log}");
}

#[tokio::test]
async fn stops_when_told_while_it_waits_for_the_database() {
    let url = format!("postgres://u:hunter2@127.0.0.1:{}/d", free_port());
    let mut child = greeter(&[("DATABASE_URL", &url)]).spawn().unwrap();
    let mut log = tokio::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    let waiting = tokio::io::AsyncBufReadExt::read_line(&mut log, &mut line);
    tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
    assert!(line.contains("waiting for the database") && !line.contains("hunter2"), "{line}");
    assert_eq!(terminated(child).await.0, 0);
}
