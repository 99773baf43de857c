"""Opening hours as UTC intervals: a moment is open exactly when the clinic's wall clock shows an open time."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clinic import load
from shared.clinic.calendar import moments
from shared.clinic.opening import Span, Week

HARBOR = load(Path("deploy/clinics/harbor.toml"))
ALAMEDA = load(Path("deploy/clinics/alameda.toml"))
DENVER = ZoneInfo("America/Denver")
ZONES = ["America/Denver", "America/Puerto_Rico", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
SPRING, AUTUMN = date(2027, 3, 14), date(2026, 11, 1)  # Denver's clock changes at 2:00


def spans(*texts: str) -> tuple[Span, ...]:
    return tuple(Span.model_validate(text) for text in texts)


@st.composite
def weeks_spans(draw: st.DrawFn) -> tuple[Span, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 96), min_size=2, max_size=8)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple(Span.model_validate({"start": a * 15, "end": b * 15}) for a, b in pairs)


near_a_change = st.one_of(
    st.sampled_from([SPRING, AUTUMN, date(2027, 3, 28), date(2026, 10, 25), date(2026, 10, 4), date(2027, 4, 4)]),
    st.dates(date(2025, 1, 1), date(2030, 12, 31)),
)


@given(day=near_a_change, open_spans=weeks_spans(), zone=st.sampled_from(ZONES), minute=st.integers(-300, 30 * 60))
def test_a_moment_is_open_exactly_when_the_wall_clock_shows_an_open_time(day, open_spans, zone, minute):
    tz = ZoneInfo(zone)
    at = datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC) + timedelta(minutes=minute)
    local = at.astimezone(tz)
    shown = local.hour * 60 + local.minute
    expected = local.date() == day and any(span.start <= shown < span.end for span in open_spans)
    assert any(start <= at < end for start, end in moments(open_spans, day, tz)) is expected


@given(day=near_a_change, open_spans=weeks_spans(), zone=st.sampled_from(ZONES))
def test_intervals_are_in_order_apart_and_in_utc(day, open_spans, zone):
    found = moments(open_spans, day, ZoneInfo(zone))
    assert all(start < end and start.tzinfo is UTC and end.tzinfo is UTC for start, end in found)
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(day=near_a_change, open_spans=weeks_spans(), zone=st.sampled_from(ZONES))
def test_a_day_with_all_hours_is_as_long_as_the_day_is(day, open_spans, zone):
    tz = ZoneInfo(zone)
    following = day + timedelta(days=1)
    length = datetime(following.year, following.month, following.day, tzinfo=tz).astimezone(UTC) - datetime(
        day.year, day.month, day.day, tzinfo=tz
    ).astimezone(UTC)
    whole = moments(spans("00:00-24:00"), day, tz)
    assert sum((end - start for start, end in whole), timedelta()) == length


def test_the_hour_that_spring_skips_never_opens():
    assert moments(spans("02:00-03:00"), SPRING, DENVER) == []
    (interval,) = moments(spans("01:30-03:30"), SPRING, DENVER)
    assert interval[1] - interval[0] == timedelta(hours=1)


def test_the_hour_that_autumn_repeats_is_open_twice():
    found = moments(spans("01:00-01:30"), AUTUMN, DENVER)
    assert [start.isoformat() for start, _ in found] == ["2026-11-01T07:00:00+00:00", "2026-11-01T08:00:00+00:00"]


@pytest.mark.parametrize(
    ("day", "opens"),
    [
        (date(2027, 3, 12), "15:00"),
        (date(2027, 3, 15), "14:00"),
        (date(2026, 10, 30), "14:00"),
        (date(2026, 11, 2), "15:00"),
    ],
)
def test_the_clinic_opens_at_eight_on_its_own_wall_clock_whatever_the_season(day, opens):
    assert f"{HARBOR.hours.intervals(day)[0][0]:%H:%M}" == opens


@pytest.mark.parametrize(
    ("clinic", "day", "why"),
    [
        (HARBOR, date(2026, 11, 26), "Thanksgiving Day"),
        (HARBOR, date(2026, 7, 24), "Pioneer Day"),
        (HARBOR, date(2026, 12, 24), "closed"),
        (ALAMEDA, date(2026, 1, 6), "Epiphany"),
    ],
)
def test_closed_days_and_holidays_have_no_hours_and_say_why(clinic, day, why):
    assert clinic.hours.intervals(day) == []
    assert clinic.hours.closed_because(day) == why


def test_a_clinic_may_work_on_a_holiday():
    assert ALAMEDA.hours.intervals(date(2026, 11, 19)) != []
    assert HARBOR.hours.closed_because(date(2026, 11, 19)) is None


def test_a_person_works_their_own_hours_but_never_outside_the_clinics():
    rios = HARBOR.person("rios")
    monday = date(2026, 11, 23)
    assert HARBOR.hours.person_intervals(rios, monday)[0][1] == HARBOR.hours.intervals(monday)[0][1] - timedelta(
        hours=2
    )
    assert HARBOR.hours.person_intervals(rios, date(2026, 11, 28)) == [], "no Saturdays"
    late = rios.model_copy(update={"hours": Week(mon=spans("06:00-23:00"))})
    assert HARBOR.hours.person_intervals(late, monday) == HARBOR.hours.intervals(monday)
    assert HARBOR.hours.person_intervals(rios, date(2026, 11, 26)) == [], "nobody works when it is closed"
    assert HARBOR.hours.person_intervals(HARBOR.person("osei"), monday) == HARBOR.hours.intervals(monday)


@given(st.integers(0, 2 * 365 * 24 * 60))
def test_the_next_opening_is_open_and_nothing_before_it_is(minutes):
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    opening = HARBOR.hours.next_opening(at)
    assert opening is not None
    assert opening >= at
    assert HARBOR.hours.is_open(opening)
    if opening > at:
        assert not HARBOR.hours.is_open(at)
        assert not HARBOR.hours.is_open(at + (opening - at) / 2)


def test_closing_is_the_end_of_the_interval_and_nothing_when_closed():
    noon = datetime(2026, 11, 23, 19, tzinfo=UTC)
    assert HARBOR.hours.closing(noon) == datetime(2026, 11, 24, 1, tzinfo=UTC)
    assert HARBOR.hours.closing(noon + timedelta(hours=9)) is None
