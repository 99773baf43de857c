"""What intake does when a time has come: each goes to its handler, nothing else."""

from services.intake.handlers import vagaro, voice
from shared.timers import Timer, Timers
from shared.uow import UnitOfWork

timers = Timers()


@timers(vagaro.WAITING)
async def on_vagaro_join(uow: UnitOfWork, timer: Timer) -> None:
    await vagaro.give_up(uow, timer)


@timers(voice.MISSED)
async def on_missed_call(uow: UnitOfWork, timer: Timer) -> None:
    await voice.missed(uow, timer)
