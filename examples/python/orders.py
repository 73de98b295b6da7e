"""Prints how orders end, as any other team's program would hear of it."""

import json
import os
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

TOPIC = os.environ.get("KAFKA_TOPIC_PREFIX", "") + "fulfillment.v1"

# Reads all from the beginning, and keeps nothing; a program that acts on events subscribes, and commits what it has done.
consumer = Consumer({
    "bootstrap.servers": os.environ.get("KAFKA_BROKERS", "127.0.0.1:9092"),
    "group.id": "example",
    "enable.auto.commit": False,
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
        if record.error().code() == KafkaError._PARTITION_EOF:
            unread.discard(record.partition())
        else:
            print(record.error(), file=sys.stderr)
        continue
    headers = dict(record.headers() or [])
    event = json.loads(record.value())
    # Delivered at least once: whoever acts on it remembers the ids of what was done.
    print(headers["ce_id"].decode(), event["type"], event["orderId"], event.get("reason", ""), flush=True)
consumer.close()
