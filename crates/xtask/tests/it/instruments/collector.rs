//! A receiver of OTLP over HTTP, by the protocol's own definitions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A step as it was told.
#[derive(Debug, Clone)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub kind: SpanKind,
    pub trace_id: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Option<Vec<u8>>,
    /// Nanoseconds since 1970, like the end.
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    /// Ids of the steps it is linked to.
    pub links: Vec<Vec<u8>>,
}

/// Keeps what it is told.
pub struct Collector {
    /// For the services.
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
    serving: JoinHandle<()>,
}

impl Collector {
    pub async fn start() -> Result<Self> {
        let spans = Arc::default();
        #[expect(clippy::disallowed_methods, reason = "no API of ours")]
        let routes =
            Router::new().route("/v1/traces", post(receive)).with_state(Arc::clone(&spans));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Ok(Self { endpoint, spans, serving })
    }

    /// What was told so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut told = Vec::new();
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| texts(resource.attributes));
        let service = attributes.and_then(|mut of| of.remove("service.name")).unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            told.push(Span {
                service: service.clone(),
                kind: span.kind(),
                name: span.name,
                trace_id: span.trace_id,
                id: span.span_id,
                parent: Some(span.parent_span_id).filter(|id| !id.is_empty()),
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                attributes: texts(span.attributes),
                links: span.links.into_iter().map(|link| link.span_id).collect(),
            });
        }
    }
    spans.lock().unwrap().append(&mut told);
    StatusCode::OK
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value?.value? {
        Value::StringValue(text) => Some((attribute.key, text)),
        _ => None,
    };
    attributes.into_iter().filter_map(text).collect()
}
