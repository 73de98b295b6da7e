//! Steps in traces, told to a collector over OTLP.
//!
//! The ids of a step are known before it begins, since they travel in headers and in the outbox; so a step is told
//! as a whole once it is over, and nothing is kept meanwhile. Without a collector, or in a trace that is not
//! recorded, telling costs the look at a flag.

mod data;
mod sampling;

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use contracts::trace::{SpanId, TraceContext, TraceId};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanProcessor as _};

use crate::sampling::Sampling;

/// What is finished and not yet sent; more is dropped rather than waited for.
const QUEUE: usize = 8192;
/// How long the collector may take for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a process that stops, which has little time left, waits for it.
const LAST: Duration = Duration::from_millis(500);

static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    processor: BatchSpanProcessor,
    sampling: Sampling,
}

/// Part of a trace: what one process did, from when to when.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it is, such as `process orders.v1`; few different ones.
    pub name: String,
    /// Which side of a conversation it is.
    pub kind: Kind,
    /// Its place: the trace, and its own id.
    pub context: TraceContext,
    /// The step that led to it.
    pub parent: Option<SpanId>,
    /// When it began; it ends when it is told.
    pub started: Instant,
    /// Steps of other traces that it served as well.
    pub links: Vec<TraceContext>,
    /// Names and values.
    pub attributes: Vec<(&'static str, String)>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// Which side of a conversation a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It answers a request.
    Server,
    /// It asks somebody outside, and waits for the answer.
    Client,
    /// It makes a message.
    Producer,
    /// It takes in a message.
    Consumer,
    /// None.
    Internal,
}

/// Why steps cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("no spans can be sent to the collector")]
pub struct StartError(#[from] ExporterBuildError);

/// Sends what is told from now on to the collector at `endpoint`, such as `http://localhost:4318`, in the name of
/// `service`. Of traces that begin here, `ratio` (0 to 1) are recorded; others as their caller says. The first call
/// counts. Must not be called inside an asynchronous runtime.
pub fn start(service: &'static str, endpoint: &str, ratio: f64) -> Result<(), StartError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(PATIENCE)
        .build()?;
    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
    let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    processor.set_resource(&Resource::builder().with_service_name(service).build());
    drop(EXPORT.set(Export { processor, sampling: Sampling::of(ratio) }));
    Ok(())
}

/// Sends what is left. Blocks for half a second at the most.
pub fn stop() {
    if let Some(export) = EXPORT.get() {
        // Nobody is left to be told that the last spans are lost.
        let _ = export.processor.shutdown_with_timeout(LAST);
    }
}

/// Whether a trace that begins here is recorded.
pub fn samples(trace: TraceId) -> bool {
    EXPORT.get().is_some_and(|export| export.sampling.takes(trace))
}

/// Whether steps of this trace are told.
pub fn records(context: &TraceContext) -> bool {
    context.sampled && EXPORT.get().is_some()
}

/// The next step in a trace that is recorded; in one that is not, nobody would see it, and the place stays the same.
#[must_use]
pub fn next(context: TraceContext) -> TraceContext {
    if records(&context) { context.child(rand::random()) } else { context }
}

/// A step outside any order's trace, for work that is done for many at once.
pub fn apart() -> TraceContext {
    TraceContext::new(rand::random(), rand::random())
}

/// Tells of a step that ends now.
pub fn tell(step: Step) {
    if let Some(export) = EXPORT.get().filter(|_| step.context.sampled) {
        let end = SystemTime::now();
        export.processor.on_end(data::span(step, end));
    }
}
