"""What must be true before the next session, each point with its answer; and the strip of the course's sessions."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.dashboard.domain.facts import Appointment, Patient
from services.dashboard.domain.phrase import Chip, Phrase, phrase
from shared.contracts.notifications import PREPARATION


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that must be true, and how it stands."""

    label: Phrase
    answer: Chip


@dataclass(frozen=True, slots=True)
class Ready:
    """The next session with its points."""

    appointment_id: UUID
    session: Appointment
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A session in the strip: "done", "next" or "ahead"."""

    session: Appointment
    state: str


def course_of(patient: Patient) -> tuple[Step, ...]:
    """The course's sessions by time."""
    coming = patient.next_session()
    upcoming = coming[0] if coming else None

    def state(key: UUID, session: Appointment) -> str:
        return "done" if session.standing == "completed" else "next" if key == upcoming else "ahead"

    return tuple(Step(session, state(key, session)) for key, session in patient.sessions())


def ready_for(patient: Patient, now: datetime, escort: str = "") -> Ready | None:
    """The points of the next session; None where there is none. `escort` is the opened name of who takes them home."""
    coming = patient.next_session()
    if coming is None:
        return None
    key, session = coming
    return Ready(key, session, tuple(_points(patient, now, key, session, escort)))


def _points(patient: Patient, now: datetime, key: UUID, session: Appointment, escort: str) -> list[Point]:
    approval = patient.approved(now)
    valid = Chip(phrase("ready.valid", day=approval.valid_until), "ok") if approval else None
    consent = session.route in patient.assessment.signed
    points = [
        Point(phrase("ready.approval"), valid or Chip(phrase("ready.missing"), "now")),
        Point(
            phrase("ready.consent"),
            Chip(phrase("ready.signed" if consent else "ready.not_signed"), "ok" if consent else "due"),
        ),
        Point(phrase("ready.ride"), _ride(patient, key, escort)),
    ]
    answers = patient.prepared(key)
    points.extend(
        Point(
            phrase(f"prep.{item}"),
            Chip(phrase("ready.answered_ok" if ok else "ready.answered_no"), "ok" if ok else "now"),
        )
        for item, ok in sorted(answers.items(), key=lambda answer: _place(answer[0]))
    )
    points.extend(
        Point(phrase(f"prep.{item}"), Chip(phrase("ready.not_answered"), "due"))
        for item in PREPARATION
        if item not in answers
    )
    points.append(Point(phrase("ready.pressure"), Chip(phrase("ready.at_check_in"))))
    return points


def _place(item: str) -> int:
    """The order of the patient's own list."""
    return PREPARATION.index(item) if item in PREPARATION else len(PREPARATION)


def _ride(patient: Patient, key: UUID, escort: str) -> Chip:
    ride = patient.ride(key)
    if ride is None:
        return Chip(phrase("ready.ride_open"), "due")
    if ride.state == "missing":
        return Chip(phrase("ready.ride_missing"), "now")
    if ride.agreed:
        return Chip(phrase("ready.ride_agreed", name=escort) if escort else phrase("ready.ride_ok"), "ok")
    return Chip(phrase("ready.ride_with", name=escort) if escort else phrase("ready.ride_ok"), "ok")
