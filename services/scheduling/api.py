"""HTTP in. Who may do it, one handler call, and refusals put into words."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Header, Query

from services.scheduling.domain.appointments import Appointment, IllegalTransition, Mode
from services.scheduling.domain.offers import Offer
from services.scheduling.domain.refusals import Refused, Taken
from services.scheduling.handlers import changes, consultations, courses
from services.scheduling.hearing import hears
from services.scheduling.problems import facts_behind, no_longer, not_here, problem_of, taken
from services.scheduling.repository import absences
from services.scheduling.repository import calendar as repository
from services.scheduling.views import (
    AbsenceView,
    AppointmentView,
    Booking,
    Cancelling,
    CourseView,
    Date,
    Day,
    Id,
    Moving,
    Offers,
    OfferView,
    PatientCalendar,
)
from shared.audit import audit
from shared.contracts.scheduling import AppointmentKind
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.problems import Forbidden, Invalid
from shared.service import Service
from shared.uow import UnitOfWork

router = APIRouter(prefix="/api/v1")
T = TypeVar("T")
ATTEMPTS = 5
"""How often a booking looks again when another was faster; the last look says who."""
ALTERNATIVES = 3
NEAR_DAYS, FAR_DAYS = 2, 14

Reader = Annotated[Staff, Depends(staff("front_desk", "provider", "monitor", "operations"))]
Booker = Annotated[Staff, Depends(staff("front_desk", "provider"))]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=8, max_length=128)]


@router.get("/offers")
async def offers(
    service: ServiceDep,
    _who: Reader,
    kind: AppointmentKind = AppointmentKind.CONSULTATION,
    first: Annotated[Date | None, Query(alias="from")] = None,
    days: Annotated[int, Query(ge=1, le=90)] = 7,
    mode: Mode = "in_person",
    provider: Id | None = None,
    patient_id: UUID | None = None,
    appointment_id: UUID | None = None,
) -> Offers:
    """Free times, from the clinic's hours minus what is booked. With `appointment_id` those it could move to."""
    clinic = service.clinic
    begin = first or service.clock.now().astimezone(clinic.tz).date()
    start, end = midnight(service, begin), midnight(service, begin + timedelta(days=days))
    if kind is AppointmentKind.SESSION:
        # Asks the broker, so before the transaction.
        await _require_current_facts(service)
    async with service.reading() as uow:
        found = await repository.find(uow.conn, appointment_id) if appointment_id else None
        if kind is AppointmentKind.SESSION:
            views = await _session_offers(uow, found, start, end)
        else:
            patient = found.patient_id if found else patient_id
            patients = await repository.family(uow.conn, patient) if patient else []
            free = await consultations.free_times(
                uow, found.mode if found else mode, start, end, provider, patients, appointment_id
            )
            views = [OfferView.of_offer(one, clinic.tz) for one in free]
    return Offers(kind=kind, zone=clinic.zone, first=begin, days=days, offers=views)


@router.post("/consultations", status_code=201)
async def book(service: ServiceDep, who: Booker, body: Booking, key: Key = None) -> AppointmentView:
    """Book a consultation. The same Idempotency-Key with the same body answers as the first time."""
    digest = hashlib.sha256(body.model_dump_json().encode()).digest()
    wanted = consultations.Wanted(
        patient_id=body.patient_id,
        starts_at=body.starts_at.astimezone(UTC),
        mode=body.mode,
        provider_id=body.provider_id,
        booked_by="staff",
        key=key,
        digest=digest,
    )
    try:
        return AppointmentView.of(await in_turn(service, who.actor, lambda uow: consultations.book(uow, wanted)))
    except Taken as refused:
        following = await _next_times(service, body, wanted.starts_at)
        raise taken(refused, service.clinic, wanted.starts_at, following) from refused
    except Refused as refused:
        raise problem_of(refused, service.clinic) from refused


@router.get("/appointments/{appointment_id}")
async def appointment(service: ServiceDep, who: Reader, appointment_id: UUID) -> AppointmentView:
    """One appointment."""
    async with service.transaction(actor=who.actor) as uow:
        found = await repository.find(uow.conn, appointment_id)
        if found is None:
            raise not_here()
        await audit(uow, action="read", what="appointment", subject=found.patient_id)
        return AppointmentView.of(found)


@router.post("/appointments/{appointment_id}/cancel")
async def cancel(service: ServiceDep, who: Booker, appointment_id: UUID, body: Cancelling) -> AppointmentView:
    """Cancel it, and give back what it took."""
    return await _change(
        service, who, lambda uow: changes.cancel(uow, appointment_id, reason=body.reason, note=body.note)
    )


@router.post("/appointments/{appointment_id}/no-show")
async def no_show(
    service: ServiceDep,
    who: Annotated[Staff, Depends(staff("front_desk", "provider", "monitor"))],
    appointment_id: UUID,
) -> AppointmentView:
    """The patient did not come."""
    return await _change(service, who, lambda uow: changes.no_show(uow, appointment_id))


@router.post("/appointments/{appointment_id}/reschedule")
async def reschedule(service: ServiceDep, who: Booker, appointment_id: UUID, body: Moving) -> AppointmentView:
    """Move it, and nothing else."""
    if body.override is not None and "provider" not in who.roles:
        raise Forbidden("Only a provider can allow a longer gap.", code="override_needs_provider")
    async with service.reading() as uow:
        found = await repository.find(uow.conn, appointment_id)
    if found is not None and found.session is not None:
        await _require_current_facts(service)
    wanted = changes.Wanted(
        starts_at=body.starts_at.astimezone(UTC),
        reason=body.reason,
        provider_id=body.provider_id,
        override=body.override,
        monitor_id=body.monitor_id,
        revision=body.revision,
    )
    return await _change(service, who, lambda uow: changes.reschedule(uow, appointment_id, wanted), wanted.starts_at)


@router.post("/approvals/{approval_id}/plan", status_code=202)
async def plan_again(service: ServiceDep, who: Booker, approval_id: UUID) -> dict[str, str]:
    """Try once more to find times for a course that had none."""
    try:
        async with service.transaction(actor=who.actor) as uow:
            if not await courses.again(uow, approval_id):
                raise not_here("There is no course that waits for times under this approval.")
    except Refused as refused:
        raise problem_of(refused, service.clinic) from refused
    return {"state": "pending"}


@router.get("/patients/{patient_id}/appointments")
async def of_patient(service: ServiceDep, who: Reader, patient_id: UUID) -> PatientCalendar:
    """Everything booked for one person; the read is audited."""
    async with service.transaction(actor=who.actor) as uow:
        patients = await repository.family(uow.conn, patient_id)
        found = await repository.many(uow.conn, repository.OF_PATIENTS, patients)
        rows = await uow.conn.fetch(repository.COURSES_OF, patients)
        await audit(uow, action="read", what="appointments", subject=patient_id)
    return PatientCalendar(
        appointments=[AppointmentView.of(one) for one in found],
        courses=[CourseView.model_validate(dict(row)) for row in rows],
    )


@router.get("/days/{day}")
async def of_day(service: ServiceDep, who: Reader, day: Date) -> Day:
    """One local date: who, which room, which people; the read is audited."""
    clinic = service.clinic
    start, end = midnight(service, day), midnight(service, day + timedelta(days=1))
    async with service.transaction(actor=who.actor) as uow:
        found = await repository.many(uow.conn, repository.BETWEEN, start, end)
        away = await absences.between(uow.conn, start, end, uow.now)
        await audit(uow, action="read", what="day", subject=None, detail={"day": day.isoformat()})
    return Day(
        day=day,
        zone=clinic.zone,
        closed_because=clinic.hours.closed_because(day),
        opening=[(a.astimezone(clinic.tz), b.astimezone(clinic.tz)) for a, b in clinic.hours.intervals(day)],
        appointments=[AppointmentView.of(one) for one in found],
        away=[AbsenceView.of(one, clinic.tz) for one in away],
    )


async def _session_offers(
    uow: UnitOfWork, found: Appointment | None, start: datetime, end: datetime
) -> list[OfferView]:
    if found is None or found.session is None:
        raise Invalid("Times of a session are offered for moving one: name it by appointment_id.")
    try:
        free = await changes.free_times(uow, found, start, end)
    except Refused as refused:
        raise problem_of(refused, uow.clinic) from refused
    return [OfferView.of_slot(one, uow.clinic.tz) for one in free]


async def _change(
    service: Service,
    who: Staff,
    act: Callable[[UnitOfWork], Awaitable[Appointment | None]],
    at: datetime | None = None,
) -> AppointmentView:
    try:
        changed = await in_turn(service, who.actor, act)
    except IllegalTransition as illegal:
        raise no_longer(illegal) from illegal
    except Taken as refused:
        raise taken(refused, service.clinic, at or service.clock.now(), []) from refused
    except Refused as refused:
        raise problem_of(refused, service.clinic) from refused
    if changed is None:
        raise not_here()
    return AppointmentView.of(changed)


async def in_turn(service: Service, actor: str, act: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    """Do it in a transaction of its own; look again where another was faster or two wait for each other."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with service.transaction(actor=actor) as uow:
                return await act(uow)
        except Taken as refused:
            if not refused.raced or attempt == ATTEMPTS:
                raise
        except asyncpg.DeadlockDetectedError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


async def _next_times(service: Service, body: Booking, after: datetime) -> list[datetime]:
    """The next few; looks near first, because everybody who lost a race asks at once."""
    async with service.reading() as uow:
        patients = await repository.family(uow.conn, body.patient_id)

        async def within(days: int) -> list[Offer]:
            last = after + timedelta(days=days)
            return await consultations.free_times(uow, body.mode, after, last, body.provider_id, patients)

        free = await within(NEAR_DAYS)
        if len(free) < ALTERNATIVES:
            free = await within(FAR_DAYS)
    return [one.starts_at for one in free[:ALTERNATIVES]]


async def _require_current_facts(service: Service) -> None:
    """While this service can't hear of revoked approvals, no session is booked anew."""
    if not await hears(service):
        raise facts_behind()


def midnight(service: Service, day: date) -> datetime:
    """When a day of the clinic begins."""
    return datetime.combine(day, time(), service.clinic.tz).astimezone(UTC)
