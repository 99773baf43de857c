"""How far a consumer is behind, partition by partition, for the metric `passage_consumer_lag`.

The promise: what was read and is not applied yet counts as behind, so a batch that fails again and again keeps the
figure up; a partition that went to another replica is that one's to report.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from aiokafka import ConsumerRecord, TopicPartition

from shared.telemetry import metrics


class Reader(Protocol):
    """What is asked of aiokafka's consumer."""

    def assignment(self) -> Collection[TopicPartition]: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...


class Lag:
    """One consumer's. Offsets are those of the next record to apply."""

    def __init__(self) -> None:
        self._next: dict[TopicPartition, int] = {}

    def applied(self, consumer: Reader) -> None:
        """Everything read so far is applied, or was sought back to."""
        assigned = consumer.assignment()
        for partition in [one for one in self._next if one not in assigned]:
            del self._next[partition]
            metrics.CONSUMER_LAG.remove(partition.topic, str(partition.partition))
        for partition, following in self._next.items():
            self._set(consumer, partition, following)

    def read(self, consumer: Reader, found: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """These came, and are in hand now."""
        for partition, records in found.items():
            if records:
                self._set(consumer, partition, records[0].offset)
                self._next[partition] = records[-1].offset + 1

    def _set(self, consumer: Reader, partition: TopicPartition, following: int) -> None:
        behind = max(0, (consumer.highwater(partition) or following) - following)
        metrics.CONSUMER_LAG.labels(partition.topic, str(partition.partition)).set(behind)
