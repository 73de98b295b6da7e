//! What clients get to see.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use crate::sample::Sample;

/// Checks all that problems have in common.
async fn problem(response: Response) -> Value {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{status}");
    let trace_id = response.headers()["trace-id"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["traceId"], trace_id, "{body}");
    assert!(body["type"].as_str().unwrap().starts_with("https://boutique.dev/problems/"), "{body}");
    assert!(body["detail"].as_str().unwrap().ends_with('.'), "{body}");
    body
}

async fn assert_problem(response: Response, status: u16, slug: &str, field: Option<&str>) {
    let body = problem(response).await;
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], format!("https://boutique.dev/problems/{slug}"), "{body}");
    assert_eq!(body.get("field").and_then(Value::as_str), field, "{body}");
}

#[tokio::test]
async fn a_body_is_taken_as_json_only() {
    let sample = Sample::start().await;
    let basket = r#"{"sku":"A","qty":2}"#;
    for content_type in
        ["application/json", "Application/JSON; charset=utf-8", "application/x+json"]
    {
        let response = sample.post(content_type, basket).await;
        assert_eq!(response.status(), 202, "{content_type}");
        assert_eq!(response.text().await.unwrap(), basket);
    }
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "json", "text/x+json", ""]
    {
        let response = sample.post(content_type, basket).await;
        assert_problem(response, 415, "unsupported-media-type", None).await;
    }
    let undeclared = reqwest::Client::new().post(sample.url("/api/baskets")).body(basket);
    assert_problem(undeclared.send().await.unwrap(), 415, "unsupported-media-type", None).await;
}

#[tokio::test]
async fn a_body_is_taken_as_utf_8_and_not_packed_only() {
    let sample = Sample::start().await;
    let send = async |content_type: &str, encodings: &[&str]| {
        let mut request = reqwest::Client::new().post(sample.url("/api/baskets"));
        request = request.header("content-type", content_type).body(r#"{"sku":"A","qty":2}"#);
        for encoding in encodings {
            request = request.header("content-encoding", *encoding);
        }
        request.send().await.unwrap()
    };
    for content_type in
        [r#"application/json;charset="UTF-8""#, "application/json; x=y; Charset=utf-8"]
    {
        assert_eq!(send(content_type, &["Identity"]).await.status(), 202, "{content_type}");
    }
    for content_type in
        ["application/json; charset=iso-8859-1", "application/json;x=y;CHARSET=\"utf-16\""]
    {
        let response = send(content_type, &[]).await;
        assert_problem(response, 415, "unsupported-media-type", None).await;
    }
    for encodings in [&["gzip"][..], &["br, identity"], &["identity", "deflate"]] {
        let response = send("application/json", encodings).await;
        assert_problem(response, 415, "unsupported-media-type", None).await;
    }
}

#[tokio::test]
async fn a_body_that_is_wrong_is_refused_by_name() {
    let sample = Sample::start().await;
    let json = "application/json";
    assert_problem(sample.post(json, "{").await, 400, "malformed-json", None).await;
    assert_problem(sample.post(json, &b"\xff"[..]).await, 400, "malformed-json", None).await;
    let price = r#"{"sku":"A","qty":2,"price":0.01}"#;
    assert_problem(sample.post(json, price).await, 422, "invalid-field", Some("price")).await;
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_declared_or_not() {
    let sample = Sample::start().await;
    let declared = "x".repeat(64 * 1024 + 1);
    let response = sample.post("application/json", declared.clone()).await;
    assert_problem(response, 413, "body-too-large", None).await;
    for path in ["/api/baskets", "/api/raw"] {
        let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(declared.clone())]);
        let request = reqwest::Client::new().post(sample.url(path));
        let request = request.header("content-type", "application/json");
        let response = request.body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
        assert_problem(response, 413, "body-too-large", None).await;
    }
}

#[tokio::test]
async fn a_parameter_that_is_wrong_is_refused_by_name() {
    let sample = Sample::start().await;
    let id = "ord_01h455vb4pex5vsknk084sn02q";
    assert_eq!(sample.get(&format!("/api/baskets/{id}")).await.text().await.unwrap(), id);
    assert_eq!(sample.get("/api/lines/a%20b/7").await.text().await.unwrap(), "a b 7");
    assert_eq!(sample.get("/api/baskets?limit=5").await.text().await.unwrap(), "5");
    for (path, field) in [
        ("/api/baskets/7", "id"),
        ("/api/baskets/cust_01h455vb4pex5vsknk084sn02q", "id"),
        ("/api/baskets/%FF", "id"),
        ("/api/baskets/ord_%00", "id"),
        ("/api/lines/a/b", "number"),
        ("/api/lines/%00/1", "name"),
        ("/api/baskets?limit=many", "limit"),
        ("/api/baskets?limit=-1", "limit"),
        ("/api/baskets?limit=99999999999", "limit"),
        ("/api/baskets?limit=1&limit=2", "limit"),
        ("/api/baskets?status=LOST", "status"),
        ("/api/baskets?limit=1&search=a%00b", "search"),
        ("/api/baskets?%00=a", "query"),
    ] {
        let body = problem(sample.get(path).await).await;
        assert_eq!(
            (&body["status"], &body["field"]),
            (&400.into(), &field.into()),
            "{path}: {body}"
        );
        assert_eq!(body["type"], "https://boutique.dev/problems/invalid-parameter");
    }
}

#[tokio::test]
async fn a_parameter_that_is_no_number_is_refused_in_our_words() {
    let sample = Sample::start().await;
    for (path, reason) in [
        ("/api/baskets?limit=-1", "expected a whole number that is not negative"),
        ("/api/baskets?limit=many", "expected a whole number that is not negative"),
        ("/api/baskets?limit=", "expected a whole number that is not negative"),
        ("/api/baskets?limit=99999999999999", "the number is too large"),
        ("/api/lines/a/b", "expected a whole number from 0 to 4294967295"),
    ] {
        let body = problem(sample.get(path).await).await;
        let field = body["field"].as_str().unwrap();
        assert_eq!(body["detail"], format!("The parameter {field} is not valid: {reason}."));
    }
}

#[tokio::test]
async fn what_is_not_served_is_a_problem_too() {
    let sample = Sample::start().await;
    assert_problem(sample.get("/api/nothing").await, 404, "not-found", None).await;
    assert_problem(sample.get("/api/teapot").await, 418, "bad-request", None).await;
    let client = reqwest::Client::new();
    let response = client.delete(sample.url("/api/baskets")).send().await.unwrap();
    let allow = response.headers()["allow"].to_str().unwrap();
    assert!(allow.contains("POST") && allow.contains("GET"), "{allow}");
    assert_problem(response, 405, "method-not-allowed", None).await;
}

#[tokio::test]
async fn failures_tell_nothing_of_the_inside() {
    let sample = Sample::start().await;
    for path in ["/api/panics", "/api/broken"] {
        let body = problem(sample.get(path).await).await;
        assert_eq!(body["status"], 500);
        assert!(
            !body.to_string().contains("secret") && !body.to_string().contains("broke"),
            "{body}"
        );
    }
    assert_eq!(sample.get("/healthz").await.status(), 200, "it goes on after a panic");
}

#[tokio::test]
async fn a_database_that_is_away_means_try_again() {
    let sample = Sample::start().await;
    let response = sample.get("/api/away").await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_problem(response, 503, "unavailable", None).await;
}

#[tokio::test]
async fn a_handler_that_hangs_is_given_up() {
    let sample = Sample::start().await;
    let response = sample.get("/api/hangs").await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_problem(response, 503, "unavailable", None).await;
}

#[tokio::test]
async fn a_request_goes_on_with_the_trace_of_its_caller() {
    let sample = Sample::start().await;
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let header = format!("00-{trace}-{parent}-01");
    let response = sample.get_with("/api/trace", "traceparent", &header).await;
    assert_eq!(response.headers()["trace-id"], trace);
    let inside = response.text().await.unwrap();
    assert!(inside.contains(&header), "nobody is told of a step in between: {inside}");

    let response = sample.get_with("/api/trace", "traceparent", "00-nonsense").await;
    let fresh = response.headers()["trace-id"].to_str().unwrap().to_owned();
    assert!(response.text().await.unwrap().contains(&fresh));
    assert_ne!(sample.get("/api/trace").await.headers()["trace-id"], fresh);
}

#[tokio::test]
async fn readiness_names_what_fails() {
    let nowhere = sqlx::PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let mut flag = None;
    let sample =
        Sample::start_with(nowhere, |kit| flag = Some(kit.readiness.flag("consumer"))).await;
    let body = problem(sample.get("/readyz").await).await;
    assert_eq!(body["status"], 503);
    assert_eq!(body["detail"], "Not ready: database, consumer.");

    flag.unwrap().set(true);
    let body = problem(sample.get("/readyz").await).await;
    assert_eq!(body["detail"], "Not ready: database.");
    assert_eq!(sample.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn requests_are_counted_by_their_route() {
    let sample = Sample::start().await;
    sample.get("/api/lines/counted/1").await;
    let odd = reqwest::Method::from_bytes(b"ODD").unwrap();
    let request = reqwest::Client::new().request(odd, sample.url("/api/counted/nowhere"));
    request.send().await.unwrap();
    let metrics = sample.get("/metrics").await.text().await.unwrap();
    let label = r#"method="GET",route="/api/lines/{name}/{number}",status="2xx""#;
    assert!(metrics.contains(&format!("http_requests_total{{{label}}} ")), "{metrics}");
    assert!(
        metrics.contains(&format!("http_request_duration_seconds_bucket{{{label},le=\"0.01\"}}"))
    );
    assert!(metrics.contains(r#"{method="other",route="unmatched",status="4xx"}"#), "{metrics}");
    assert!(!metrics.contains("counted"));
}

/// The statuses above 399 that an operation documents.
fn refusals(operation: &Value) -> Vec<&str> {
    let statuses = operation["responses"].as_object().unwrap().keys().map(String::as_str);
    statuses.filter(|status| *status >= "400").collect()
}

#[tokio::test]
async fn the_document_has_what_all_services_share() {
    let sample = Sample::start().await;
    let document: Value = sample.get("/openapi.json").await.json().await.unwrap();
    assert_eq!(document["info"]["title"], "Boutique sample");
    let operation = &document["paths"]["/api/baskets/{id}"]["get"];
    assert_eq!(operation["parameters"].as_array().unwrap().len(), 1, "{operation}");
    assert_eq!(refusals(operation), ["400", "401", "404", "413", "503"]);
    let post = &document["paths"]["/api/baskets"]["post"];
    assert_eq!(refusals(post), ["400", "408", "413", "415", "422", "503"]);
    let schema = &post["responses"]["422"]["content"]["application/problem+json"]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/Problem");
    assert!(post["responses"]["503"]["headers"]["Retry-After"].is_object(), "{post}");
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert!(document["paths"][path]["get"]["responses"]["200"].is_object(), "{path}");
    }
    let problem = &document["components"]["schemas"]["Problem"]["properties"];
    assert_eq!(problem["traceId"]["type"][0], "string", "{problem}");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let limit = &document["paths"]["/api/baskets"]["get"]["parameters"][0];
    assert_eq!((&limit["name"], &limit["in"]), (&"limit".into(), &"query".into()));
}

#[tokio::test]
async fn streams_end_at_shutdown_and_the_server_with_them() {
    let sample = Sample::start().await;
    let mut stream = sample.get("/api/events").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: hello\n\n");

    sample.shutdown.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(5), stream.chunk()).await.unwrap();
    assert!(rest.unwrap().is_none());
    let ended = tokio::time::timeout(Duration::from_secs(5), sample.running).await.unwrap();
    ended.unwrap().unwrap();
    assert!(reqwest::get(format!("{}/healthz", sample.url)).await.is_err());
}
