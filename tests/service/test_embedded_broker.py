"""The brokers that the tests and the stack start, and the topics in them."""

from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.embedded.broker import EmbeddedBroker
from deploy.embedded.processes import any_free_port
from deploy.kafka.topics import SET_ON_TOPIC, WrongTopic, create_topics
from shared.contracts.topics import TOPICS, Topic

ONE = (Topic("numbers", 1, 60_000),)


async def send(bootstrap, *numbers, idempotent):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=idempotent) as producer:
        for number in numbers:
            await producer.send_and_wait("numbers", str(number).encode(), partition=0)


async def read(bootstrap, count):
    consumer = AIOKafkaConsumer("numbers", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        return [int((await consumer.getone()).value) for _ in range(count)]


async def test_topics_are_created_once_as_declared(world):
    await world.topics()
    assert await create_topics(world.kafka, prefix=world.kafka_prefix) == []


async def test_a_topic_with_other_partitions_is_refused(world):
    prefix = f"{world.kafka_prefix}other."
    await create_topics(world.kafka, prefix=prefix, topics=[Topic("numbers", 2, 60_000)])
    with pytest.raises(WrongTopic, match="2 partitions instead of 12"):
        await create_topics(world.kafka, prefix=prefix, topics=[Topic("numbers", 12, 60_000)])


async def test_a_topic_that_is_there_keeps_its_records_as_long_as_is_declared_now(own_broker):
    admin = AIOKafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    async with started(admin):
        await create_topics(own_broker.bootstrap, topics=ONE, in_sync=1)
        await send(own_broker.bootstrap, 1, 2, idempotent=True)
        longer = [Topic("numbers", 1, 3_600_000), Topic("others", 1, 60_000)]
        assert await create_topics(own_broker.bootstrap, topics=longer) == ["others"]
        assert await set_on(admin, "numbers") == {"retention.ms": "3600000", "min.insync.replicas": "1"}
        assert await read(own_broker.bootstrap, 2) == [1, 2]
        assert await create_topics(own_broker.bootstrap, topics=longer) == []
        [found] = await admin.describe_topics(["numbers"])
        assert len(found["partitions"]) == 1


@asynccontextmanager
async def started(admin):
    await admin.start()
    try:
        yield
    finally:
        await admin.close()


async def set_on(admin, name):
    """What the broker says was set on that topic itself."""
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    [(*_, entries)] = answer.resources
    return {setting: value for setting, value, _, source, *_ in entries if source == SET_ON_TOPIC}


async def test_apache_kafka_keeps_what_it_acknowledged_across_a_kill(own_broker):
    await create_topics(own_broker.bootstrap, topics=ONE)
    await send(own_broker.bootstrap, 1, 2, 3, idempotent=True)
    own_broker.kill()
    own_broker.launch()
    own_broker.wait()
    await send(own_broker.bootstrap, 4, idempotent=True)
    assert await read(own_broker.bootstrap, 4) == [1, 2, 3, 4]


async def test_the_embedded_broker_forgets(tmp_path):
    broker = EmbeddedBroker(any_free_port(), tmp_path / "broker.log")
    broker.launch()
    broker.wait()
    try:
        assert len(await create_topics(broker.bootstrap)) == len(TOPICS)
        broker.kill()
        broker.launch()
        broker.wait()
        assert len(await create_topics(broker.bootstrap)) == len(TOPICS)
    finally:
        broker.stop()
