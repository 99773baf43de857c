"""Every metric of a Passage process, on one registry. Labels are services, topics and codes; never a person."""

import os
import shutil
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
CONTENT_TYPE = CONTENT_TYPE_LATEST

OUTBOX_AGE = Gauge(
    "passage_outbox_age_seconds",
    "Age of the oldest committed event not yet on its topic.",
    ["service"],
    registry=REGISTRY,
)
UNREADY = Gauge(
    "passage_unready_parts", "Parts of this process that were not ready when it was last asked.", registry=REGISTRY
)
RELAY_PUBLISHED = Counter(
    "passage_relay_published_total",
    "Events the relay put on a topic, repetitions included.",
    ["service"],
    registry=REGISTRY,
)
INBOX_APPLIED = Counter(
    "passage_inbox_applied_total", "Events applied, by their source.", ["source"], registry=REGISTRY
)
INBOX_SKIPPED = Counter(
    "passage_inbox_skipped_total", "Events seen before, skipped, by their source.", ["source"], registry=REGISTRY
)
INBOX_PARKED = Counter(
    "passage_inbox_parked_total", "Events that wait for what they need, by their source.", ["source"], registry=REGISTRY
)
GAPS = Counter("passage_inbox_gaps_total", "Sequences found missing, by their source.", ["source"], registry=REGISTRY)
DEAD_LETTERS = Counter("passage_dead_letters_total", "Records given up, by their topic.", ["topic"], registry=REGISTRY)
CONSUMER_LAG = Gauge(
    "passage_consumer_lag",
    "Records between a consumer and the end of a partition.",
    ["topic", "partition"],
    registry=REGISTRY,
)
TIMERS_FIRED = Counter("passage_timers_fired_total", "Timers that fired, by kind.", ["kind"], registry=REGISTRY)
TIMERS_LATE = Histogram(
    "passage_timers_late_seconds",
    "How long after its due time a timer fired, or failed and was put off, in business time.",
    registry=REGISTRY,
    buckets=(0.1, 0.5, 1, 5, 30, 60, 300, 900, 3_600, 21_600, 86_400),
)
HTTP_SECONDS = Histogram(
    "passage_http_seconds",
    "From a request to the first byte of its answer.",
    ["method", "route", "status"],
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
HTTP_REFUSED = Counter(
    "passage_http_refused_total", "Requests refused at the edge, by reason code.", ["code"], registry=REGISTRY
)


DISK_FREE = Gauge(
    "passage_disk_free_ratio",
    "Free share of the disk that this process runs on; in a container, the one that holds the volumes too.",
    registry=REGISTRY,
)


def _free_share() -> float:
    disk = shutil.disk_usage("/")
    return disk.free / disk.total


DISK_FREE.set_function(_free_share)

BACKED_UP = Gauge(
    "passage_backup_timestamp_seconds",
    "When the newest backup of the database was begun, as whoever made it told; 0 where none was told of.",
    registry=REGISTRY,
)
MEMORY_LIMIT = Gauge(
    "passage_memory_limit_bytes",
    "How much memory this process may use before it is ended: its container's limit, else all that the machine has.",
    registry=REGISTRY,
)
CGROUP = Path("/sys/fs/cgroup")
"""As a container sees its own: the second version's file, then the first's."""


def memory_limit() -> int:
    """Bytes. A limit above what the machine has is none."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            told = (CGROUP / name).read_text().strip()
        except OSError:
            continue
        return min(machine, int(told)) if told.isdigit() else machine
    return machine


MEMORY_LIMIT.set_function(memory_limit)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
