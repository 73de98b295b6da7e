//! Records of other producers, which compress them as they like.

use test_support::{Delivery, kafka::produce_compressed};

use crate::{
    handler::Recorder,
    world::{World, change},
};

#[tokio::test]
async fn records_are_read_whatever_they_are_compressed_with() {
    const SKUS: usize = 50;
    let world = World::new().await;
    let consumer = world.consumer(Recorder::new());
    for (version, codec) in (1..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        // Many that are nearly the same: what does not become smaller is sent as it is.
        let record = |sku| Delivery::new(change(&format!("sku-{sku}"), version)).record(&world.env);
        let records: Vec<_> = (0..SKUS).map(record).collect();
        produce_compressed(world.env.kafka_brokers(), codec, &records).await.unwrap();
        world.seen_are(SKUS * usize::try_from(version).unwrap()).await;
    }
    assert_eq!(world.count("dead_letters").await, 0);
    consumer.stop().await;
}
