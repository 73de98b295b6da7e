//! What is logged while events are processed.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use crate::{
    handler::{Reaction, Recorder},
    world::{World, change, deliveries},
};

/// All that is logged in this process, as services write it for machines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        // Another test may have logged something just before, for the first time: nobody listened then.
        tracing::callsite::rebuild_interest_cache();
        log
    }

    fn lines(&self) -> Vec<Value> {
        let written = self.0.lock().unwrap();
        let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_line_about_an_event_alone_names_its_key_and_its_trace() {
    let log = Log::start();
    let world = World::new().await;
    let event = change("logged", 1);
    world.env.deliver(&deliveries(std::slice::from_ref(&event))).await;
    let failed = AtomicBool::new(false);
    let consumer = world.consumer(Recorder::new().reacting(move |_| {
        if failed.swap(true, Ordering::Relaxed) { Reaction::Record } else { Reaction::Transient }
    }));
    world.seen_are(1).await;
    consumer.stop().await;

    let lines = log.lines();
    // Of other tests there may be lines as well, and about what takes long.
    let mut failures = lines.iter().filter(|line| line["message"] == "batch failed; trying again");
    let line = failures.find(|line| line["span"]["key"] == "logged").expect("a line that names it");
    assert_eq!(line["span"]["trace_id"], event.trace_id.to_string(), "{line}");
}
