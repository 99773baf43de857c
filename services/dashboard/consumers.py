"""Events in: everything that the four services publish."""

from services.dashboard import handlers
from shared.consuming import Consumes
from shared.contracts.base import Event
from shared.contracts.envelope import Envelope
from shared.contracts.registry import EVENTS
from shared.uow import UnitOfWork

consumes = Consumes()


async def on_event(uow: UnitOfWork, event: Event, at: Envelope) -> None:
    await handlers.record(uow, event, at)


# The board shows all of them, also the types that are added later, so there is one line and no list to forget.
for source, events in EVENTS.items():
    for event_type in events:
        consumes(event_type, source=source)(on_event)
