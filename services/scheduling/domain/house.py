"""From the clinic's policy to a planner's view of it: who may do what on which day, minus what is taken."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from services.scheduling.domain.offers import Visit
from services.scheduling.domain.planner import Rules
from services.scheduling.domain.sessions import Shape
from services.scheduling.domain.site import Free, Site
from services.scheduling.domain.spans import Span, Spans, merge, subtract
from shared.clinic.model import Clinic
from shared.clinic.people import Person
from shared.contracts.assessment import Route

Taken = Mapping[str, Spans]
"""What is booked, by resource id."""


def room_id(room: str) -> str:
    """The resource of a room."""
    return f"room:{room}"


def person_id(person: str) -> str:
    """The resource of a member of staff."""
    return f"person:{person}"


def is_person(resource: str) -> bool:
    """Whether it is a member of staff."""
    return resource.startswith("person:")


def patient_id(patient: UUID) -> str:
    """The resource of a patient: nobody is in two appointments at once."""
    return f"patient:{patient}"


def plain(resource: str) -> str:
    """The clinic's own id of a resource."""
    return resource.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at, in UTC, as local dates of the clinic."""

    start: datetime
    end: datetime

    def days(self, clinic: Clinic) -> list[date]:
        """Every local date that the window touches."""
        first = self.start.astimezone(clinic.tz).date()
        last = self.end.astimezone(clinic.tz).date()
        return [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]


def shape_of(clinic: Clinic, route: Route) -> Shape | None:
    """The session of a route; None where this clinic does not offer it."""
    if route.value not in clinic.appointments.routes:
        return None
    kind = clinic.appointments.session[route.value]
    return Shape(
        check_in=kind.check_in,
        watched=kind.observation,
        discharge=kind.discharge,
        turnover=kind.turnover + kind.padding,
        prescriber_before=kind.prescriber.before_dose,
        prescriber_after=kind.prescriber.after_dose,
        prescriber_discharge=kind.prescriber.discharge,
    )


def visit_of(clinic: Clinic, mode: str) -> Visit:
    """A consultation in one of the clinic's modes."""
    kind = clinic.appointments.consultation
    return Visit(kind.minutes, kind.buffer, in_room=mode == "in_person")


def rules_of(clinic: Clinic) -> Rules:
    """How this clinic spaces a course."""
    course = clinic.course
    return Rules(
        gap_min=timedelta(hours=course.gap_min_hours),
        gap_target=timedelta(days=course.gap_target_days),
        gap_max=timedelta(days=course.gap_max_days),
        within=timedelta(days=course.within_days),
        step=timedelta(minutes=course.step_minutes),
    )


def resources(clinic: Clinic) -> list[str]:
    """Every room and person of the clinic."""
    return [room_id(room.id) for room in clinic.rooms] + [person_id(person.id) for person in clinic.people]


def consultation_site(
    clinic: Clinic, window: Window, taken: Taken, *, provider: str | None = None, patients: Sequence[UUID] = ()
) -> Site:
    """For a consultation: providers licensed that day (or the one asked for), and rooms fit for a talk."""
    days = window.days(clinic)
    wanted = [one for one in clinic.people if "provider" in one.roles and provider in (None, one.id)]
    return Site(
        opening=_opening(clinic, days),
        patient=_patient(window, taken, patients),
        rooms=_rooms(clinic, days, taken, "consultation"),
        leads=_people(clinic, days, taken, wanted, Person.licensed_on),
        monitors={},
    )


def session_site(
    clinic: Clinic,
    route: Route,
    window: Window,
    taken: Taken,
    *,
    away: Taken,
    lead: str | None,
    patients: Sequence[UUID],
) -> Site:
    """For a session: prescribers licensed that day, `lead` first; monitors; rooms fit for the route.

    `away` is what takes somebody out of the house, so that they can't be the airway-trained person on call.
    """
    days = window.days(clinic)
    prescribers = sorted((one for one in clinic.people if "provider" in one.roles), key=lambda one: one.id != lead)
    return Site(
        opening=_opening(clinic, days),
        patient=_patient(window, taken, patients),
        rooms=_rooms(clinic, days, taken, route.value),
        leads=_people(clinic, days, taken, prescribers, Person.prescribes_on),
        monitors=_people(clinic, days, taken, [one for one in clinic.people if "monitor" in one.roles], _always),
        airway=airway_site(clinic, window, away) if clinic.appointments.airway_on_site else None,
    )


def airway_site(clinic: Clinic, window: Window, away: Taken) -> Free:
    """When each of the airway-trained is in the house, booked or not."""
    return _people(clinic, window.days(clinic), away, [one for one in clinic.people if one.airway], _always)


def preferring(free: Free, resource: str) -> Free:
    """The same, with this one first."""
    return {one: free[one] for one in sorted(free, key=lambda one: one != resource)}


def only(free: Free, person: str | None) -> Free:
    """Nobody but this person, where one is named."""
    return free if person is None else {one: spans for one, spans in free.items() if one == person_id(person)}


def _opening(clinic: Clinic, days: Iterable[date]) -> Spans:
    return merge(Span(*interval) for day in days for interval in clinic.hours.intervals(day))


def _patient(window: Window, taken: Taken, patients: Sequence[UUID]) -> Spans:
    busy = merge(span for one in patients for span in taken.get(patient_id(one), ()))
    return subtract((Span(window.start, window.end + timedelta(days=1)),), busy)


def _rooms(clinic: Clinic, days: Sequence[date], taken: Taken, kind: str) -> Free:
    opening = _opening(clinic, days)
    # Rooms that are good for little else first: a session doesn't take the only room for talks while another is free.
    fit = sorted((room for room in clinic.rooms if kind in room.kinds), key=lambda room: len(room.kinds))
    return {room_id(room.id): subtract(opening, taken.get(room_id(room.id), ())) for room in fit}


def _people(
    clinic: Clinic, days: Sequence[date], taken: Taken, people: Iterable[Person], able: Callable[[Person, date], bool]
) -> Free:
    free: dict[str, Spans] = {}
    for person in people:
        working = merge(
            Span(*interval)
            for day in days
            if able(person, day)
            for interval in clinic.hours.person_intervals(person, day)
        )
        resource = person_id(person.id)
        free[resource] = subtract(working, taken.get(resource, ()))
    return free


def _always(_person: Person, _day: date) -> bool:
    return True
