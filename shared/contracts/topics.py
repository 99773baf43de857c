"""The one declaration of every topic. Topics are created from it, never by auto-creation."""

from dataclasses import dataclass

from shared.contracts.base import SOURCES, Source

PARTITIONS = 12
"""Never changed: widening would move keys. A wider topic is a new topic version."""

GROUPS = ("intake", "assessment", "scheduling", "notifications", "dashboard")
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and how long Kafka keeps it; the event log keeps everything for good."""

    name: str
    partitions: int
    retention_ms: int


def events_of(source: Source) -> str:
    """The topic of a producing service."""
    return f"passage.{source}.v1"


def dead_letters_of(group: str) -> str:
    """Where a consumer group puts what it cannot use."""
    return f"passage.{group}.dlq.v1"


SUBMISSIONS = "passage.intake.submissions.v1"
CONTROL = "passage.control.v1"

TOPICS: tuple[Topic, ...] = (
    *(Topic(events_of(source), PARTITIONS, 30 * DAY_MS) for source in SOURCES),
    Topic(SUBMISSIONS, PARTITIONS, 30 * DAY_MS),
    Topic(CONTROL, 1, DAY_MS),
    *(Topic(dead_letters_of(group), 1, 90 * DAY_MS) for group in GROUPS),
)
