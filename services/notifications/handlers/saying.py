"""From a reason to a row of the ledger, and from a planned row to one that may go."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from services.notifications.domain.delivery import State
from services.notifications.domain.quiet import Window, arrives
from services.notifications.handlers.calling import NO_TEXTS, call_about_ride, call_instead, call_unheard
from services.notifications.handlers.reaching import (
    OPTED_OUT,
    TO_ESCORT,
    UNDELIVERABLE,
    channels,
    known,
    phone_mark,
    reached_as,
    untexted,
    window_of,
)
from services.notifications.repository import messages, outbound, people, questions, visits
from services.notifications.rows import MessageRow, Patient, VisitRow
from shared.clinic.messages import SmsOrEmail
from shared.ids import new_id
from shared.timers import cancel_timers, set_timer
from shared.uow import UnitOfWork

TIMER = "message"
NO_HURRY = timedelta(days=3)
IN_TIME = timedelta(hours=2)
"""News of a visit that would arrive later than this before it is told at once, also at night."""
A_LITTLE_LATE = timedelta(minutes=20)
"""What a busy service, or a carrier that is asked again, may take."""
CHANGES = ("cancelled", "rescheduled")
"""That a visit is not as they knew it. Their `until_at` is by when they should know, not when it is of no more use."""


@dataclass(frozen=True, slots=True)
class Say:
    """One thing to tell a patient. `wait`: for more of the same to join. `exempt`: an answer, or their safety.

    `answering` says that they texted us just now, so one text back is welcome whatever they have allowed.
    """

    kind: str
    occurrence: str
    visit_id: UUID | None = None
    visits: tuple[UUID, ...] = ()
    course_id: UUID | None = None
    only: tuple[SmsOrEmail, ...] = ("sms", "email")
    exempt: bool = False
    answering: bool = False
    asks: str | None = None
    answer_by: datetime | None = None
    until: datetime | None = None
    wait: timedelta = timedelta()


async def say(uow: UnitOfWork, patient: Patient, what: Say) -> int:
    """Tell a patient, by every channel that they allow; a person has to call where there is none.

    Returns by how many channels. Said once: a repetition of the same kind and occurrence changes nothing.
    """
    target = await reached_as(uow, patient)
    wanted = [channel for channel in channels(uow.clinic, target, answering=what.answering) if channel in what.only]
    if not wanted and not what.answering:
        why = "their number takes no texts" if untexted(target) == UNDELIVERABLE else "no channel"
        await call_instead(uow, patient, what.kind, what.occurrence, what.visit_id, why)
    for channel in wanted:
        row = _row(patient, what, channel, uow.now, _due(uow, target, what, channel))
        planned = await messages.plan(uow.conn, row)
        if planned is not None:
            await schedule(uow, patient.id, planned, row.due_at)
    return len(wanted)


def _row(patient: Patient, what: Say, channel: SmsOrEmail, now: datetime, due_at: datetime) -> MessageRow:
    return MessageRow(
        id=new_id(),
        patient_id=patient.id,
        kind=what.kind,
        occurrence=what.occurrence,
        channel=channel,
        text=what.kind,
        visit_id=what.visit_id,
        visits=what.visits,
        course_id=what.course_id,
        ladder=False,
        exempt=what.exempt,
        asks=what.asks if channel == "sms" else None,
        answer_by=what.answer_by,
        planned_at=now,
        due_at=due_at,
        until_at=what.until,
    )


def _due(uow: UnitOfWork, target: Patient, what: Say, channel: SmsOrEmail) -> datetime:
    wanted = uow.now + what.wait
    if channel == "email" or what.exempt:
        return wanted
    latest = what.until - IN_TIME if what.until else wanted + NO_HURRY
    return arrives(window_of(uow.clinic, target), uow.now, wanted, latest, latest) or wanted


async def schedule(uow: UnitOfWork, patient_id: UUID, message_id: UUID, due_at: datetime) -> None:
    """Let the message go then; at once where that is now."""
    if due_at <= uow.now:
        await release(uow, message_id)
        return
    await set_timer(uow, kind=TIMER, subject=patient_id, occurrence=str(message_id), due_at=due_at)


async def unschedule(uow: UnitOfWork, patient_id: UUID, message_ids: list[UUID]) -> None:
    """Take back the timers of messages that will not go."""
    for message_id in message_ids:
        await cancel_timers(uow, subject=patient_id, kind=TIMER, occurrence=str(message_id))


async def release(uow: UnitOfWork, message_id: UUID) -> None:
    """The moment has come: the message goes to the delivery loop unless something speaks against it now."""
    row = await messages.find(uow.conn, message_id)
    if row is None:
        return
    patient = await known(uow, row.patient_id)
    row = await messages.find(uow.conn, message_id, lock=True)
    if row is not None and await outbound.resume(uow.conn, row.id):
        return
    if row is None or row.state is not State.PLANNED or await _went_with_host(uow, row):
        return
    target = await reached_as(uow, patient)
    if too_late(row, uow.now):
        await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason="too_late")
    elif row.visits and not await named_visits(uow, row):
        await messages.stop(uow.conn, row.id, to=State.WITHDRAWN, reason="nothing_left")
    elif row.kind == TO_ESCORT:
        await _to_escort(uow, row)
    elif row.ladder and row.channel not in channels(uow.clinic, target):
        await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason="no_address")
        await call_unheard(uow, patient, row)
    elif row.channel == "sms" and not await _text_may_go(uow, row, target):
        return
    elif (recipient := await recipient_of(uow, row, target)) is None:
        await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason="no_address")
        await call_instead(uow, patient, row.kind, row.occurrence, row.visit_id)
    else:
        await _go(uow, row, recipient)


def too_late(row: MessageRow, now: datetime) -> bool:
    """Whether it is of no use any more. That a visit is no longer as they knew it, they hear whenever it can be told.

    A rung may be due at its very last moment, and goes a moment after that.
    """
    if row.until_at is None or row.kind in CHANGES:
        return False
    return now > row.until_at + (A_LITTLE_LATE if row.ladder else timedelta())


async def let_down(uow: UnitOfWork, patient_id: UUID, hosts: list[UUID]) -> None:
    """These will not go: what was to travel inside them goes by itself, by its timer.

    At once it could not: whoever already holds a message must not lock its patient.
    """
    for message_id in await messages.let_down(uow.conn, hosts):
        await set_timer(uow, kind=TIMER, subject=patient_id, occurrence=str(message_id), due_at=uow.now)


async def _went_with_host(uow: UnitOfWork, row: MessageRow) -> bool:
    """One that travels inside another goes with it, whichever of their timers fires first; else it goes alone."""
    host = await messages.find(uow.conn, row.carried_by) if row.carried_by is not None else None
    if host is None or host.state is not State.PLANNED or host.due_at > uow.now:
        return False
    await release(uow, host.id)
    after = await messages.find(uow.conn, row.id)
    return after is None or after.state is not State.PLANNED


async def named_visits(uow: UnitOfWork, row: MessageRow) -> list[VisitRow]:
    """The visits that a message still has something to say about, the earliest first.

    Who did not come, or whose session was not completed, is not asked how they are after it.
    """
    afterwards = {step.code for step in uow.clinic.messages.ladder if step.hours_after is not None}
    wanted = {"cancelled"} if row.kind == "cancelled" else {"done"} if row.kind in afterwards else {"ahead", "done"}
    found = [visit for visit in await visits.some(uow.conn, row.visits) if visit.state in wanted]
    return found if row.kind != "rescheduled" else [visit for visit in found if visit.starts_at > uow.now]


async def _to_escort(uow: UnitOfWork, row: MessageRow) -> None:
    """To the number that the patient gave, unless it is one that takes no texts: the patient has the link as well."""
    assert row.visit_id is not None
    visit = await visits.find(uow.conn, row.visit_id)
    phone = ""
    if visit is not None and visit.escort_phone is not None:
        phone = (await uow.keys.box(visit.patient_id)).open(visit.escort_phone)
    if visit is None or not row.occurrence.endswith(f":{visit.escort_round}:{phone_mark(uow, phone)}"):
        await messages.stop(uow.conn, row.id, to=State.WITHDRAWN, reason="nothing_left")
        return
    if await people.takes_no_texts(uow.conn, uow.lookup.hash("phone", phone)):
        await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason=OPTED_OUT)
        await call_about_ride(uow, visit, NO_TEXTS)
        return
    assert visit.escort_phone is not None
    await _go(uow, row, visit.escort_phone)


async def _go(uow: UnitOfWork, row: MessageRow, recipient: str) -> None:
    together = [row, *await messages.carried(uow.conn, row.id, State.PLANNED)]
    await messages.release(uow.conn, row.id, recipient)
    for passenger in together[1:]:
        await messages.take_along(uow.conn, passenger.id, recipient)
        await unschedule(uow, row.patient_id, [passenger.id])
    for asking in together:
        if asking.asks and asking.visit_id and asking.channel == "sms":
            await questions.ask(
                uow.conn,
                question_id=new_id(),
                patient_id=row.patient_id,
                kind=asking.asks,
                visit_id=asking.visit_id,
                message_id=row.id,
                at=uow.now,
            )


async def _text_may_go(uow: UnitOfWork, row: MessageRow, target: Patient) -> bool:
    """Opt-out first, then quiet hours, then how many they had already."""
    reason = untexted(target)
    if reason is not None and row.kind != "opt_out":
        await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason=reason)
        await call_unheard(uow, await known(uow, row.patient_id), row)
        return False
    if row.exempt:
        return True
    at = waking(uow, row, target)
    if at > uow.now:
        await _postpone(uow, row, at)
        return False
    window = window_of(uow.clinic, target)
    return not await _too_many(uow, row, target) or await _despite_the_limit(uow, row, target, window)


def waking(uow: UnitOfWork, row: MessageRow, target: Patient) -> datetime:
    """When a text may go: now, or with their next waking hours where those are not too late for it."""
    latest = _latest(uow, row)
    return arrives(window_of(uow.clinic, target), uow.now, uow.now, latest, latest) or uow.now


def _latest(uow: UnitOfWork, row: MessageRow) -> datetime:
    """By when it should arrive. A change that they should have known by now is told with their next waking hours."""
    if row.ladder and row.until_at is not None:
        return max(row.until_at, uow.now)
    until = row.until_at if row.until_at is not None and row.until_at > uow.now else uow.now + NO_HURRY
    return until - IN_TIME


async def _too_many(uow: UnitOfWork, row: MessageRow, target: Patient) -> bool:
    limits = uow.clinic.messages.frequency
    today = local_midnight(uow, target)
    both = {row.patient_id, target.id}
    had_today = await messages.count_since(uow.conn, both, today, row.id)
    if target.sms_consent:
        return had_today >= limits.with_consent_per_day
    had_this_week = await messages.count_since(uow.conn, both, today - timedelta(days=6), row.id)
    return had_today >= limits.without_consent_per_day or had_this_week >= limits.without_consent_per_week


async def _despite_the_limit(uow: UnitOfWork, row: MessageRow, target: Patient, window: Window) -> bool:
    """Tomorrow is better; else the e-mail has to do; else being told comes first, where they said yes to texts."""
    tomorrow = window.next_opening(local_midnight(uow, target) + timedelta(hours=25))
    if tomorrow <= _latest(uow, row):
        await _postpone(uow, row, tomorrow)
        return False
    if not await messages.has_twin(uow.conn, row):
        if target.sms_consent:
            return True
        patient = await known(uow, row.patient_id)
        await call_instead(uow, patient, row.kind, row.occurrence, row.visit_id)
    await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason="frequency")
    return False


async def _postpone(uow: UnitOfWork, row: MessageRow, to: datetime) -> None:
    await messages.postpone(uow.conn, row.id, to)
    await set_timer(uow, kind=TIMER, subject=row.patient_id, occurrence=str(row.id), due_at=to)


def local_midnight(uow: UnitOfWork, target: Patient) -> datetime:
    """The beginning of the person's day."""
    zone = target.tz(uow.clinic.tz)
    return datetime.combine(uow.now.astimezone(zone).date(), time(), zone)


async def recipient_of(uow: UnitOfWork, row: MessageRow, target: Patient) -> str | None:
    """The address, sealed with the key of the message's own patient."""
    if target.contact is None or target.erased or (row.channel == "email" and target.email_out):
        return None
    contact = (await uow.keys.box(target.id)).open_json(target.contact)
    address = contact.get("phone" if row.channel == "sms" else "email")
    return (await uow.keys.box(row.patient_id)).seal(address) if address else None
