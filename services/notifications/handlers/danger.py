"""Words that name a danger to life, through whatever door: answered at once with where help is, and a person's at once.

What names none is no proof of the opposite: a person reads it too, by their usual clock.
"""

from datetime import timedelta

from services.notifications.handlers.aftercare import at_once
from services.notifications.handlers.saying import Say, say
from services.notifications.repository import messages
from services.notifications.rows import Patient
from shared.tasks import raise_task
from shared.uow import UnitOfWork

CRISIS = "crisis"
ONE_IN = timedelta(hours=1)


async def heard(uow: UnitOfWork, patient: Patient, said: str, occurrence: str) -> None:
    """There is danger in what they said: a provider reads it at once, and they are told where help is."""
    await raise_task(
        uow,
        kind="read-answer",
        subject=patient.id,
        occurrence=occurrence,
        role="provider",
        patient_id=patient.id,
        deadline=at_once(uow),
        detail=said[:1_000],
    )
    await say_where_help_is(uow, patient, occurrence)


async def say_where_help_is(uow: UnitOfWork, patient: Patient, occurrence: str) -> None:
    """At any hour, by every way that they allow; not in answer to each of many texts."""
    if await messages.last_of_kind(uow.conn, patient.id, (CRISIS,), uow.now - ONE_IN) is None:
        await say(uow, patient, Say(CRISIS, occurrence, exempt=True, answering=True))
