"""What other services' events mean for the calendar."""

from services.scheduling.domain import appointments
from services.scheduling.domain.appointments import State
from services.scheduling.handlers import absences, changes, courses, links
from services.scheduling.handlers.clashes import OVERLAP
from services.scheduling.repository import absences as repository_absences
from services.scheduling.repository import calendar as repository
from services.scheduling.repository import day
from services.scheduling.repository.absences import Absence
from shared.contracts.assessment import ApprovalExpired, ApprovalRevoked
from shared.contracts.intake import ExternalBusyChanged, LeadCreated, LeadMerged, LeadUnmerged, PatientErased
from shared.contracts.notifications import TransportConfirmed, TransportMissing
from shared.http.links import revoke as revoke_links
from shared.tasks import close_task, close_tasks_of, raise_task
from shared.uow import UnitOfWork


async def know(uow: UnitOfWork, event: LeadCreated) -> None:
    """Somebody who can be booked."""
    await uow.conn.execute(repository.KNOW_PATIENT, event.patient_id)


async def merge(uow: UnitOfWork, event: LeadMerged) -> None:
    """Two ids are one person and not booked over each other from now on. What overlaps already, a person resolves."""
    await uow.conn.execute(repository.KNOW_PATIENT, event.patient_id)
    await uow.conn.execute(repository.MERGE, event.absorbed_id, event.patient_id)
    patients = await repository.family(uow.conn, event.patient_id)
    overlapping = await uow.conn.fetchval(repository.OVERLAPS, patients)
    if overlapping is not None:
        await raise_task(
            uow,
            kind=OVERLAP,
            subject=event.patient_id,
            occurrence=str(event.absorbed_id),
            role="front_desk",
            patient_id=event.patient_id,
            appointment_id=overlapping,
            detail="Two records became one person, and two of their appointments overlap. Move or cancel one.",
        )


async def unmerge(uow: UnitOfWork, event: LeadUnmerged) -> None:
    """They are two people after all: neither is in the way of what the other has."""
    await uow.conn.execute(repository.UNMERGE, event.absorbed_id, event.patient_id)
    one, other = [await repository.family(uow.conn, it) for it in (event.patient_id, event.absorbed_id)]
    if not set(one) & set(other):
        await repository.part(uow.conn, one, other)
    was = str(event.absorbed_id)
    await close_task(uow, kind=OVERLAP, subject=event.patient_id, occurrence=was, outcome="unmerged")


async def erase(uow: UnitOfWork, event: PatientErased) -> None:
    """Nothing is ahead for somebody who was erased, and nothing is planned for them."""
    await uow.conn.execute(repository.ERASE, event.patient_id)
    await revoke_links(uow, purpose=links.PURPOSE, subject=event.patient_id)
    await uow.conn.execute(repository.STOP_COURSES_OF, event.patient_id)
    for found in await repository.many(uow.conn, repository.AHEAD_OF_PATIENT, event.patient_id):
        await changes.drop(uow, found, reason="erased")
    await close_tasks_of(uow, event.patient_id, outcome="erased")


async def revoke(uow: UnitOfWork, event: ApprovalRevoked) -> None:
    """The signature was taken back: what is ahead is cancelled."""
    await courses.end(uow, event.approval_id, state="revoked", reason="approval-revoked")


async def expire(uow: UnitOfWork, event: ApprovalExpired) -> None:
    """The signature ran out: what is ahead is cancelled."""
    await courses.end(uow, event.approval_id, state="expired", reason="approval-expired")


async def hold(uow: UnitOfWork, event: TransportMissing) -> None:
    """No ride home at the cut-off. Of an appointment that moved since, the event says nothing."""
    found = await repository.find(uow.conn, event.appointment_id, lock=True)
    if found is None or found.starts_at != event.starts_at:
        return
    await uow.conn.execute(day.NO_RIDE, event.appointment_id)
    if found.state is State.BOOKED:
        await repository.save(uow.conn, appointments.hold(found))


async def release(uow: UnitOfWork, event: TransportConfirmed) -> None:
    """The ride was found: it may begin. Of an appointment that moved since, the event says nothing."""
    found = await repository.find(uow.conn, event.appointment_id, lock=True)
    if found is not None and event.starts_at not in (None, found.starts_at):
        return
    await uow.conn.execute(day.RIDE, event.appointment_id, event.confirmed_at)
    if found is not None and found.state is State.HELD:
        await repository.save(uow.conn, appointments.release(found))


async def busy(uow: UnitOfWork, event: ExternalBusyChanged) -> None:
    """Another calendar takes somebody's time, or gives it back. What stands in that time, a person resolves."""
    await repository_absences.alone(uow.conn)
    before = await repository_absences.find(uow.conn, event.busy_id, uow.now, lock=True)
    now = Absence(event.busy_id, event.provider_ref, event.starts_at, event.ends_at)
    if before is not None and (event.removed or not before.same_as(now)):
        await absences.here_again(uow, before)
    if event.removed:
        return
    if event.provider_ref not in {person.id for person in uow.clinic.people}:
        await raise_task(
            uow,
            kind="unknown-calendar",
            subject=event.busy_id,
            occurrence=event.provider_ref,
            role="operations",
            patient_id=None,
            detail=f"A calendar of {event.vendor} names {event.provider_ref}, whom the clinic file doesn't know.",
        )
        return
    await repository_absences.keep(uow.conn, now)
    await absences.in_the_way(uow, now)
