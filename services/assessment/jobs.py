"""What happens by itself: a moment that comes, a payer that is to be asked.

The promise of the payer's loop: no transaction is open while the network is; a process that dies while asking leaves a
question that is asked again.
"""

import asyncio
from datetime import timedelta

import httpx
import structlog

from services.assessment.adapters.eligibility import Eligibility, Stedi
from services.assessment.domain.eligibility import Question
from services.assessment.handlers import deciding, insuring
from services.assessment.handlers.charts import EXPIRES, FOLLOW_UP
from services.assessment.rows import CheckRow
from services.assessment.settings import settings_of
from shared.errors import Permanent, Transient
from shared.security.keys import KeyErased
from shared.service import Service
from shared.timers import Timer, Timers
from shared.uow import UnitOfWork

log = structlog.get_logger()
timers = Timers()
ACTOR = "system:assessment"
ASKERS = 3


@timers(EXPIRES)
async def on_approval_expires(uow: UnitOfWork, timer: Timer) -> None:
    await deciding.expire(uow, timer)


@timers(FOLLOW_UP)
async def on_follow_up(uow: UnitOfWork, timer: Timer) -> None:
    await deciding.follow_up(uow, timer)


async def ask_payers(service: Service) -> None:
    """The payer's loop; as many may run as there are processes. Without a payer's address nothing is asked."""
    settings = settings_of(service)
    async with httpx.AsyncClient(timeout=settings.eligibility_timeout_seconds) as http:
        payer = Stedi(settings, http, service.clinic.name)
        if settings.eligibility_url:
            async with asyncio.TaskGroup() as side_by_side:  # a slow payer holds up nobody else's question
                for _ in range(ASKERS):
                    side_by_side.create_task(_keep_asking(service, payer))
    await asyncio.Event().wait()


async def _keep_asking(service: Service, payer: Eligibility) -> None:
    settings = settings_of(service)
    lease = timedelta(seconds=3 * settings.eligibility_timeout_seconds)
    while True:
        async with service.transaction(actor=ACTOR) as uow:
            due = await insuring.claim(uow, lease)
        for row, asked in due:
            await _ask(service, payer, row, asked)
        if not due:
            await asyncio.sleep(settings.eligibility_poll_seconds)


async def _ask(service: Service, payer: Eligibility, row: CheckRow, asked: Question) -> None:
    try:
        await _ask_payer(service, payer, row, asked)
    except KeyErased:  # while the payer thought about it
        async with service.transaction(actor=ACTOR) as uow:
            await insuring.forget(uow, row)


async def _ask_payer(service: Service, payer: Eligibility, row: CheckRow, asked: Question) -> None:
    pauses = settings_of(service).eligibility_back_off_seconds
    try:
        answer = await payer.ask(asked)
    except Transient as error:
        wait = timedelta(seconds=pauses[row.attempts - 1]) if row.attempts <= len(pauses) else None
        async with service.transaction(actor=ACTOR) as uow:
            await insuring.unanswered(uow, row, str(error), wait)
        log.info("payer_not_answering", check=str(row.id), attempt=row.attempts, reason=str(error))
    except Permanent as error:
        async with service.transaction(actor=ACTOR) as uow:
            await insuring.unanswered(uow, row, str(error), None)
        log.warning("payer_refused_request", check=str(row.id), reason=str(error))
    else:
        async with service.transaction(actor=ACTOR) as uow:
            await insuring.answered(uow, row, asked, answer)
