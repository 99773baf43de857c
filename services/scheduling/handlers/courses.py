"""An approval becomes a course: ordered by an event, drafted from a look, settled in one transaction."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.scheduling.domain import house
from services.scheduling.domain.appointments import Appointment, Session, State, session_scheduled
from services.scheduling.domain.planner import Infeasible, Order, Plan
from services.scheduling.domain.refusals import Taken
from services.scheduling.domain.sessions import Need, monitor_span, patient_span
from services.scheduling.domain.site import Site
from services.scheduling.handlers import airway, changes
from services.scheduling.handlers.gaps import GAP
from services.scheduling.repository import calendar as repository
from services.scheduling.repository import day
from services.scheduling.repository.calendar import Approval, Course
from shared.contracts.assessment import CandidateApproved
from shared.contracts.envelope import Envelope
from shared.contracts.scheduling import AppointmentKind, CoursePlanInfeasible
from shared.ids import new_id
from shared.tasks import close_task, raise_task
from shared.uow import UnitOfWork

TASK = "plan-course"
WORDS = {
    "room-taken": "rooms are taken",
    "monitor-taken": "monitors are taken",
    "prescriber-taken": "prescribers are taken",
    "airway-missing": "nobody airway-trained is in the house",
    "patient-busy": "the patient has other appointments",
    "approval-too-short": "the approval runs out too soon",
    "spacing": "the free times lie too far apart",
    "route-not-offered": "this clinic doesn't offer the approved kind of session",
    "combined": "several things are in the way at once",
    "contended": "others kept booking the same times",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be planned, as it was a moment ago. Without an order nothing can be.

    `in_danger`: a safety concern is open, so nothing is to be planned now.
    """

    course: Course
    approval: Approval
    patients: tuple[UUID, ...]
    order: Order | None
    site: Site | None
    in_danger: bool = False


async def order(uow: UnitOfWork, event: CandidateApproved, at: Envelope) -> None:
    """Keep the approval and have its course planned. An older approval of the same person gives way.

    Raises:
        KeyMissing: the patient is not known yet; the event is parked.
    """
    await uow.keys.find(event.patient_id)
    await repository.add_approval(uow.conn, event)
    patients = await repository.family(uow.conn, event.patient_id)
    await uow.conn.execute(
        repository.ADD_COURSE, new_id(), event.approval_id, event.patient_id, at.correlationid, at.id
    )
    for row in await uow.conn.fetch(repository.OTHER_APPROVALS, patients, event.approval_id):
        # Of two records that became one person the older signature may be heard of last.
        older = row["approval_id"] if row["signed_at"] <= event.signed_at else event.approval_id
        await end(uow, older, state="superseded", reason="approval-superseded")


async def end(uow: UnitOfWork, approval_id: UUID, *, state: str, reason: str) -> None:
    """An approval no longer holds: nothing more is planned under it, and what is ahead is cancelled."""
    patient_id = await uow.conn.fetchval(repository.END_APPROVAL, approval_id, state)
    if patient_id is None:
        return
    await uow.conn.execute(repository.STOP_COURSE, approval_id)
    for found in await repository.many(uow.conn, repository.AHEAD_OF_APPROVAL, approval_id):
        await changes.drop(uow, found, reason=reason)
    for kind in (TASK, GAP):
        await close_task(uow, kind=kind, subject=patient_id, outcome=reason)


async def again(uow: UnitOfWork, approval_id: UUID) -> bool:
    """Have a course planned that could not be planned before; False when there is none.

    Raises:
        Refused: a safety concern is open.
    """
    course = await repository.course(uow.conn, repository.WAITING_COURSE, approval_id)
    if course is None:
        return False
    await changes.require_no_concern(uow, await repository.family(uow.conn, course.patient_id))
    return await uow.conn.fetchval(repository.AGAIN, approval_id) is not None


async def draft(uow: UnitOfWork) -> Draft | None:
    """The next course to plan, with the calendar as it is now; None when nothing waits."""
    course = await repository.course(uow.conn, repository.NEXT_COURSE)
    if course is None:
        return None
    approval = await repository.approval(uow.conn, course.approval_id)
    if approval is None:
        raise LookupError(f"course {course.course_id} has no approval")
    patients = tuple(await repository.family(uow.conn, course.patient_id))
    if await day.concern(uow.conn, patients):
        return Draft(course, approval, patients, None, None, in_danger=True)
    shape = house.shape_of(uow.clinic, approval.route)
    if shape is None:
        return Draft(course, approval, patients, None, None)
    rules = house.rules_of(uow.clinic)
    not_before = uow.now + timedelta(hours=uow.clinic.course.earliest_notice_hours)
    # The first session may wait as long as a course lasts; later ones are a matter for the front desk.
    horizon = not_before + 2 * rules.within
    window = house.Window(not_before, horizon + timedelta(days=1))
    resources = [*house.resources(uow.clinic), *(house.patient_id(one) for one in patients)]
    ledger = await repository.ledger(uow.conn, resources, window.start, window.end)
    site = house.session_site(
        uow.clinic, approval.route, window, ledger.taken,
        away=ledger.away, lead=approval.provider_id, patients=patients,
    )  # fmt: skip
    wanted = Order(
        sessions=approval.sessions,
        shape=shape,
        rules=rules,
        not_before=not_before,
        valid_until=approval.valid_until,
        horizon=horizon,
    )
    return Draft(course, approval, patients, wanted, site)


async def settle(uow: UnitOfWork, drafted: Draft, outcome: Plan | Infeasible) -> None:
    """Book the whole plan, or say why there is none. What was decided meanwhile wins; what was said of the patient and
    not applied yet is waited for, and so is the clinician while a safety concern is open: crisis comes before any
    booking. Who clears it holds the course, or is seen here.

    Raises:
        Taken: somebody was faster, or turned out to be another's person; roll back and plan again.
    """
    # In the order in which a revocation locks: approval, course.
    approval = await repository.approval(uow.conn, drafted.course.approval_id, lock=True)
    course = await repository.course(uow.conn, repository.LOCK_COURSE, drafted.course.course_id)
    if course is None or course.state != "pending" or approval is None or approval.state != "current":
        return
    if tuple(await repository.family(uow.conn, course.patient_id)) != drafted.patients:
        raise Taken([], raced=True)
    if await repository.unheard(uow.conn, drafted.patients):
        await uow.conn.execute(repository.POSTPONE_COURSE, course.course_id)
    elif await day.concern(uow.conn, drafted.patients):
        await uow.conn.execute(day.WAIT_FOR_CLINICIAN, course.course_id)
    elif drafted.in_danger:
        return  # cleared since the look: it is looked at again
    elif isinstance(outcome, Plan):
        await _book(uow, drafted, outcome)
    else:
        await _give_up(uow, course, approval, outcome.reasons)


async def _book(uow: UnitOfWork, drafted: Draft, plan: Plan) -> None:
    course, approval, wanted = drafted.course, drafted.approval, drafted.order
    if wanted is None:
        raise ValueError("a plan without an order")
    sessions: list[Appointment] = []
    needs: list[tuple[UUID, Need]] = []
    for number, slot in enumerate(plan.slots, start=1):
        booked = Appointment(
            id=new_id(),
            patient_id=course.patient_id,
            kind=AppointmentKind.SESSION,
            state=State.BOOKED,
            starts_at=slot.at.starts_at,
            ends_at=slot.at.ends_at,
            zone=uow.clinic.zone,
            provider_id=house.plain(slot.prescriber),
            room_id=house.plain(slot.room),
            monitor_id=house.plain(slot.monitor),
            mode="in_person",
            booked_by="staff",
            revision=0,
            policy_hash=uow.clinic.hash,
            session=Session(
                course_id=course.course_id,
                approval_id=approval.approval_id,
                number=number,
                of=len(plan.slots),
                route=approval.route,
                dose_at=slot.at.dose_at,
                room_until=slot.at.room_until,
            ),
        )
        sessions.append(booked)
        needs += [(booked.id, need) for need in slot.needs(wanted.shape)]
        needs += [(booked.id, Need(house.patient_id(one), patient_span(slot.at))) for one in drafted.patients]
    # Of the airway-trained none is taken: who noted one of them away since the look is seen here.
    if await airway.uncovered(uow, [monitor_span(slot.at) for slot in plan.slots]):
        raise Taken([], raced=True)
    lost = await repository.book(uow.conn, needs)
    if lost:
        raise Taken(lost, raced=True)
    await repository.add(uow.conn, sessions)
    await uow.conn.execute(repository.SETTLE_COURSE, course.course_id, "planned", [])
    uow.publish(*(session_scheduled(one) for one in sessions))
    await close_task(uow, kind=TASK, subject=course.patient_id, outcome="planned")


async def _give_up(uow: UnitOfWork, course: Course, approval: Approval, reasons: tuple[str, ...]) -> None:
    await uow.conn.execute(repository.SETTLE_COURSE, course.course_id, "infeasible", list(reasons))
    uow.publish(
        CoursePlanInfeasible(
            patient_id=course.patient_id,
            approval_id=approval.approval_id,
            sessions=approval.sessions,
            reasons=reasons,
        )
    )
    because = "; ".join(WORDS.get(reason, reason) for reason in reasons)
    await raise_task(
        uow,
        kind=TASK,
        subject=course.patient_id,
        occurrence=str(approval.approval_id),
        role="front_desk",
        patient_id=course.patient_id,
        detail=f"No times were found for {approval.sessions} sessions: {because}. Make room, then plan again.",
    )
