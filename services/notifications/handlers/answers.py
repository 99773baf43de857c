"""What patients write back: bound to the newest open question on their phone, or read by a person."""

from datetime import timedelta
from uuid import UUID

from services.notifications.domain.answers import of_the_ride, read
from services.notifications.domain.wellbeing import alarming, despairing, says_well
from services.notifications.handlers import aftercare, danger, transport, unreachable
from services.notifications.handlers.aftercare import LASTS, NEXT_DAY
from services.notifications.handlers.people import opt_in, opt_out
from services.notifications.handlers.reaching import known, reached_as
from services.notifications.handlers.saying import Say, say
from services.notifications.repository import messages, people, questions, visits
from services.notifications.rows import Patient, Question, VisitRow
from shared.contracts.intake import Channel, MessageReceived
from shared.contracts.notifications import QuestionAnswered
from shared.tasks import raise_task
from shared.uow import UnitOfWork

Asked = tuple[Question, VisitRow]
ONE_REPLY_IN = timedelta(hours=12)
"""Two machines must not talk to each other: within this time a patient is told once that a person reads their texts."""


async def hear(uow: UnitOfWork, event: MessageReceived) -> None:
    """Do what a text asks for; none is left unread. What came through another door has its task from intake, unless
    there is danger in it.
    """
    patient = await known(uow, event.patient_id)
    if event.channel is Channel.TEXT:
        patient = await unreachable.heard_from(uow, patient)
    if event.keyword == "stop":
        await opt_out(uow, patient.id, str(event.message_id), confirm=event.channel is Channel.TEXT)
    elif event.keyword == "start":
        await opt_in(uow, patient.id, str(event.message_id))
    elif event.keyword == "help":
        await say(uow, patient, Say("help", str(event.message_id), only=("sms",), exempt=True, answering=True))
    elif event.missed_call:
        await _missed_call(uow, patient, event)
    elif event.channel is Channel.TEXT:
        body = (await uow.keys.box(patient.id)).open(event.body)
        await _answer(uow, patient, event, body)
    elif event.channel is not Channel.PHONE:
        body = (await uow.keys.box(patient.id)).open(event.body)
        if despairing(body):
            await danger.heard(uow, patient, body, str(event.message_id))


async def _missed_call(uow: UnitOfWork, patient: Patient, event: MessageReceived) -> None:
    """Nobody took their call: one text back, however often they try. STOP stands; the front desk calls anyway."""
    if await messages.last_of_kind(uow.conn, patient.id, ("missed_call",), uow.now - ONE_REPLY_IN) is None:
        due = uow.clinic.answer_due(event.received_at)
        occurrence = str(event.message_id)
        await say(
            uow, patient, Say("missed_call", occurrence, only=("sms",), exempt=True, answering=True, answer_by=due)
        )  # fmt: skip


async def _answer(uow: UnitOfWork, patient: Patient, event: MessageReceived, body: str) -> None:
    meant = _meant(await _open(uow, patient), body)
    if meant is None or event.media:
        await _for_a_person(uow, patient, event, body)
        return
    question, visit = meant
    asked = await known(uow, question.patient_id)
    if question.kind == NEXT_DAY:
        well = await aftercare.hear(uow, visit, question.id, body)
        if alarming(body):
            await danger.say_where_help_is(uow, asked, str(event.message_id))
        else:
            await _reply(uow, asked, "check_in_thanks" if well else "read_by_person", event, visit)
        return
    answer = read(body)
    uow.publish(
        QuestionAnswered(
            patient_id=asked.id,
            question_id=question.id,
            kind=question.kind,
            appointment_id=visit.id,
            meaning=answer.meaning,
            answer=(await uow.keys.box(asked.id)).seal(body),
            answered_at=uow.now,
        )
    )
    match answer.meaning:
        case "yes":
            await transport.confirm(uow, visit, escort=answer.escort, by="patient")
            await questions.close(uow.conn, question.id, at=uow.now, meaning="yes")
            await _reply(uow, asked, "transport_thanks", event, visit)
        case "no":
            await questions.close(uow.conn, question.id, at=uow.now, meaning="no")
            await transport.nobody_yet(uow, visit)
            await _reply(uow, asked, "transport_help", event, visit, asks=question)
        case _:
            await _for_a_person(uow, patient, event, body, visit)


async def _open(uow: UnitOfWork, patient: Patient) -> list[Asked]:
    """What may still be answered on this phone, the newest first."""
    asked = await questions.open_of(uow.conn, await _on_this_phone(uow, patient))
    about = {visit.id: visit for visit in await visits.some(uow.conn, [question.visit_id for question in asked])}
    found = [(question, about[question.visit_id]) for question in asked if question.visit_id in about]
    return [(question, visit) for question, visit in found if _still_asked(uow, question, visit)]


def _still_asked(uow: UnitOfWork, question: Question, visit: VisitRow) -> bool:
    if question.kind == NEXT_DAY:
        return visit.state == "done" and uow.now <= visit.ends_at + LASTS
    return visit.state == "ahead" and visit.ends_at > uow.now


def _meant(asked: list[Asked], body: str) -> Asked | None:
    """The newest question; where both how they are and the ride are open, the one that the words can answer.

    "ok" could answer either, and so could a single word that may be a name: it is taken for how they are, because a
    ride that nobody has must not look confirmed, and how they are must not be lost.
    """
    newest = {question.kind: (question, visit) for question, visit in reversed(asked)}
    if len(newest) < 2:
        return asked[0] if asked else None
    about_the_ride = of_the_ride(body) and not says_well(body)
    return next(one for kind, one in newest.items() if (kind == NEXT_DAY) is not about_the_ride)


async def _on_this_phone(uow: UnitOfWork, patient: Patient) -> list[UUID]:
    """Everybody who could have been asked on it: a phone is shared, and people are merged."""
    target = await reached_as(uow, patient)
    found = {patient.id, target.id}
    for phone in {patient.phone_hash, target.phone_hash} - {None}:
        assert phone is not None
        found |= set(await people.with_phone(uow.conn, phone))
    return sorted(found)


async def _reply(
    uow: UnitOfWork, patient: Patient, kind: str, event: MessageReceived, visit: VisitRow, asks: Question | None = None
) -> None:
    await say(
        uow,
        patient,
        Say(
            kind=kind,
            occurrence=str(event.message_id),
            visit_id=visit.id,
            visits=(visit.id,),
            only=("sms",),
            exempt=True,
            answering=True,
            asks=asks.kind if asks is not None else None,
        ),
    )


async def _for_a_person(
    uow: UnitOfWork, patient: Patient, event: MessageReceived, body: str, visit: VisitRow | None = None
) -> None:
    """What no rule understands is read by the front desk; a texter is told so, once in a while."""
    if alarming(body):
        await danger.heard(uow, patient, body, str(event.message_id))
        return
    await raise_task(
        uow,
        kind="read-answer",
        subject=patient.id,
        occurrence=str(event.message_id),
        role="front_desk",
        patient_id=patient.id,
        deadline=uow.clinic.answer_due(uow.now),
        detail=body[:1_000] or "A message without words.",
        appointment_id=visit.id if visit is not None else None,
    )
    since = uow.now - ONE_REPLY_IN
    if await messages.last_of_kind(uow.conn, patient.id, ("read_by_person", "enquiry_text"), since) is None:
        await say(
            uow, patient, Say("read_by_person", str(event.message_id), only=("sms",), exempt=True, answering=True)
        )
