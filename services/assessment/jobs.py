"""What happens by itself when its moment comes."""

from services.assessment.handlers import deciding
from services.assessment.handlers.charts import EXPIRES, FOLLOW_UP
from shared.timers import Timer, Timers
from shared.uow import UnitOfWork

timers = Timers()


@timers(EXPIRES)
async def on_approval_expires(uow: UnitOfWork, timer: Timer) -> None:
    await deciding.expire(uow, timer)


@timers(FOLLOW_UP)
async def on_follow_up(uow: UnitOfWork, timer: Timer) -> None:
    await deciding.follow_up(uow, timer)
