"""Who takes a patient home has a word of their own, over a link of their own.

The promise: nobody is texted whose number the patient did not give for that; a link is good for the one who was named
last, and says nothing about health. A number that wrote STOP is texted for no visit: the patient is asked instead.
"""

from datetime import datetime, timedelta

from services.notifications.domain.quiet import Window, arrives
from services.notifications.handlers.calling import NO_TEXTS, call_about_ride
from services.notifications.handlers.reaching import ESCORT, TO_ESCORT, mark_of, phone_mark
from services.notifications.handlers.saying import schedule
from services.notifications.repository import messages, people, visits
from services.notifications.rows import MessageRow, VisitRow
from shared.contracts.intake import NumberOptedIn, NumberOptedOut
from shared.http import links
from shared.ids import new_id
from shared.uow import UnitOfWork

LINK_LASTS = timedelta(days=1)
"""After the way home."""
AT_MOST = 4
"""Texts to escorts of one visit: nobody sends strangers texts through us. The link can be passed on by hand."""


async def name(uow: UnitOfWork, visit: VisitRow, phone: str | None) -> None:
    """Somebody is named, perhaps in place of another: they get a link, which the patient passes on."""
    box = await uow.keys.box(visit.patient_id)
    round_ = visit.escort_round + 1
    token = await links.issue(
        uow,
        purpose=ESCORT,
        subject=visit.patient_id,
        expires_at=visit.ends_at + LINK_LASTS,
        data={"visit": str(visit.id), "round": round_},
    )
    await visits.name_escort(uow.conn, visit.id, round_, box.seal(token), box.seal(phone) if phone else None)
    if phone:
        await _text(uow, visit, round_, phone)


async def text_to(uow: UnitOfWork, visit: VisitRow, phone: str) -> None:
    """The patient gave their number later."""
    box = await uow.keys.box(visit.patient_id)
    await visits.set_escort_phone(uow.conn, visit.id, box.seal(phone))
    await _text(uow, visit, visit.escort_round, phone)


async def ask_again(uow: UnitOfWork, visit: VisitRow) -> None:
    """Another hour of the same day: the yes was to the old one."""
    if visit.transport != "confirmed":
        return
    await visits.set_escort_said(uow.conn, visit.id, None)
    if visit.escort_phone:
        phone = (await uow.keys.box(visit.patient_id)).open(visit.escort_phone)
        await _text(uow, visit, visit.escort_round, phone)


async def opt_out(uow: UnitOfWork, event: NumberOptedOut) -> None:
    """Whoever is to take somebody home from this number gets no text any more. It may be no mere wish for quiet: the
    number may be wrong, or they never agreed to come. A person asks the patient.
    """
    number = bytes.fromhex(event.phone_hash)
    await people.mark_stopped(uow.conn, number, uow.now)
    for visit in await visits.escorted_from(uow.conn, mark_of(number), uow.now):
        if visit.escort_phone is None:
            continue
        phone = (await uow.keys.box(visit.patient_id)).open(visit.escort_phone)
        if uow.lookup.hash("phone", phone) == number:
            await call_about_ride(uow, visit, NO_TEXTS)


async def opt_in(uow: UnitOfWork, event: NumberOptedIn) -> None:
    """The number may be texted again, from the next ride on."""
    await people.mark_resumed(uow.conn, bytes.fromhex(event.phone_hash))


async def _text(uow: UnitOfWork, visit: VisitRow, round_: int, phone: str) -> None:
    if await messages.count_of_visit(uow.conn, visit.id, TO_ESCORT) >= AT_MOST:
        return
    row = MessageRow(
        id=new_id(),
        patient_id=visit.patient_id,
        kind=TO_ESCORT,
        occurrence=f"{visit.id}:{visit.revision}:{round_}:{phone_mark(uow, phone)}",
        channel="sms",
        text=TO_ESCORT,
        visit_id=visit.id,
        visits=(visit.id,),
        course_id=visit.course_id,
        ladder=False,
        exempt=True,
        asks=None,
        answer_by=None,
        planned_at=uow.now,
        due_at=_by_day(uow, visit),
        until_at=visit.starts_at,
    )
    planned = await messages.plan(uow.conn, row)
    if planned is not None:
        await schedule(uow, visit.patient_id, planned, row.due_at)


def _by_day(uow: UnitOfWork, visit: VisitRow) -> datetime:
    """Nobody is woken for it, unless the visit is that near."""
    window = Window(uow.clinic.messages.send_between, visit.tz)
    return arrives(window, uow.now, uow.now, visit.starts_at, visit.starts_at) or uow.now
