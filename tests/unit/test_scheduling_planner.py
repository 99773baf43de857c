"""Whatever the calendar looks like, a plan keeps the rules; the same calendar gives the same plan."""

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.domain import house
from services.scheduling.domain.planner import Infeasible, Order, Plan, plan
from services.scheduling.domain.sessions import patient_span
from services.scheduling.domain.spans import Span, Spans, covers, merge, overlap
from shared.clinic import Clinic, load
from shared.contracts.assessment import Route

DENVER = ZoneInfo("America/Denver")
HARBOR = load(Path("deploy/clinics/harbor.toml"))
PATIENT = UUID(int=7)
SPRING, AUTUMN = date(2027, 3, 14), date(2026, 11, 1)


def at(day: date, hour: int = 8, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=DENVER).astimezone(UTC)


def order_of(clinic: Clinic, begin: datetime, *, sessions: int = 6, route: Route = Route.IM, valid: int = 90) -> Order:
    shape = house.shape_of(clinic, route)
    assert shape is not None
    rules = house.rules_of(clinic)
    return Order(
        sessions=sessions,
        shape=shape,
        rules=rules,
        not_before=begin,
        valid_until=begin + timedelta(days=valid),
        horizon=begin + 2 * rules.within,
    )


def planned(
    order: Order, taken: Mapping[str, Spans] | None = None, route: Route = Route.IM, lead: str = "osei"
) -> Plan | Infeasible:
    window = house.Window(order.not_before, order.horizon + timedelta(days=1))
    site = house.session_site(HARBOR, route, window, taken or {}, away={}, lead=lead, patients=[PATIENT])
    return plan(order, site, DENVER)


def kept(order: Order, result: Plan, taken: Mapping[str, Spans]) -> None:
    """Every rule, checked against the clinic file rather than against the planner's own view."""
    rules = order.rules
    times = [slot.at.starts_at for slot in result.slots]
    assert len(times) == order.sessions
    for before, after in pairwise(times):
        assert rules.gap_min <= after - before <= rules.gap_max
    assert times[-1] - times[0] <= rules.within
    assert times[0] >= order.not_before
    assert result.slots[-1].at.ends_at <= order.valid_until
    for slot in result.slots:
        day = slot.at.starts_at.astimezone(DENVER).date()
        opening = merge(Span(*one) for one in HARBOR.hours.intervals(day))
        assert covers(opening, Span(slot.at.starts_at, slot.at.room_until))
        assert slot.monitor != slot.prescriber
        for need in slot.needs(order.shape):
            kind, _, name = need.resource.partition(":")
            if kind == "person":
                person = HARBOR.person(name)
                working = merge(Span(*one) for one in HARBOR.hours.person_intervals(person, day))
                assert covers(working, need.span)
            assert not any(overlap(need.span, span) for span in taken.get(need.resource, ()))
        assert HARBOR.person(slot.prescriber.partition(":")[2]).prescribes_on(day)
        seen = patient_span(slot.at)
        assert not any(overlap(seen, span) for span in taken.get(house.patient_id(PATIENT), ()))


RESOURCES = [*house.resources(HARBOR), house.patient_id(PATIENT)]


@st.composite
def calendars(draw: st.DrawFn, begin: datetime) -> dict[str, Spans]:
    """Up to 150 bookings of anything, anywhere in two months."""
    spans: dict[str, list[Span]] = {}
    for _ in range(draw(st.integers(0, 150))):
        resource = draw(st.sampled_from(RESOURCES))
        start = begin + timedelta(minutes=15 * draw(st.integers(0, 56 * 96)))
        spans.setdefault(resource, []).append(Span(start, start + timedelta(minutes=15 * draw(st.integers(1, 60)))))
    return {resource: merge(some) for resource, some in spans.items()}


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("changing", [SPRING, AUTUMN], ids=["spring forward", "fall back"])
def test_a_plan_never_breaks_a_rule_around_the_days_when_the_clocks_change(changing: date, data: st.DataObject) -> None:
    begin = at(changing - timedelta(days=data.draw(st.integers(0, 10), label="days before")))
    route = data.draw(st.sampled_from(list(Route)))
    taken = data.draw(calendars(begin))
    order = order_of(HARBOR, begin, sessions=data.draw(st.integers(1, 8)), route=route)
    result = planned(order, taken, route)
    if isinstance(result, Plan):
        kept(order, result, taken)
    else:
        assert result.reasons


def test_the_same_calendar_gives_the_same_plan() -> None:
    order = order_of(HARBOR, at(date(2026, 12, 1)))
    assert planned(order) == planned(order)


def test_an_empty_calendar_gives_the_wanted_spacing_at_one_time_of_day() -> None:
    result = planned(order_of(HARBOR, at(date(2026, 12, 1))))
    assert isinstance(result, Plan)
    times = [slot.at.starts_at.astimezone(DENVER) for slot in result.slots]
    assert times[0].date() == date(2026, 12, 1)
    assert all(timedelta(days=2) <= b - a <= timedelta(days=4) for a, b in pairwise(times))
    assert len({time.time() for time in times}) <= 2


def test_whoever_approved_prescribes_where_they_can() -> None:
    result = planned(order_of(HARBOR, at(date(2026, 12, 1))), lead="rios")
    assert isinstance(result, Plan)
    assert {slot.prescriber for slot in result.slots} == {"person:rios"}


def test_an_expired_licence_never_prescribes() -> None:
    result = planned(order_of(HARBOR, at(date(2026, 12, 1))), lead="lang")
    assert isinstance(result, Plan)
    assert "person:lang" not in {slot.prescriber for slot in result.slots}


def test_forty_eight_hours_are_elapsed_hours() -> None:
    """Friday 10:00 to Sunday 10:00 over the spring change is 47 hours, so it is not enough."""
    rules = house.rules_of(HARBOR)
    friday, sunday = at(date(2027, 3, 12), 10), at(date(2027, 3, 14), 10)
    assert sunday - friday == timedelta(hours=47) < rules.gap_min


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (["person:tran", "person:bell"], "monitor-taken"),
        (["room:room-1", "room:room-2", "room:room-3"], "room-taken"),
        (["person:osei", "person:rios"], "prescriber-taken"),
        ([house.patient_id(PATIENT)], "patient-busy"),
    ],
)
def test_no_plan_names_what_stands_in_the_way(resources: list[str], reason: str) -> None:
    order = order_of(HARBOR, at(date(2026, 12, 1)))
    everything = (Span(order.not_before, order.horizon + timedelta(days=2)),)
    result = planned(order, dict.fromkeys(resources, everything))
    assert isinstance(result, Infeasible)
    assert reason in result.reasons


def test_an_approval_that_runs_out_is_named() -> None:
    result = planned(order_of(HARBOR, at(date(2026, 12, 1)), valid=5))
    assert result == Infeasible(("approval-too-short",))


def test_a_full_calendar_is_planned_quickly() -> None:
    """First feasible plan within 200 ms on a calendar that is mostly full: generously bounded for a busy machine."""
    order = order_of(HARBOR, at(date(2026, 12, 1)))
    taken: dict[str, list[Span]] = {}
    for number, resource in enumerate(RESOURCES[:-1]):
        for day in range(60):
            if (day + number) % 5:
                start = order.not_before + timedelta(days=day, hours=(number * 3) % 8)
                taken.setdefault(resource, []).append(Span(start, start + timedelta(hours=4)))
    begun = time.perf_counter()
    result = planned(order, {resource: merge(spans) for resource, spans in taken.items()})
    assert isinstance(result, Plan)
    assert time.perf_counter() - begun < 2
