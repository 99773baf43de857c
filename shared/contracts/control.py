"""What consumers ask of relays, on `passage.control.v1`. Not part of any event log, so without a sequence."""

from uuid import UUID

from shared.contracts.base import Contract, Source

REPLAY_REQUESTED = "passage.control.ReplayRequested.v1"


class ReplayRequested(Contract):
    """A consumer misses an event: publish this subject again, from this sequence on."""

    source: Source
    """Whose event is missing."""
    subject: UUID
    """Of whom: the key of the topic."""
    from_sequence: int
    """The first that is missing; this and all later ones are published again."""
    group: str
    """The consumer group that asks."""
