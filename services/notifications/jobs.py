"""Timers that let messages go, and the loop that hands them over.

The promise: a message that is handed over was marked so, in a committed transaction, before the first byte left; no
transaction is open while the network is. A crash in between is seen by its lease: the message is looked up at its
carrier before it is sent again, and what nobody can tell goes to a person.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import structlog

from services.notifications.adapters.port import NotSent, Outgoing, Receipt, Refused, Sender, Unsure
from services.notifications.adapters.smtp import SmtpSender
from services.notifications.adapters.twilio import TwilioSender
from services.notifications.domain.delivery import ATTEMPTS, State, wait_before
from services.notifications.handlers import delivery, preparing, transport, unreachable
from services.notifications.handlers.planning import CUT_OFF, UNPREPARED
from services.notifications.handlers.reaching import language_of, reached_as, seen
from services.notifications.handlers.saying import TIMER, named_visits, release
from services.notifications.ics import CalendarFile, calendar_file
from services.notifications.repository import messages, outbound
from services.notifications.rows import MessageRow
from services.notifications.settings import Settings
from shared.errors import Permanent
from shared.service import Service
from shared.timers import Timer, Timers
from shared.uow import UnitOfWork

log = structlog.get_logger()
timers = Timers()
BATCH = 8
ACTOR = "system:notifications"
Senders = Mapping[str, Sender]


@timers(TIMER)
async def on_message_due(uow: UnitOfWork, timer: Timer) -> None:
    await release(uow, UUID(timer.occurrence))


@timers(UNPREPARED)
async def on_unprepared(uow: UnitOfWork, timer: Timer) -> None:
    await preparing.call_unanswered(uow, timer)


@timers(CUT_OFF)
async def on_cut_off(uow: UnitOfWork, timer: Timer) -> None:
    await transport.call_missing(uow, timer)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed message, opened."""

    out: Outgoing
    patient_id: UUID
    due_at: datetime
    channel: str
    attempt: int
    unsure: bool
    first_try_at: datetime


def settings_of(service: Service) -> Settings:
    """This service's own settings."""
    assert isinstance(service.settings, Settings)
    return service.settings


@asynccontextmanager
async def senders(service: Service) -> AsyncIterator[Senders]:
    """The ways out, by channel."""
    settings = settings_of(service)
    async with httpx.AsyncClient(timeout=settings.vendor_timeout_seconds) as http:
        yield {"sms": TwilioSender(settings, http), "email": SmtpSender(settings, service.clinic)}


async def deliver(service: Service) -> None:
    """The delivery loop: as many of these may run as there are processes."""
    pause = settings_of(service).delivery_poll_seconds
    async with senders(service) as ways:
        while True:
            if await deliver_due(service, ways) < BATCH:
                await asyncio.sleep(pause)


async def deliver_due(service: Service, ways: Senders) -> int:
    """Hand over what may go now, at most a batch; how many were taken."""
    settings = settings_of(service)
    lease = timedelta(seconds=settings.delivery_lease_seconds)
    async with service.transaction(actor=ACTOR) as uow:
        claimed = await outbound.claim(uow.conn, BATCH, lease, uow.now)
        jobs = [job for one in claimed if (job := await _prepared(uow, settings, one)) is not None]
    of_patient: dict[tuple[UUID, str], list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (job.due_at, job.out.id)):
        of_patient.setdefault((job.patient_id, job.channel), []).append(job)
    await asyncio.gather(*(_in_turn(service, ways[channel], turn) for (_, channel), turn in of_patient.items()))
    return len(claimed)


async def _in_turn(service: Service, way: Sender, jobs: list[Job]) -> None:
    """What one patient gets by one channel arrives in the order in which it was meant."""
    for job in jobs:
        await _hand_over(service, way, job)


async def _prepared(uow: UnitOfWork, settings: Settings, claimed: outbound.Claimed) -> Job | None:
    """One that can't be written is given up, with a task for a person; the others go on."""
    try:
        async with uow.conn.transaction():
            return await _open(uow, settings, claimed)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raise
    except Exception as error:
        log.warning("message_unwritable", message=str(claimed.row.id), error=type(error).__name__, exc_info=True)
        await delivery.note(uow, claimed.row.id, State.FAILED, reason="unwritable")
        return None


async def _open(uow: UnitOfWork, settings: Settings, claimed: outbound.Claimed) -> Job | None:
    row: MessageRow | None = claimed.row
    assert row is not None
    try:
        box = await uow.keys.box(row.patient_id)
    except Permanent:
        await messages.stop(uow.conn, row.id, to=State.WITHDRAWN, reason="erased")
        return None
    if await delivery.stopped(uow, row, unsure=claimed.unsure):
        return None
    if await delivery.useless(uow, row, unsure=claimed.unsure):
        return None
    if await delivery.held_till_morning(uow, row, unsure=claimed.unsure):
        return None
    if row.body is None:
        if not await delivery.write(uow, settings, row):
            return None
        row = await messages.find(uow.conn, row.id)
    assert row is not None
    assert row.body is not None
    assert row.recipient is not None
    assert row.first_try_at is not None
    target = await reached_as(uow, await seen(uow, row.patient_id))
    language = language_of(uow.clinic, target)
    out = Outgoing(
        id=row.id,
        to=box.open(row.recipient),
        subject=box.open(row.subject_line) if row.subject_line else "",
        body=box.open(row.body),
        language=language,
        at=uow.now,
        calendar=await _calendar(uow, row, language, row.first_try_at) if row.channel == "email" else None,
    )
    return Job(out, row.patient_id, row.due_at, row.channel, row.attempts, claimed.unsure, row.first_try_at)


async def _calendar(uow: UnitOfWork, row: MessageRow, language: str, at: datetime) -> CalendarFile | None:
    """The same file however often it is tried, unless the visits have changed since."""
    return calendar_file(uow.clinic, language, row.kind, await named_visits(uow, row), at)


async def _hand_over(service: Service, way: Sender, job: Job) -> None:
    """Send, then say what came of it. Every way in which this can end leaves the row in a state that goes on."""
    try:
        receipt = await _once(service, way, job)
    except NotSent as error:
        await _later(service, job, str(error), sure=not job.unsure)
    except Unsure as error:
        await _later(service, job, str(error), sure=False)
    except Refused as error:
        async with service.transaction(actor=ACTOR) as uow:
            if error.opted_out:
                await delivery.refused_by_stop(uow, job.out.id)
            else:
                await unreachable.failed(uow, job.out.id, error.reason)
        log.info("message_refused", message=str(job.out.id), reason=error.reason)
    else:
        if receipt is not None:
            async with service.transaction(actor=ACTOR) as uow:
                await delivery.note(uow, job.out.id, receipt.state, vendor_id=receipt.vendor_id)


async def _once(service: Service, way: Sender, job: Job) -> Receipt | None:
    """Send it, unless the carrier has it already; None when only a person can tell, or it is no longer true."""
    if not job.unsure:
        return await way.send(job.out)
    found = await way.look_up(job.out, job.first_try_at)
    async with service.reading() as uow:
        ids = [receipt.vendor_id for receipt in found if receipt.vendor_id]
        others = await outbound.known_vendor_ids(uow.conn, ids, job.out.id)
    ours = [receipt for receipt in found if receipt.vendor_id not in others]
    log.info("message_looked_up", message=str(job.out.id), found=len(ours))
    if len(ours) > 1:
        async with service.transaction(actor=ACTOR) as uow:
            await delivery.ask_a_person(uow, job.out.id)
        return None
    if ours:
        return ours[0]
    async with service.transaction(actor=ACTOR) as uow:
        if await delivery.overtaken(uow, job.out.id):
            return None
    return await way.send(job.out)


async def _later(service: Service, job: Job, reason: str, *, sure: bool) -> None:
    """Again after a while; after the last try a person takes over."""
    wait = wait_before(job.attempt)
    async with service.transaction(actor=ACTOR) as uow:
        if sure and await delivery.overtaken(uow, job.out.id):
            pass
        elif job.attempt < ATTEMPTS:
            if sure:
                await outbound.back(uow.conn, job.out.id, wait)
            else:
                lease = timedelta(seconds=settings_of(service).delivery_lease_seconds)
                await outbound.unsure(uow.conn, job.out.id, max(wait, lease))
        elif sure:
            await delivery.note(uow, job.out.id, State.FAILED, reason="carrier-down")
        else:
            await delivery.ask_a_person(uow, job.out.id)
    log.info("message_not_sent", message=str(job.out.id), attempt=job.attempt, reason=reason, sure=sure)
