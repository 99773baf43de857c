"""Who the patients are, what they allow, and the first answer to a contact."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifications.domain.delivery import State
from services.notifications.domain.wellbeing import despairing
from services.notifications.handlers import danger
from services.notifications.handlers.calling import call_unheard
from services.notifications.handlers.planning import replan_all
from services.notifications.handlers.reaching import AFTER, ESCORT, OPTED_OUT, PAGE, TO_ESCORT, known
from services.notifications.handlers.saying import Say, let_down, say, unschedule
from services.notifications.repository import messages, people, visits
from services.notifications.rows import Patient
from shared.contracts.assessment import AlternativeRecommended, CandidateDeclined, MoreInformationRequested
from shared.contracts.envelope import Envelope
from shared.contracts.intake import (
    Channel,
    ConsentGiven,
    ConsentKind,
    ConsentRevoked,
    LeadClosed,
    LeadCreated,
    LeadMerged,
    LeadUnmerged,
    LeadUpdated,
    PatientErased,
)
from shared.http import links
from shared.tasks import close_tasks_of, raise_task
from shared.timers import cancel_timers
from shared.uow import UnitOfWork

ONE_ANSWER_IN = timedelta(hours=1)


async def welcome(uow: UnitOfWork, event: LeadCreated) -> None:
    """Know a new patient and answer them: a texter with the form's link, everybody else with when a person answers."""
    contact = await _contact(uow, event.patient_id, event.contact)
    patient = Patient(
        id=event.patient_id,
        name=event.name,
        contact=event.contact,
        phone_hash=_phone_hash(uow, contact),
        has_phone=bool(contact.get("phone")),
        has_email=bool(contact.get("email")),
        language=event.language,
        zone=_zone(event.zone),
        sms_consent=ConsentKind.SMS in event.consents,
        sms_out=False,
        email_out=False,
        alias_of=None,
        erased=False,
    )
    if not await people.add(uow.conn, patient):
        return
    patient = await known(uow, patient.id)
    said = (await uow.keys.box(patient.id)).open(event.message) if event.message else ""
    if despairing(said) and event.channel is not Channel.PHONE:
        await danger.heard(uow, patient, said, "first")
    await answer_contact(uow, patient, event.channel, "first", event.answer_due)


async def answer_contact(
    uow: UnitOfWork, patient: Patient, channel: Channel, occurrence: str, answer_due: datetime | None
) -> None:
    """One answer per contact. Who is on the phone, or wrote by e-mail to a person, is answered by that person.

    Who booked in Vagaro hears of their visit, and is not thanked for writing.
    """
    if channel in (Channel.PHONE, Channel.EMAIL, Channel.VAGARO):
        return
    texted = channel is Channel.TEXT
    await say(
        uow,
        patient,
        Say(
            kind="enquiry_text" if texted else "enquiry",
            occurrence=occurrence,
            only=("sms",) if texted else ("sms", "email"),
            exempt=True,
            answering=texted,
            answer_by=answer_due or uow.clinic.answer_due(uow.now),
        ),
    )


async def change(uow: UnitOfWork, event: LeadUpdated, at: Envelope) -> None:
    """Take over what changed; a new place or phone moves the plan; a new message is answered like the first."""
    await known(uow, event.patient_id)
    contact = await _contact(uow, event.patient_id, event.contact) if event.contact is not None else None
    await people.change(
        uow.conn,
        event.patient_id,
        name=event.name,
        contact=event.contact,
        phone_hash=_phone_hash(uow, contact) if contact is not None else None,
        has_phone=bool(contact.get("phone")) if contact is not None else None,
        has_email=bool(contact.get("email")) if contact is not None else None,
        language=event.language,
        zone=_zone(event.zone),
    )
    patient = await known(uow, event.patient_id)
    if contact is not None or event.zone is not None:
        await replan_all(uow, patient)
    if event.answer_due is not None and event.channel not in (None, Channel.TEXT):
        await _answer_again(uow, patient, event, at)


async def _answer_again(uow: UnitOfWork, patient: Patient, event: LeadUpdated, at: Envelope) -> None:
    """A known person got in touch again. Whoever fills in forms with their number can't make us flood them."""
    since = uow.now - ONE_ANSWER_IN
    if event.channel is not None and await messages.last_of_kind(uow.conn, patient.id, ("enquiry",), since) is None:
        await answer_contact(uow, patient, event.channel, str(at.sequence), event.answer_due)


async def allow(uow: UnitOfWork, event: ConsentGiven) -> None:
    """Texts or e-mails are welcome; after an opt-out that is said once."""
    if event.kind is ConsentKind.SMS:
        await opt_in(uow, event.patient_id, str(event.consent_id))
    elif event.kind is ConsentKind.EMAIL:
        patient = await known(uow, event.patient_id)
        if patient.email_out:
            await people.allow(uow.conn, patient.id, sms=patient.sms_consent, sms_out=patient.sms_out, email_out=False)
            await replan_all(uow, await known(uow, patient.id))


async def opt_in(uow: UnitOfWork, patient_id: UUID, occurrence: str) -> None:
    """Texts are allowed from now on."""
    patient = await known(uow, patient_id)
    if patient.sms_consent and not patient.sms_out:
        return
    await people.allow(uow.conn, patient.id, sms=True, sms_out=False, email_out=patient.email_out)
    allowed = await known(uow, patient_id)
    await replan_all(uow, allowed)
    if patient.sms_out:
        await say(uow, allowed, Say("opt_in", occurrence, only=("sms",), exempt=True, answering=True))


async def revoke(uow: UnitOfWork, event: ConsentRevoked, at: Envelope) -> None:
    """Effective at once: what was planned is suppressed. After STOP one confirmation, as the law allows."""
    if event.kind is ConsentKind.SMS:
        await opt_out(uow, event.patient_id, str(at.sequence), confirm=event.channel is Channel.TEXT)
    elif event.kind is ConsentKind.EMAIL:
        patient = await known(uow, event.patient_id)
        await people.allow(uow.conn, patient.id, sms=patient.sms_consent, sms_out=patient.sms_out, email_out=True)
        await suppress(uow, patient.id, "email", OPTED_OUT)
        await replan_all(uow, await known(uow, patient.id))


async def opt_out(uow: UnitOfWork, patient_id: UUID, occurrence: str, *, confirm: bool) -> None:
    """No text any more but the one that says so. Source: FCC, in force since 11 Apr 2025."""
    patient = await known(uow, patient_id)
    if patient.sms_out:
        return
    if confirm:
        await say(uow, patient, Say("opt_out", occurrence, only=("sms",), exempt=True, answering=True))
    await people.allow(uow.conn, patient.id, sms=False, sms_out=True, email_out=patient.email_out)
    await suppress(uow, patient.id, "sms", OPTED_OUT)
    await replan_all(uow, await known(uow, patient.id))


async def suppress(uow: UnitOfWork, patient_id: UUID, channel: str, reason: str) -> None:
    """What was planned does not go. To their escort it does: that is another telephone, and no news to them."""
    stopped = await messages.stop_of_patient(
        uow.conn, patient_id, to=State.SUPPRESSED, reason=reason, channel=channel, but=("opt_out", TO_ESCORT)
    )
    await unschedule(uow, patient_id, stopped)
    patient = await known(uow, patient_id)
    for message_id in stopped:
        row = await messages.find(uow.conn, message_id)
        if row is not None and not row.ladder:  # the ladder is planned anew
            await call_unheard(uow, patient, row)


async def tell_decision(
    uow: UnitOfWork, event: AlternativeRecommended | MoreInformationRequested | CandidateDeclined
) -> None:
    """The provider has an answer; what it is, a person says: who was promised a call gets one."""
    patient = await known(uow, event.patient_id)
    if not uow.clinic.messages.tell_decision:
        return
    await say(uow, patient, Say("answer_ready", str(event.decision_id)))
    if isinstance(event, MoreInformationRequested):
        return  # assessment has a task for the very question
    await raise_task(
        uow,
        kind="call-with-answer",
        subject=patient.id,
        occurrence=str(event.decision_id),
        role="front_desk",
        patient_id=patient.id,
        deadline=uow.clinic.answer_due(uow.now),
        detail="They were told that somebody calls with their provider's answer. It stands in the chart.",
    )


async def close(uow: UnitOfWork, event: LeadClosed) -> None:
    """They are followed no further: what waits to be said to them as a contact is not said, under none of their ids.

    Answers, safety messages and all that is about a visit go on: a visit that stands is kept or cancelled by itself.
    Whoever gets in touch again is answered like anybody.
    """
    await known(uow, event.patient_id)
    for patient_id in (event.patient_id, *await people.absorbed(uow.conn, event.patient_id)):
        stopped = await messages.stop_of_contact(uow.conn, patient_id, "lead_closed")
        await unschedule(uow, patient_id, stopped)
        await let_down(uow, patient_id, stopped)


async def merge(uow: UnitOfWork, event: LeadMerged) -> None:
    """Messages to the absorbed go to the one whom they turned out to be, also where the absorbed is not known yet."""
    await people.alias(uow.conn, event.absorbed_id, event.patient_id)
    await _replan_known(uow, event.absorbed_id)


async def unmerge(uow: UnitOfWork, event: LeadUnmerged) -> None:
    """The absorbed stands for themselves again."""
    await people.unalias(uow.conn, event.absorbed_id, event.patient_id)
    await _replan_known(uow, event.absorbed_id)


async def _replan_known(uow: UnitOfWork, patient_id: UUID) -> None:
    patient = await people.find(uow.conn, patient_id, lock=True)
    if patient is not None:
        await replan_all(uow, patient)


async def forget(uow: UnitOfWork, event: PatientErased) -> None:
    """Withdraw everything and forget how to reach them; the key that opens the rest is destroyed by the kernel."""
    patient = await people.find(uow.conn, event.patient_id, lock=True)
    if patient is None:
        return
    await messages.stop_of_patient(uow.conn, patient.id, to=State.WITHDRAWN, reason="erased")
    await messages.blank(uow.conn, patient.id)
    await cancel_timers(uow, subject=patient.id)
    await close_tasks_of(uow, patient.id, outcome="erased")
    await visits.forget_escorts(uow.conn, patient.id)
    if patient.phone_hash is not None:
        await people.mark_reachable(uow.conn, patient.phone_hash)
    for purpose in (PAGE, ESCORT, AFTER):
        await links.revoke(uow, purpose=purpose, subject=patient.id)
    await people.erase(uow.conn, patient.id, uow.now)


async def _contact(uow: UnitOfWork, patient_id: UUID, sealed: str) -> dict[str, Any]:
    opened = (await uow.keys.box(patient_id)).open_json(sealed)
    return opened if isinstance(opened, dict) else {}


def _phone_hash(uow: UnitOfWork, contact: dict[str, Any]) -> bytes | None:
    phone = contact.get("phone")
    return uow.lookup.hash("phone", phone) if phone else None


def _zone(name: str | None) -> str | None:
    """The zone, if this machine knows it."""
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
    return name
