"""The life of an appointment, the spacing of neighbours, spans of time and consultation offers."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduling.domain import appointments, house, offers, spacing
from services.scheduling.domain.appointments import NEXT, Appointment, IllegalTransition, Move, Session, State
from services.scheduling.domain.spans import Span, covers, merge, overlap, subtract
from shared.clinic import load
from shared.contracts.assessment import Route
from shared.contracts.scheduling import AppointmentKind

NINE = datetime(2026, 12, 1, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
HARBOR = load(Path("deploy/clinics/harbor.toml"))


def session(state: State = State.BOOKED, starts_at: datetime = NINE) -> Appointment:
    return Appointment(
        id=UUID(int=1),
        patient_id=UUID(int=2),
        kind=AppointmentKind.SESSION,
        state=state,
        starts_at=starts_at,
        ends_at=starts_at + 3 * HOUR,
        zone="America/Denver",
        provider_id="osei",
        room_id="room-1",
        monitor_id="tran",
        mode="in_person",
        booked_by="staff",
        revision=0,
        policy_hash="0" * 64,
        session=Session(UUID(int=3), UUID(int=4), 2, 6, Route.IM, starts_at + HOUR / 2, starts_at + 3.25 * HOUR),
    )


@pytest.mark.parametrize("state", [state for state in State if State.CANCELLED not in NEXT[state]])
def test_what_was_dosed_or_is_over_is_not_cancelled(state: State) -> None:
    with pytest.raises(IllegalTransition):
        appointments.cancel(session(state), reason="patient", note=None)


@pytest.mark.parametrize("state", sorted(appointments.AHEAD))
def test_what_is_ahead_can_be_cancelled_and_says_why(state: State) -> None:
    cancelled, event = appointments.cancel(session(state), reason="approval-revoked", note=None)
    assert cancelled.state is State.CANCELLED
    assert (event.reason, event.starts_at, event.kind) == ("approval-revoked", NINE, AppointmentKind.SESSION)


def test_a_move_counts_ends_a_hold_and_keeps_the_id() -> None:
    later = NINE + timedelta(days=1)
    to = Move(later, later + 3 * HOUR, "rios", "room-2", "bell", later + HOUR / 2, later + 3.25 * HOUR)
    moved, event = appointments.reschedule(session(State.HELD), to, reason="patient", policy_hash="1" * 64)
    assert (moved.id, moved.state, moved.revision) == (UUID(int=1), State.BOOKED, 1)
    assert moved.session is not None
    assert moved.session.dose_at == later + HOUR / 2
    assert (event.was_at, event.starts_at, event.revision, event.monitor_id) == (NINE, later, 1, "bell")


@pytest.mark.parametrize("state", [State.CHECKED_IN, State.DOSED, State.COMPLETED, State.CANCELLED, State.NO_SHOW])
def test_who_is_here_or_gone_is_not_moved(state: State) -> None:
    later = NINE + timedelta(days=1)
    to = Move(later, later + 3 * HOUR, "rios", "room-2", "bell", later, later + 3 * HOUR)
    with pytest.raises(IllegalTransition):
        appointments.reschedule(session(state), to, reason="patient", policy_hash="1" * 64)


def test_nobody_fails_to_come_before_it_begins() -> None:
    with pytest.raises(IllegalTransition):
        appointments.no_show(session(), now=NINE - HOUR)
    missed, _ = appointments.no_show(session(), now=NINE)
    assert missed.state is State.NO_SHOW


def test_a_hold_is_released_and_nothing_else_is() -> None:
    assert appointments.release(appointments.hold(session())).state is State.BOOKED
    with pytest.raises(IllegalTransition):
        appointments.hold(session(State.CANCELLED))


DAY = timedelta(days=1)
NEIGHBOURS = [spacing.Neighbour(1, NINE), spacing.Neighbour(3, NINE + 6 * DAY)]


@pytest.mark.parametrize(
    ("after", "code", "number"),
    [
        (3 * DAY, None, 0),
        (2 * DAY, None, 0),
        (2 * DAY - HOUR, "too-close", 1),
        (4 * DAY + HOUR, "too-close", 3),
        (-3 * DAY, "too-close", 1),
        (7 * DAY, "too-close", 3),
    ],
)
def test_a_session_keeps_its_distance_and_its_place(after: timedelta, code: str | None, number: int) -> None:
    found = spacing.breach(2, NINE + after, NEIGHBOURS, house.rules_of(HARBOR))
    assert (found and found.code, found and found.number) == (code, number if code else None)


def test_a_gap_that_is_too_long_never_hides_one_that_is_too_short() -> None:
    """A provider may allow the first; the second is named first, and nobody may."""
    apart = [spacing.Neighbour(1, NINE), spacing.Neighbour(3, NINE + 10 * DAY)]
    for days in (9, 11):
        found = spacing.breaches(2, NINE + days * DAY, apart, house.rules_of(HARBOR))
        assert [(one.code, one.number) for one in found] == [("too-close", 3), ("too-far", 1)]


def test_the_last_session_must_not_drift_away() -> None:
    found = spacing.breach(4, NINE + 14 * DAY, NEIGHBOURS, house.rules_of(HARBOR))
    assert found is not None
    assert (found.code, found.number) == ("too-far", 3)


spans = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 30)).map(
        lambda pair: Span(NINE + pair[0] * HOUR, NINE + (pair[0] + pair[1]) * HOUR)
    ),
    max_size=15,
).map(merge)


@given(spans, spans)
def test_what_is_left_is_free_of_what_was_taken_and_nothing_is_lost(
    free: tuple[Span, ...], busy: tuple[Span, ...]
) -> None:
    left = subtract(free, busy)
    assert list(left) == sorted(left)
    for hour in range(240):
        moment = Span(NINE + hour * HOUR, NINE + (hour + 1) * HOUR)
        assert covers(left, moment) == (covers(free, moment) and not any(overlap(moment, one) for one in busy))


def test_consultations_are_offered_within_hours_to_licensed_providers_in_fit_rooms() -> None:
    start = datetime(2026, 12, 5, 7, tzinfo=UTC)  # a Saturday in Denver, 9:00 to 13:00
    window = house.Window(start, start + DAY)
    site = house.consultation_site(HARBOR, window, {})
    visit = house.visit_of(HARBOR, "in_person")
    found = list(offers.offers(site, visit, first=start, last=start + DAY, step=HOUR / 2))
    times = [one.starts_at.astimezone(HARBOR.tz).strftime("%H:%M") for one in found]
    assert times == ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30"]
    assert {one.providers for one in found} == {("person:osei",)}, "Dr Ríos has weekdays only, Dr Lang no licence"
    assert {one.room for one in found} == {"room:room-1"}


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 11, 1), 0), (date(2026, 11, 2), 10), (date(2027, 3, 15), 10)])
def test_offers_after_the_clocks_changed_begin_when_the_clinics_clock_says_so(day: date, hours: int) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=HARBOR.tz).astimezone(UTC)
    site = house.consultation_site(HARBOR, house.Window(start, start + timedelta(hours=23)), {})
    visit = house.visit_of(HARBOR, "video")
    found = list(offers.offers(site, visit, first=start, last=start + DAY, step=HOUR))
    local = [one.starts_at.astimezone(HARBOR.tz).hour for one in found]
    assert local == (list(range(8, 17)) if hours else [])
