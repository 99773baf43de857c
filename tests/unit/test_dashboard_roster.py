"""Everybody in their column, in order, whatever changes: as if sorted anew, at the cost of what changed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dashboard import roster as module
from services.dashboard.domain.board import COLUMNS, Stage, card
from services.dashboard.domain.facts import Appointment, Decision, Intake, Notifications, Patient, Ride, Scheduling
from services.dashboard.live import Live, Person
from services.dashboard.roster import CARD_SECONDS, Roster

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEOPLE = [UUID(int=number) for number in range(1, 13)]
VISIT = UUID(int=99)
SECOND = timedelta(seconds=1)


def person(key: UUID, patient: Patient) -> Person:
    name = f"Person {key.int % 5}"
    return Person(patient, name, "", name.lower())


def new(key: UUID, hours: int) -> Patient:
    return Patient(patient_id=key, intake=Intake(created_at=NOW, answer_due=NOW + timedelta(hours=hours)))


def closed(key: UUID, hours: int) -> Patient:
    return Patient(patient_id=key, intake=Intake(created_at=NOW + timedelta(hours=hours), closed="no_reply"))


def elsewhere(key: UUID, hours: int) -> Patient:
    decided = Decision(kind="declined", by="osei", at=NOW + timedelta(hours=hours))
    intake = Intake(created_at=NOW)
    return Patient.model_validate(
        {"patient_id": key, "intake": intake.model_dump(), "assessment": {"decision": decided.model_dump()}}
    )


def booked(kind: str, ride: str | None = None) -> Callable[[UUID, int], Patient]:
    def made(key: UUID, hours: int) -> Patient:
        starts = NOW + timedelta(hours=hours)
        visit = Appointment.model_validate(
            {"kind": kind, "starts_at": starts, "ends_at": starts + timedelta(hours=1), "route": "im", "number": 1}
        )
        rides = {VISIT: Ride.model_validate({"state": ride})} if ride else {}
        return Patient(
            patient_id=key,
            intake=Intake(created_at=NOW),
            scheduling=Scheduling(appointments={VISIT: visit}),
            notifications=Notifications(rides=rides),
        )

    return made


KINDS = [new, closed, elsewhere, booked("consultation"), booked("session"), booked("session", ride="missing")]
happenings = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(PEOPLE), st.sampled_from(KINDS), st.integers(-60, 60)),
        st.tuples(st.sampled_from(PEOPLE), st.none(), st.none()),
        st.sampled_from([SECOND, 7 * SECOND, 14 * SECOND, timedelta(hours=5), timedelta(days=2), -timedelta(hours=3)]),
    ),
    max_size=40,
)


def change(live: Live, key: UUID, patient: Patient | None) -> None:
    if patient is None:
        live.people.pop(key, None)
    else:
        live.people[key] = person(key, patient)
    live.touched.add(key)
    live.revision += 1


def anew(live: Live, now: datetime) -> dict[Stage, list[UUID]]:
    """The columns as they are when everybody is sorted; moments that pass are seen within CARD_SECONDS."""
    found: dict[Stage, list[UUID]] = {stage: [] for stage in COLUMNS}
    cards = {key: card(who.patient, now) for key, who in live.people.items()}
    for key in sorted(cards, key=lambda key: (not cards[key].hot, cards[key].order or now, live.people[key].name, key)):
        if cards[key].stage in found:
            found[cards[key].stage].append(key)
    return found


def coming(live: Live, now: datetime) -> tuple[datetime, str] | None:
    stages = (Stage.COURSE, Stage.CONSULTATION)
    cards = [(card(who.patient, now), who.name) for who in live.people.values()]
    booked = ((made.at, name) for made, name in cards if made.stage in stages and made.at and not made.since)
    return min((one for one in booked if one[0] > now), default=None)


@settings(max_examples=200)
@given(happenings)
def test_after_whatever_happened_the_columns_are_as_if_sorted_anew(told):
    live, roster, now = Live(), Roster(), NOW
    for one in told:
        if isinstance(one, timedelta):
            now += one
        else:
            key, kind, hours = one
            change(live, key, kind(key, hours) if kind else None)
        roster.look(live, now)
    for _ in range(CARD_SECONDS):
        now += SECOND
        roster.look(live, now)
    kept = {stage: [it.person.patient_id for it in column] for stage, column in roster.columns.items()}
    assert kept == anew(live, now)
    assert roster.coming == coming(live, now)


@pytest.fixture
def made(monkeypatch):
    """For whom a card was made."""
    whose: list[UUID] = []

    def watched(patient: Patient, now: datetime):
        whose.append(patient.patient_id)
        return card(patient, now)

    monkeypatch.setattr(module, "card", watched)
    return whose


def test_a_look_makes_the_cards_of_those_who_changed_and_of_those_whose_second_it_is(made):
    live, roster = Live(), Roster()
    for number in range(1, 10 * CARD_SECONDS + 1):
        change(live, UUID(int=number), new(UUID(int=number), number))
    roster.look(live, NOW)
    made.clear()
    change(live, UUID(int=7), new(UUID(int=7), -1))
    roster.look(live, NOW)
    assert made == [UUID(int=7)]
    made.clear()
    roster.look(live, NOW + SECOND)
    assert len(made) == 10
    for second in range(2, CARD_SECONDS + 1):
        roster.look(live, NOW + second * SECOND)
    assert sorted(made) == sorted(live.people)


def test_who_is_closed_costs_nothing_until_they_come_back(made):
    live, roster = Live(), Roster()
    for key in PEOPLE:
        change(live, key, closed(key, 0))
    roster.look(live, NOW)
    made.clear()
    roster.look(live, NOW + timedelta(days=1))
    assert made == []
    change(live, PEOPLE[0], new(PEOPLE[0], 1))
    roster.look(live, NOW + timedelta(days=1))
    assert [it.person.patient_id for it in roster.columns[Stage.NEW]] == PEOPLE[:1]
