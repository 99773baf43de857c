"""The last mile: the very words before they go, and what became of them after."""

from datetime import timedelta
from uuid import UUID

from services.notifications.domain.delivery import State, may_move, takes_no_texts
from services.notifications.handlers.aftercare import LASTS, NEXT_DAY
from services.notifications.handlers.calling import NO_TEXTS, call_about_ride, call_instead, call_unheard
from services.notifications.handlers.people import opt_out
from services.notifications.handlers.reaching import (
    AFTER,
    OPTED_OUT,
    PAGE,
    TO_ESCORT,
    UNDELIVERABLE,
    known,
    language_of,
    reached_as,
    seen,
    untexted,
)
from services.notifications.handlers.saying import TIMER, let_down, named_visits, recipient_of, too_late, waking
from services.notifications.rendering import Facts, email, sms
from services.notifications.repository import messages, outbound, people, visits
from services.notifications.rows import MessageRow, Patient, VisitRow
from services.notifications.settings import Settings
from shared.contracts.notifications import MessageFailed, MessageSent
from shared.http import links
from shared.tasks import raise_task
from shared.timers import set_timer
from shared.uow import UnitOfWork

LINK_LASTS = timedelta(days=7)
"""After the last visit, so that "how to reach us" works the day after."""
TOO_LATE = "too_late"


async def write(uow: UnitOfWork, settings: Settings, row: MessageRow) -> bool:
    """Write the words of a message that is about to go, to where they are reached now; False when it does not go."""
    target = await reached_as(uow, await seen(uow, row.patient_id))
    language = language_of(uow.clinic, target)
    together = [row, *await messages.carried(uow.conn, row.id, State.READY)]
    parts = [(one.text, facts) for one in together if (facts := await _facts(uow, settings, one, language)) is not None]
    if not parts:
        await messages.stop(uow.conn, row.id, to=State.WITHDRAWN, reason="nothing_left")
        await outbound.note_carried(uow.conn, row.id, state=State.WITHDRAWN, reason="nothing_left", at=uow.now)
        return False
    recipient = row.recipient if row.kind == TO_ESCORT else await recipient_of(uow, row, target)
    if recipient is None:
        await note(uow, row.id, State.FAILED, reason="no_address")
        return False
    box = await uow.keys.box(row.patient_id)
    if row.channel == "sms":
        await outbound.write(uow.conn, row.id, None, box.seal(sms(uow.clinic, language, parts)), recipient)
    else:
        subject, body = email(uow.clinic, language, *parts[0])
        await outbound.write(uow.conn, row.id, box.seal(subject), box.seal(body), recipient)
    return True


async def held_till_morning(uow: UnitOfWork, row: MessageRow, *, unsure: bool) -> bool:
    """A text that comes to be sent at night, because its carrier or we were away, waits as a planned one would."""
    if row.channel != "sms" or row.exempt or row.kind == TO_ESCORT:
        return False
    at = waking(uow, row, await reached_as(uow, await seen(uow, row.patient_id)))
    if at <= uow.now:
        return False
    await outbound.hold(uow.conn, row.id, unsure=unsure)
    await set_timer(uow, kind=TIMER, subject=row.patient_id, occurrence=str(row.id), due_at=at)
    return True


async def stopped(uow: UnitOfWork, row: MessageRow, *, unsure: bool) -> bool:
    """They said STOP since it was released, or their number proved to take no texts: it does not go.

    One that may have gone is only not sent again.
    """
    if row.kind == TO_ESCORT:
        return await _escort_stopped(uow, row, unsure=unsure)
    reason = untexted(await reached_as(uow, await seen(uow, row.patient_id)))
    if row.channel != "sms" or reason is None or row.kind == "opt_out":
        return False
    if unsure:
        await outbound.overtake(uow.conn, row.id, reason)
        return False
    await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason=reason)
    inside = await outbound.note_carried(uow.conn, row.id, state=State.SUPPRESSED, reason=reason, at=uow.now)
    for one in (row, *await _rows(uow, inside)):
        await call_unheard(uow, await seen(uow, one.patient_id), one)
    return True


async def _escort_stopped(uow: UnitOfWork, row: MessageRow, *, unsure: bool) -> bool:
    """That number wrote STOP since it was released, or proved to take no texts."""
    number = await number_of(uow, row)
    if unsure or number is None or not await people.takes_no_texts(uow.conn, number):
        return False
    await _ask_patient_instead(uow, row)
    return True


async def _ask_patient_instead(uow: UnitOfWork, row: MessageRow) -> None:
    await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason=OPTED_OUT)
    for visit in await visits.some(uow.conn, row.visits):
        await call_about_ride(uow, visit, NO_TEXTS)


async def number_of(uow: UnitOfWork, row: MessageRow) -> bytes | None:
    """The keyed hash of the number to which a text goes, or went; none before it is released."""
    if row.recipient is None:
        return None
    return uow.lookup.hash("phone", (await uow.keys.box(row.patient_id)).open(row.recipient))


async def useless(uow: UnitOfWork, row: MessageRow, *, unsure: bool) -> bool:
    """Its carrier or we were away until it was of no use any more. One that may have gone is only not sent again."""
    if not too_late(row, uow.now):
        return False
    if unsure:
        await outbound.overtake(uow.conn, row.id, TOO_LATE)
        return False
    await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason=TOO_LATE)
    await let_down(uow, row.patient_id, [row.id])
    return True


async def overtaken(uow: UnitOfWork, message_id: UUID) -> bool:
    """Whether what it says was changed while it was being sent: it did not go, and goes no more."""
    row = await messages.find(uow.conn, message_id, lock=True)
    if row is None or row.state is not State.SENDING or row.reason is None:
        return False
    to = State.SUPPRESSED if row.reason in (OPTED_OUT, UNDELIVERABLE, TOO_LATE) else State.WITHDRAWN
    await messages.stop(uow.conn, row.id, to=to, reason=row.reason)
    await let_down(uow, row.patient_id, [row.id])
    if row.reason in (OPTED_OUT, UNDELIVERABLE):
        await call_unheard(uow, await seen(uow, row.patient_id), row)
    return True


async def _facts(uow: UnitOfWork, settings: Settings, row: MessageRow, language: str) -> Facts | None:
    named = await named_visits(uow, row)
    if row.visits and not named:
        return None
    if row.kind in ("enquiry_text", "missed_call"):
        form = settings.urls.get("intake", uow.clinic.url)
        return Facts(link=f"{form}/{_in(uow, language)}", answer_by=row.answer_by)
    if row.kind == TO_ESCORT:
        return await _escorts_facts(uow, settings, named[0], language)
    if not named or row.kind == "cancelled":
        return Facts(visits=named, answer_by=row.answer_by)
    if row.asks == NEXT_DAY:
        return await _after_facts(uow, settings, named[0], language)
    every = await visits.of_patients(uow.conn, [row.patient_id])
    token = await links.issue(
        uow,
        purpose=PAGE,
        subject=row.patient_id,
        expires_at=max(visit.ends_at for visit in every) + LINK_LASTS,
        data={"visit": str(named[0].id)},
    )
    link = f"{settings.public_url}/p/{token}{_in(uow, language)}"
    return Facts(visits=named, link=link, answer_by=row.answer_by)


async def _escorts_facts(uow: UnitOfWork, settings: Settings, visit: VisitRow, language: str) -> Facts | None:
    if visit.escort_link is None:
        return None
    token = (await uow.keys.box(visit.patient_id)).open(visit.escort_link)
    return Facts(visits=[visit], link=f"{settings.public_url}/e/{token}{_in(uow, language)}")


async def _after_facts(uow: UnitOfWork, settings: Settings, visit: VisitRow, language: str) -> Facts:
    token = await links.issue(
        uow,
        purpose=AFTER,
        subject=visit.patient_id,
        expires_at=visit.ends_at + LASTS,
        data={"visit": str(visit.id)},
    )
    return Facts(visits=[visit], link=f"{settings.public_url}/s/{token}{_in(uow, language)}")


def _in(uow: UnitOfWork, language: str) -> str:
    """The page opens in the language of the message, whatever the telephone speaks."""
    return "" if language == uow.clinic.languages[0] else f"?lang={language}"


async def note(
    uow: UnitOfWork, message_id: UUID, state: State, *, vendor_id: str | None = None, reason: str | None = None
) -> bool:
    """What became of a message, told by its carrier in any order; False when that is no news."""
    row = await messages.find(uow.conn, message_id, lock=True)
    if row is None or not may_move(row.state, state):
        return False
    await outbound.note(uow.conn, row.id, state=state, vendor_id=vendor_id, reason=reason, at=uow.now)
    inside = await outbound.note_carried(uow.conn, row.id, state=state, reason=reason, at=uow.now)
    if state is State.FAILED:
        for one in (row, *await _rows(uow, inside)):
            await _failed(uow, one, reason or "failed")
    elif row.sent_at is None and row.body is not None:
        uow.publish(
            MessageSent(
                patient_id=row.patient_id,
                message_id=row.id,
                kind=row.kind,
                channel=row.channel,
                appointment_id=row.visit_id,
                body=row.body,
                sent_at=uow.now,
            )
        )
    return True


async def _rows(uow: UnitOfWork, message_ids: list[UUID]) -> list[MessageRow]:
    found = [await messages.find(uow.conn, one) for one in message_ids]
    return [row for row in found if row is not None]


def _say_failed(uow: UnitOfWork, row: MessageRow, reason: str) -> None:
    uow.publish(
        MessageFailed(
            patient_id=row.patient_id,
            message_id=row.id,
            kind=row.kind,
            channel=row.channel,
            appointment_id=row.visit_id,
            reason=reason,
            failed_at=uow.now,
        )
    )


async def _failed(uow: UnitOfWork, row: MessageRow, reason: str) -> None:
    _say_failed(uow, row, reason)
    patient = await seen(uow, row.patient_id)
    what = "text" if row.channel == "sms" else "e-mail"
    why = f"the {what} did not arrive ({reason})"
    if takes_no_texts(reason):
        why += "; this number takes no texts, and gets no more until it is another or they text us"
    await call_instead(uow, patient, row.kind, row.occurrence, row.visit_id, why)


async def refused_by_stop(uow: UnitOfWork, message_id: UUID) -> None:
    """The carrier knows of a STOP that we did not: effective at once, and a person calls where no e-mail does it."""
    row = await messages.find(uow.conn, message_id)
    if row is None:
        return
    if row.kind == TO_ESCORT:
        if (number := await number_of(uow, row)) is not None:
            await people.mark_stopped(uow.conn, number, uow.now)
        await _ask_patient_instead(uow, row)
        return
    patient = await known(uow, row.patient_id)
    target: Patient = await reached_as(uow, patient)
    await messages.stop(uow.conn, row.id, to=State.SUPPRESSED, reason=OPTED_OUT)
    inside = await outbound.note_carried(uow.conn, row.id, state=State.SUPPRESSED, reason=OPTED_OUT, at=uow.now)
    await opt_out(uow, target.id, f"carrier:{row.id}", confirm=False)
    for one in (row, *await _rows(uow, inside)):
        if one.kind not in ("opt_out", "opt_in", "help") and not await messages.has_twin(uow.conn, one):
            await call_instead(uow, patient, one.kind, one.occurrence, one.visit_id, "they stopped texts")


async def ask_a_person(uow: UnitOfWork, message_id: UUID) -> None:
    """Nobody can tell whether it arrived: a person looks, it is not sent a second time."""
    row = await messages.find(uow.conn, message_id, lock=True)
    if row is None or row.state is not State.SENDING:
        return
    await outbound.note(uow.conn, row.id, state=State.FAILED, vendor_id=None, reason="unsure", at=uow.now)
    inside = await outbound.note_carried(uow.conn, row.id, state=State.FAILED, reason="unsure", at=uow.now)
    for one in (row, *await _rows(uow, inside)):
        await _ask_about(uow, one)


async def _ask_about(uow: UnitOfWork, row: MessageRow) -> None:
    _say_failed(uow, row, "unsure")
    await raise_task(
        uow,
        kind="check-message",
        subject=row.patient_id,
        occurrence=str(row.id),
        role="front_desk",
        patient_id=row.patient_id,
        deadline=uow.clinic.answer_due(uow.now),
        detail=f"We can't tell whether a message reached them ({row.kind.replace('_', ' ')}). Please ask.",
        appointment_id=row.visit_id,
    )
