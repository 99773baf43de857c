"""How far behind a consumer says that it is."""

from types import SimpleNamespace

from aiokafka import TopicPartition

from shared.inbox.lag import Lag
from shared.telemetry.metrics import REGISTRY

HERE, THERE = TopicPartition("passage.lag-test.v1", 0), TopicPartition("passage.lag-test.v1", 1)


class _Kafka:
    """The two questions that are asked of aiokafka's consumer."""

    def __init__(self, **ends):
        self.ends = {HERE: ends["here"], THERE: ends["there"]}
        self.mine = {HERE, THERE}

    def assignment(self):
        return self.mine

    def highwater(self, partition):
        return self.ends[partition]


def behind(partition):
    return REGISTRY.get_sample_value(
        "passage_consumer_lag", {"topic": partition.topic, "partition": str(partition.partition)}
    )


def records(first, last):
    return [SimpleNamespace(offset=offset) for offset in range(first, last + 1)]


def test_what_is_in_hand_counts_as_behind_until_it_is_applied():
    lag, kafka = Lag(), _Kafka(here=100, there=None)
    lag.read(kafka, {HERE: records(40, 59)})
    assert behind(HERE) == 60
    lag.applied(kafka)
    assert behind(HERE) == 40, "60 to 99 are still to come"


def test_a_batch_that_is_sought_back_to_is_behind_again():
    lag, kafka = Lag(), _Kafka(here=60, there=None)
    lag.read(kafka, {HERE: records(40, 59)})
    lag.applied(kafka)
    assert behind(HERE) == 0
    lag.read(kafka, {HERE: records(40, 59)})
    assert behind(HERE) == 20


def test_a_partition_that_went_to_another_replica_is_reported_no_longer():
    lag, kafka = Lag(), _Kafka(here=100, there=10)
    lag.read(kafka, {HERE: records(0, 9), THERE: records(0, 9)})
    kafka.mine = {HERE}
    lag.applied(kafka)
    assert behind(THERE) is None
    assert behind(HERE) == 90
