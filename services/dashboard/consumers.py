"""Events in: everything that the four services publish, also the types that are added later."""

from services.dashboard import handlers
from shared.consuming import Consumes, Told
from shared.uow import UnitOfWork

consumes = Consumes()


@consumes.everything
async def on_events(uow: UnitOfWork, told: Told) -> None:
    await handlers.record(uow, told)
