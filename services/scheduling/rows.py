"""Appointments as rows, both ways."""

from typing import Any

import asyncpg

from services.scheduling.domain.appointments import Appointment, Session, State
from shared.contracts.assessment import Route
from shared.contracts.scheduling import AppointmentKind


def appointment(row: asyncpg.Record) -> Appointment:
    """A row of `appointments`."""
    session = None
    if row["course_id"] is not None:
        session = Session(
            course_id=row["course_id"],
            approval_id=row["approval_id"],
            number=row["number"],
            of=row["of_total"],
            route=Route(row["route"]),
            dose_at=row["dose_at"],
            room_until=row["room_until"],
        )
    return Appointment(
        id=row["appointment_id"],
        patient_id=row["patient_id"],
        kind=AppointmentKind(row["kind"]),
        state=State(row["state"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        zone=row["zone"],
        provider_id=row["provider_id"],
        room_id=row["room_id"],
        monitor_id=row["monitor_id"],
        mode=row["mode"],
        booked_by=row["booked_by"],
        revision=row["revision"],
        policy_hash=row["policy_hash"],
        session=session,
    )


def values(one: Appointment) -> tuple[Any, ...]:
    """The arguments of `repository.ADD`."""
    session = one.session
    course = (session.course_id, session.approval_id, session.number, session.of, session.route.value,
              session.dose_at, session.room_until) if session else (None,) * 7  # fmt: skip
    return (
        one.id, one.patient_id, one.kind.value, one.state.value, one.starts_at, one.ends_at, one.zone,
        one.provider_id, one.room_id, one.monitor_id, one.mode, one.booked_by, one.revision, one.policy_hash, *course,
    )  # fmt: skip
