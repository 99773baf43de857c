"""What a run leaves behind, as plain values: what clients were told, what stands in the tables and on the topics, what
went out to patients. The invariants look at nothing else, so a mutant's small run is judged by the same functions.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

EventKey = tuple[str, str, int]
"""Source, subject, sequence: what names an event to its consumers."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What a client handed in and what it heard. `status` is the last answer's; 0 when nobody ever answered.

    `door`: "http", "kafka" or "text". `address` is the e-mail or the text's words, unique to one person or text.
    """

    key: str
    door: Literal["http", "kafka", "text"]
    address: str
    status: int
    patient: str | None = None

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Attempt:
    """A booking, a move or a cancellation as its client saw it end; status 0 when it never heard."""

    key: str
    what: str
    status: int
    appointment: str | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """A committed event. `at`: when it was written. `row`: whether the change that it tells stands in its table; None
    where a type has no row of its own.
    """

    id: str
    source: str
    subject: str
    sequence: int
    type: str
    at: datetime
    row: bool | None = None

    @property
    def key(self) -> EventKey:
        return (self.source, self.subject, self.sequence)


@dataclass(frozen=True, slots=True)
class Published:
    """A record on an event topic, in the order of its partition. `epoch` grows when the broker was wiped; `forged`:
    the nemesis wrote it.
    """

    epoch: int
    topic: str
    partition: int
    offset: int
    id: str
    source: str
    subject: str
    sequence: int
    forged: bool = False

    @property
    def key(self) -> EventKey:
        return (self.source, self.subject, self.sequence)


@dataclass(frozen=True, slots=True)
class Effect:
    """A consumer's transaction that took an event in, in the order of their commits per subject."""

    consumer: str
    source: str
    subject: str
    sequence: int
    at: datetime | None = None

    @property
    def key(self) -> EventKey:
        return (self.source, self.subject, self.sequence)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `place`: topic, partition and offset, with `content`, the record's fingerprint in hex."""

    consumer: str
    id: str
    content: str
    reason: str
    event: EventKey | None = None


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that the nemesis put there to be given up: by whom, and which partition must not wait for it."""

    content: str
    consumer: str
    topic: str
    partition: int
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the ledger of messages. Business time; `latest` is until when it may be held for waking hours."""

    id: str
    patient: str
    kind: str
    channel: str
    state: str
    due_at: datetime
    latest: datetime
    attempts: int
    zone: str
    exempt: bool
    sent_at: datetime | None = None
    carried: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived at a carrier. `message` is our id, which travels with it; `at` is the carrier's business time."""

    carrier_id: str
    message: str
    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """Business time jumped from one moment to another."""

    before: datetime
    after: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """A resource that an appointment takes, from `start` to before `end`."""

    resource: str
    appointment: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at what must stay bounded: by name, such as "rss intake" in megabytes, with its limit."""

    name: str
    value: float
    limit: float


@dataclass(slots=True)
class Facts:
    """Everything that the invariants look at. What a run has none of stays empty."""

    contacts: list[Contact] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    log: list[Logged] = field(default_factory=list)
    topic: list[Published] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    positions: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(consumer, source, subject) → the last sequence applied."""
    readers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Source → the consumers that read its topic."""
    offsets: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """(consumer, topic, partition) → the committed offset, in the last epoch."""
    parked: set[tuple[str, str, str, int]] = field(default_factory=set)
    """(consumer, source, subject, sequence)."""
    letters: list[Letter] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    tampered: set[str] = field(default_factory=set)
    """Subjects whose records the nemesis reordered or kept away: their order on the topic says nothing."""
    wiped_at: datetime | None = None
    """When the broker last forgot everything."""
    met: dict[str, dict[str, int]] = field(default_factory=dict)
    """consumer → patient → how many rows it made for them."""
    owners: dict[str, list[str]] = field(default_factory=dict)
    """address → the patients that it leads to in intake."""
    words: dict[str, int] = field(default_factory=dict)
    """The words of a text → how many MessageReceived carry them."""
    messages: list[Message] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    send_between: tuple[str, str] = ("00:00", "24:00")
    moves: list[Move] = field(default_factory=list)
    unsure: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Business time in which the carrier was slow or answered 500 after accepting: it could not be known."""
    bookings: list[Booking] = field(default_factory=list)
    appointments: dict[str, str] = field(default_factory=dict)
    """appointment → state."""
    waiting: dict[str, list[str]] = field(default_factory=dict)
    """What is still under way after the drain, by kind: timers, requests, messages."""
    samples: list[Sample] = field(default_factory=list)
    streamed: dict[str, int] | None = None
    """What a page that followed the stream knows: source/subject → last sequence. None: nobody followed."""
    projected: dict[str, int] = field(default_factory=dict)
    """The same, read from the projection at the end."""
