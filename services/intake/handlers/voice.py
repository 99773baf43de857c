"""A call that nobody took: a voicemail for a person to hear, or a missed call that gets one text back.

A call is settled once, by its recording or by the time that a recording may take; the webhooks come in any order.
"""

import hashlib
import json
from datetime import timedelta
from uuid import UUID

from services.intake.agreements import TEXTS
from services.intake.domain.call import Ring, Voicemail
from services.intake.domain.contact import Contact
from services.intake.handlers import kept, leads
from services.intake.handlers.kept import LISTEN
from services.intake.handlers.newcomers import FRONT_DESK, Newcomer, welcome
from services.intake.reading import takes_texts, zone_of
from services.intake.repository import arrivals, calls, merges, patients
from services.intake.repository.arrivals import Key
from services.intake.repository.calls import Call
from shared.contracts.intake import Channel, MessageReceived
from shared.ids import new_id
from shared.security.sealing import Box
from shared.tasks import raise_task
from shared.timers import Timer, cancel_timers, set_timer
from shared.uow import UnitOfWork

MISSED = "missed-call"
LONGEST_CALL = timedelta(minutes=10)
"""A call that nothing more is heard of counts as missed then; greeting and the longest voicemail take five."""
DOOR = "phone"


async def ring(uow: UnitOfWork, ring: Ring) -> str | None:
    """Somebody calls. Gives the language of a known caller."""
    await _opened(uow, ring)
    return await _language(uow, ring.caller)


async def ended(uow: UnitOfWork, ring: Ring, wait: timedelta) -> None:
    """The call is over. A voicemail may come later than this, so it is not missed before `wait`."""
    call = await _opened(uow, ring)
    if call.settled is None:
        await set_timer(uow, kind=MISSED, subject=call.id, occurrence="call", due_at=uow.now + wait)


async def recorded(uow: UnitOfWork, ring: Ring, left: Voicemail) -> None:
    """Words were left: kept with their patient, or by themselves where the number was withheld; a person listens."""
    call = await _opened(uow, ring)
    if call.settled == "voicemail":
        return
    await cancel_timers(uow, subject=call.id, kind=MISSED)
    said = _in_clinics_language(
        uow, "call.voicemail", minutes=left.seconds // 60, seconds=f"{left.seconds % 60:02d}", url=left.url
    )
    if ring.caller is None:
        content = json.dumps({"call": ring.sid, "url": left.url, "seconds": left.seconds}).encode()
        await kept.keep(
            uow, content, door=DOOR, reason="caller-withheld", fingerprint=_words_of(call.sid), text=said, task=LISTEN
        )  # fmt: skip
    else:
        patient_id, box = await _caller(uow, call.sid, ring.caller)
        _say(uow, patient_id, box, said)
        await raise_task(
            uow, kind=LISTEN, subject=patient_id, occurrence=call.id.hex, role=FRONT_DESK, patient_id=patient_id,
            deadline=uow.clinic.answer_due(uow.now), detail=said,
        )  # fmt: skip
    await _settle(uow, call, "voicemail")


async def missed(uow: UnitOfWork, timer: Timer) -> None:
    """Nobody spoke and no words were left."""
    call = await calls.call_by_id(uow.conn, timer.subject)
    if call is None or call.settled is not None:
        return
    said = _in_clinics_language(uow, "call.missed")
    if call.caller is None:
        await kept.keep(uow, b"{}", door=DOOR, reason="caller-withheld", fingerprint=call.sid, text=said)
    else:
        number = (await uow.keys.box(call.id)).open(call.caller)
        patient_id, box = await _caller(uow, call.sid, number)
        _say(uow, patient_id, box, said, missed_call=call.trusted and takes_texts(number))
    await _settle(uow, call, "missed")


def _words_of(sid: bytes) -> bytes:
    """What a voicemail is kept under: another than its call, which may have been kept as missed before."""
    return hashlib.sha256(b"voicemail\0" + sid).digest()


async def _opened(uow: UnitOfWork, ring: Ring) -> Call:
    """The call's row, locked; made by whichever webhook is first."""
    sid = hashlib.sha256(b"twilio-call\0" + ring.sid.encode()).digest()
    known = await calls.call(uow.conn, sid)
    if known is not None:
        return known
    call_id = new_id()
    await uow.keys.create(call_id)
    sealed = (await uow.keys.box(call_id)).seal(ring.caller) if ring.caller is not None else None
    if await calls.open_call(uow.conn, Call(sid, call_id, sealed, ring.trusted), uow.now):
        await set_timer(uow, kind=MISSED, subject=call_id, occurrence="call", due_at=uow.now + LONGEST_CALL)
    known = await calls.call(uow.conn, sid)
    assert known is not None
    return known


async def _caller(uow: UnitOfWork, sid: bytes, number: str) -> tuple[UUID, Box]:
    """Whose number it is; a stranger becomes a lead, somebody we know joins their own thread."""
    contact = Contact(
        channel=Channel.PHONE, language=uow.clinic.languages[0], phone=number, zone=zone_of(number, uow.clinic.zone)
    )
    points, fresh, due = leads.points_of(uow.lookup, contact), new_id(), uow.clinic.answer_due(uow.now)
    key = Key("twilio-call", sid, sid)
    claim = await arrivals.claim(uow.conn, key, fresh, points, due)
    if not claim.claimed:  # missed first, and its words came late
        answer = await arrivals.answered(uow.conn, key.producer, key.key)
        assert answer is not None
        assert answer.patient_id is not None
        owner = await merges.meant(uow.conn, answer.patient_id)
        return owner, await uow.keys.box(owner)
    assert claim.by_phone is not None
    if claim.by_phone == fresh:
        await welcome(uow, [Newcomer(uow, fresh, contact, points)], due)
        return fresh, await uow.keys.box(fresh)
    patient = await patients.patient(uow.conn, claim.by_phone, lock=True)
    assert patient is not None
    box = await uow.keys.box(patient.id)
    _, due = await leads.reach_again(uow, patient, box, contact)
    await arrivals.record_answer(uow.conn, key, patient.id, due)
    await leads.ask_for_answer(uow, patient.id, due, None)
    return patient.id, box


def _say(uow: UnitOfWork, patient_id: UUID, box: Box, said: str, *, missed_call: bool = False) -> None:
    uow.publish(
        MessageReceived(
            patient_id=patient_id, message_id=new_id(), channel=Channel.PHONE, body=box.seal(said),
            missed_call=missed_call, received_at=uow.now,
        )
    )  # fmt: skip


async def _settle(uow: UnitOfWork, call: Call, how: calls.How) -> None:
    await calls.settle(uow.conn, call.sid, how, uow.now)
    await uow.keys.destroy(call.id)


async def _language(uow: UnitOfWork, number: str | None) -> str | None:
    if number is None:
        return None
    points = arrivals.Points(phone=uow.lookup.hash("phone", number), email=None)
    owner = (await arrivals.owners(uow.conn, points)).get("phone")
    patient = await patients.patient(uow.conn, owner) if owner is not None else None
    return None if patient is None else patient.language


def _in_clinics_language(uow: UnitOfWork, key: str, **values: object) -> str:
    return TEXTS.get(uow.clinic.languages[0], key, **values)
