"""Prints how orders end, as any other team's program would hear of it."""

import json
import os
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

TOPIC = os.environ.get("KAFKA_TOPIC_PREFIX", "") + "fulfillment.v1"

consumer = Consumer({
    "bootstrap.servers": os.environ.get("KAFKA_BROKERS", "127.0.0.1:9092"),
    # A group of one's own: each hears of everything.
    "group.id": os.environ.get("GROUP", "example"),
    "enable.partition.eof": True,
})
partitions = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in partitions])

# With --once it stops where the topic ends now.
unread = set(partitions)
while unread or "--once" not in sys.argv:
    record = consumer.poll(1.0)
    if record is None:
        continue
    if record.error():
        unread.discard(record.partition())
        continue
    headers = {name: value.decode() for name, value in record.headers()}
    event = json.loads(record.value())
    # Delivered at least once: whoever acts on it remembers the ids of what was done.
    print(headers["ce_id"], event["type"], event["orderId"], event.get("reason", ""), flush=True)
consumer.close()
