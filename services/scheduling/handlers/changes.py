"""What becomes of an appointment: moved, cancelled, not come to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduling.domain import appointments, house, spacing
from services.scheduling.domain.appointments import Appointment, Move, Session, State
from services.scheduling.domain.refusals import Refused, Spaced, Taken
from services.scheduling.domain.sessions import Need, Shape, Slot, monitor_span, patient_span
from services.scheduling.domain.site import Site, slot_at, slots
from services.scheduling.domain.spans import overlap
from services.scheduling.handlers import airway, consultations, elsewhere, gaps
from services.scheduling.handlers.clashes import resolved
from services.scheduling.repository import calendar as repository
from services.scheduling.repository import day
from shared.audit import audit
from shared.tasks import raise_task
from shared.uow import UnitOfWork

NO_SHOW_TASK = "no-show"
NO_SHOW_IN_DANGER = "no-show-in-danger"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where an appointment is to go, or to whom it is handed: without a new time it stays where it is.

    `override` is a provider's reason for a gap that the policy finds too long; `revision` is what who asks has seen.
    """

    starts_at: datetime
    reason: str
    provider_id: str | None = None
    override: str | None = None
    monitor_id: str | None = None
    revision: int | None = None

    def changes(self, found: Appointment) -> bool:
        """Whether anything would be otherwise."""
        asked = ((self.provider_id, found.provider_id), (self.monitor_id, found.monitor_id))
        return self.starts_at != found.starts_at or any(wanted not in (None, now) for wanted, now in asked)


async def cancel(uow: UnitOfWork, appointment_id: UUID, *, reason: str, note: str | None) -> Appointment | None:
    """Cancel it and give back what it took; None when there is no such appointment.

    Raises:
        IllegalTransition: it is over, or the medicine was given.
    """
    found = await repository.find(uow.conn, appointment_id, lock=True)
    if found is None:
        return None
    sealed = (await uow.keys.box(found.patient_id)).seal(note) if note else None
    cancelled = await drop(uow, found, reason=reason, note=sealed)
    await elsewhere.to_change(uow, found, cancelled)
    await gaps.fell_out(uow, cancelled)
    return cancelled


async def drop(uow: UnitOfWork, found: Appointment, *, reason: str, note: str | None = None) -> Appointment:
    """Cancel an appointment that is locked already."""
    cancelled, event = appointments.cancel(found, reason=reason, note=note)
    await repository.save(uow.conn, cancelled)
    await repository.release(uow.conn, found.id)
    await resolved(uow, found, "cancelled")
    uow.publish(event)
    return cancelled


async def no_show(uow: UnitOfWork, appointment_id: UUID) -> Appointment | None:
    """The patient did not come: give back what it took, and have somebody reach out the same day.

    Who is thought to be in danger is called by a clinician.
    """
    found = await repository.find(uow.conn, appointment_id, lock=True)
    if found is None:
        return None
    missed, event = appointments.no_show(found, now=uow.now)
    await repository.save(uow.conn, missed)
    await repository.release(uow.conn, found.id)
    await resolved(uow, found, "no-show")
    await gaps.fell_out(uow, missed)
    uow.publish(event)
    local = found.starts_at.astimezone(uow.clinic.tz)
    worried = await day.concern(uow.conn, await repository.family(uow.conn, found.patient_id))
    await raise_task(
        uow,
        kind=NO_SHOW_IN_DANGER if worried else NO_SHOW_TASK,
        subject=found.patient_id,
        occurrence=str(found.id),
        role="provider" if worried else "front_desk",
        patient_id=found.patient_id,
        # Once the clinic has closed, the day is over and the call is late already.
        deadline=uow.clinic.hours.closing(uow.now) or uow.now,
        appointment_id=found.id,
        detail=f"Did not come to the {found.kind.value} at {local:%H:%M}. Call today and ask how they are.",
    )
    return missed


async def reschedule(uow: UnitOfWork, appointment_id: UUID, wanted: Wanted) -> Appointment | None:
    """Move it or hand it to others, and nothing else; None when there is no such appointment.

    What the patient said of the way home and of preparing was for that time: at another one it is asked again.

    Raises:
        IllegalTransition, Taken, TooSoon, Spaced, Refused: it stays where it is.
    """
    found = await repository.find(uow.conn, appointment_id)
    if found is not None and found.session is not None:
        # In the order in which a revocation locks: approval, course, appointments.
        await repository.approval(uow.conn, found.session.approval_id, lock=True)
        await repository.course(uow.conn, repository.LOCK_COURSE, found.session.course_id)
    found = await repository.find(uow.conn, appointment_id, lock=True)
    if found is None:
        return None
    if wanted.revision not in (None, found.revision):
        raise Refused("changed")
    if not wanted.changes(found):
        raise Refused("unchanged")
    if wanted.starts_at != found.starts_at:
        consultations.require_notice(uow, wanted.starts_at)
    # Its own bookings must not stand in its way. What fails after this rolls them back into place.
    await repository.release(uow.conn, found.id)
    patients = await repository.family(uow.conn, found.patient_id)
    move = await (_move_session if found.session else _move_consultation)(uow, found, wanted, patients)
    moved, event = appointments.reschedule(found, move, reason=wanted.reason, policy_hash=uow.clinic.hash)
    await repository.save(uow.conn, moved)
    if moved.starts_at != found.starts_at:
        await day.forget_answers(uow.conn, found.id, uow.now)
    uow.publish(event)
    await resolved(uow, found, "rescheduled")
    await elsewhere.to_change(uow, found, moved)
    if moved.session is not None:
        await gaps.moved(uow, moved.session, moved.patient_id)
    return moved


async def _move_consultation(uow: UnitOfWork, found: Appointment, wanted: Wanted, patients: list[UUID]) -> Move:
    provider = wanted.provider_id or found.provider_id
    offer = await consultations.choose(uow, found.mode, wanted.starts_at, provider, patients, room=found.room_id)
    await consultations.take(uow, found, offer, patients)
    return Move(
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        provider_id=house.plain(offer.providers[0]),
        room_id=offer.room and house.plain(offer.room),
    )


async def _move_session(uow: UnitOfWork, found: Appointment, wanted: Wanted, patients: list[UUID]) -> Move:
    session, shape = await require_approved(uow, found)
    if wanted.starts_at != found.starts_at:
        await require_no_concern(uow, patients)
        await _require_spacing(uow, found, session, wanted)
    start, end = wanted.starts_at, wanted.starts_at + timedelta(days=1)
    site = _by(await site_of(uow, found, session, start, end, patients), wanted)
    slot = slot_at(site, shape, wanted.starts_at)
    if slot is None:
        raise await _why_not(uow, session, shape, wanted, patients, site)
    approval = await repository.approval(uow.conn, session.approval_id)
    if approval is None or slot.at.ends_at > approval.valid_until:
        raise Refused("approval-too-short")
    if await airway.uncovered(uow, [monitor_span(slot.at)]):
        raise Refused("airway-missing")
    needs = [*slot.needs(shape), *(Need(house.patient_id(one), patient_span(slot.at)) for one in patients)]
    lost = await repository.book(uow.conn, [(found.id, need) for need in needs])
    if lost:
        raise Taken(lost, raced=True)
    return Move(
        starts_at=slot.at.starts_at,
        ends_at=slot.at.ends_at,
        provider_id=house.plain(slot.prescriber),
        room_id=house.plain(slot.room),
        monitor_id=house.plain(slot.monitor),
        dose_at=slot.at.dose_at,
        room_until=slot.at.room_until,
    )


async def free_times(uow: UnitOfWork, found: Appointment, first: datetime, last: datetime) -> list[Slot]:
    """The times to which a session could move, from `first` to before `last`.

    Raises:
        Refused: it can't move at all.
    """
    session, shape = await require_approved(uow, found)
    patients = await repository.family(uow.conn, found.patient_id)
    await require_no_concern(uow, patients)
    others = await _others(uow, found, session)
    rules = house.rules_of(uow.clinic)
    site = await site_of(uow, found, session, first, last + timedelta(days=1), patients)
    approval = await repository.approval(uow.conn, session.approval_id)
    step = timedelta(minutes=uow.clinic.appointments.consultation.step_minutes)
    return [
        slot
        for slot in slots(site, shape, first=max(first, consultations.earliest(uow)), last=last, step=step)
        if spacing.breach(session.number, slot.at.starts_at, others, rules) is None
        and approval is not None
        and slot.at.ends_at <= approval.valid_until
    ]


async def require_approved(uow: UnitOfWork, found: Appointment) -> tuple[Session, Shape]:
    """The session and its shape, while its approval holds.

    Raises:
        Refused: the approval was revoked or has run out, may have been by what was not applied yet, or the clinic gave
            up this route.
    """
    session = found.session
    if session is None:
        raise Refused("no-session")
    approval = await repository.approval(uow.conn, session.approval_id)
    if approval is None or approval.state != "current" or approval.valid_until <= uow.now:
        raise Refused("no-approval")
    if await repository.unheard(uow.conn, await repository.family(uow.conn, found.patient_id)):
        raise Refused("facts-behind")
    shape = house.shape_of(uow.clinic, session.route)
    if shape is None:
        raise Refused("route-not-offered")
    return session, shape


async def require_no_concern(uow: UnitOfWork, patients: Sequence[UUID]) -> None:
    """No session gets a time while somebody worries about the patient; a talk does, for that is how they are helped.

    Raises:
        Refused: a safety concern is open.
    """
    if await day.concern(uow.conn, patients):
        raise Refused("concern-open")


async def _require_spacing(uow: UnitOfWork, found: Appointment, session: Session, wanted: Wanted) -> None:
    others, rules = await _others(uow, found, session), house.rules_of(uow.clinic)
    broken = list(spacing.breaches(session.number, wanted.starts_at, others, rules))
    if not broken:
        return
    limit = timedelta(days=uow.clinic.course.reevaluate_after_days)
    # One reason lifts a gap that is too long, never another one that is too short.
    unbearable = [one for one in broken if one.code == "too-close" or abs(one.starts_at - wanted.starts_at) > limit]
    if wanted.override is None or unbearable:
        raise Spaced((unbearable or broken)[0])
    reason = (await uow.keys.box(found.patient_id)).seal(wanted.override)
    detail = {"appointment": str(found.id), "rule": broken[0].code, "reason": reason}
    await audit(uow, action="override", what="spacing", subject=found.patient_id, detail=detail)


async def _others(uow: UnitOfWork, found: Appointment, session: Session) -> list[spacing.Neighbour]:
    course = await repository.many(uow.conn, repository.OF_COURSE, session.course_id)
    return [
        spacing.Neighbour(one.session.number, one.starts_at)
        for one in course
        if one.session and one.id != found.id and one.state not in (State.CANCELLED, State.NO_SHOW)
    ]


async def site_of(
    uow: UnitOfWork, found: Appointment, session: Session, start: datetime, end: datetime, patients: list[UUID]
) -> Site:
    """The house as it is, with the session's own people and room preferred."""
    resources = [*house.resources(uow.clinic), *(house.patient_id(one) for one in patients)]
    ledger = await repository.ledger(uow.conn, resources, start, end, found.id)
    window = house.Window(start, end)
    site = house.session_site(
        uow.clinic, session.route, window, ledger.taken, away=ledger.away, lead=found.provider_id, patients=patients
    )
    return replace(
        site,
        rooms=house.preferring(site.rooms, house.room_id(found.room_id or "")),
        monitors=house.preferring(site.monitors, house.person_id(found.monitor_id or "")),
    )


def _by(site: Site, wanted: Wanted) -> Site:
    """With nobody but those who are asked for."""
    leads, monitors = house.only(site.leads, wanted.provider_id), house.only(site.monitors, wanted.monitor_id)
    return replace(site, leads=leads, monitors=monitors)


async def _why_not(
    uow: UnitOfWork, session: Session, shape: Shape, wanted: Wanted, patients: list[UUID], site: Site
) -> Refused:
    starts_at = wanted.starts_at
    if slot_at(replace(site, airway=None), shape, starts_at) is not None:
        return Refused("airway-missing")
    window = house.Window(starts_at, starts_at + timedelta(days=1))
    resources = [*house.resources(uow.clinic), *(house.patient_id(one) for one in patients)]
    ledger = await repository.ledger(uow.conn, resources, window.start, window.end)
    empty = house.session_site(uow.clinic, session.route, window, {}, away={}, lead=None, patients=patients)
    slot = slot_at(_by(empty, wanted), shape, starts_at)
    if slot is None:
        return Refused("closed")
    needs = [*slot.needs(shape), *(Need(house.patient_id(one), patient_span(slot.at)) for one in patients)]
    taken = [need for need in needs if any(overlap(need.span, one) for one in ledger.taken.get(need.resource, ()))]
    return Taken(taken)
