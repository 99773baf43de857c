"""When messages go: the ladder, quiet hours over both DST days, and texts that travel together."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.plan import Due, Visit, ladder, merged
from services.notifications.domain.preparation import drive_again, items
from services.notifications.domain.quiet import Window, arrives
from shared.clinic import load
from shared.clinic.messages import TEXTS
from shared.clinic.opening import Span
from shared.contracts.notifications import PREPARATION
from shared.ids import new_id

CLINIC = load(Path(__file__).parents[2] / "deploy" / "clinics" / "harbor.toml")
DENVER = ZoneInfo("America/Denver")
ZONES = st.sampled_from(["America/Denver", "America/Puerto_Rico", "America/Phoenix", "Australia/Lord_Howe", "UTC"])
SPAN = Span.model_validate("09:00-20:00")
WINDOW = Window(SPAN, DENVER)
KNOWN = frozenset(TEXTS)
DST_DAYS = (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
MOMENTS = st.one_of(
    st.integers(0, 730 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.builds(
        lambda day, minutes: day + timedelta(minutes=minutes), st.sampled_from(DST_DAYS), st.integers(-2_000, 4_000)
    ),
)
HOURS = st.integers(0, 400).map(lambda hours: timedelta(hours=hours))


def local(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=DENVER)


def wall(at: datetime, zone: ZoneInfo) -> tuple[int, int]:
    moment = at.astimezone(zone)
    return moment.hour, moment.minute


@given(MOMENTS, MOMENTS, HOURS, HOURS, ZONES)
def test_a_text_arrives_by_day_never_before_it_may_and_never_after_it_is_of_use(now, wanted, slack, more, zone_name):
    zone = ZoneInfo(zone_name)
    window = Window(SPAN, zone)
    by = wanted + slack
    until = by + more
    at = arrives(window, now, wanted, by, until)
    if at is None:
        assert max(now, wanted) > until
        return
    assert now <= at <= until
    if not (9, 0) <= wall(at, zone) < (20, 0):
        # Told at once, because the hours neither come back in time nor have left anything before.
        assert at == max(now, wanted)
        assert window.next_opening(at) > until
        assert window.last_before(at) < now


@given(MOMENTS, ZONES)
def test_the_hours_open_and_close_by_the_wall_clock_on_every_day(at, zone_name):
    zone = ZoneInfo(zone_name)
    window = Window(SPAN, zone)
    opening, closing = window.next_opening(at), window.last_before(at)
    assert closing <= at <= opening
    assert window.contains(opening)
    assert window.contains(closing) or closing == at
    assert opening - at <= timedelta(hours=14, minutes=1)


def test_what_would_come_too_late_goes_the_evening_before():
    session = Visit("session", local(2026, 12, 3, 9), local(2026, 12, 3, 12), escorted=False)
    now = local(2026, 11, 20, 12)
    arrival = next(r for r in ladder(session, CLINIC.messages.ladder, WINDOW, now, KNOWN) if r.code == "arrival")
    assert arrival.due_at == local(2026, 12, 2, 19, 50)


def test_the_ladder_of_a_session_booked_well_ahead():
    session = Visit("session", local(2026, 12, 3, 13), local(2026, 12, 3, 16), escorted=False)
    rungs = ladder(session, CLINIC.messages.ladder, WINDOW, local(2026, 11, 20, 12), KNOWN)
    texts = [(r.text, r.due_at.astimezone(DENVER)) for r in rungs if r.channel == "sms"]
    assert texts == [
        ("logistics", local(2026, 11, 26, 13)),
        ("escort_ask", local(2026, 11, 30, 13)),
        ("eve_ask", local(2026, 12, 2, 13)),
        ("arrival", local(2026, 12, 3, 10)),
        ("check_in", local(2026, 12, 4, 16)),
    ]
    assert [r.asks for r in rungs if r.channel == "sms"] == [None, "transport", "transport", None, "next-day"]


def test_once_somebody_takes_them_home_nobody_asks():
    session = Visit("session", local(2026, 12, 3, 13), local(2026, 12, 3, 16), escorted=True)
    rungs = ladder(session, CLINIC.messages.ladder, WINDOW, local(2026, 11, 20, 12), KNOWN)
    assert {r.text for r in rungs} == {"logistics", "eve", "arrival", "check_in"}
    assert {r.asks for r in rungs} == {None, "next-day"}, "the day after is asked all the same"


def test_a_visit_booked_late_gets_what_is_still_of_use():
    session = Visit("session", local(2026, 12, 3, 13), local(2026, 12, 3, 16), escorted=False)
    now = local(2026, 12, 2, 18)
    rungs = ladder(session, CLINIC.messages.ladder, WINDOW, now, KNOWN)
    assert next((r.text, r.due_at) for r in rungs if r.channel == "sms") == ("eve_ask", now)
    assert "escort_ask" not in {r.text for r in rungs}


@given(MOMENTS, st.integers(0, 800), ZONES, st.booleans())
def test_no_rung_is_planned_in_the_past_or_twice(now, ahead, zone_name, escorted):
    starts = now + timedelta(hours=ahead)
    visit = Visit("session", starts, starts + timedelta(hours=3), escorted)
    window = Window(SPAN, ZoneInfo(zone_name))
    rungs = ladder(visit, CLINIC.messages.ladder, window, now, KNOWN)
    assert all(now <= rung.due_at <= rung.until_at for rung in rungs)
    assert len({(rung.code, rung.channel) for rung in rungs}) == len(rungs)
    assert all(rung.due_at < starts for rung in rungs if rung.code != "check_in")


DUES = st.lists(
    st.builds(lambda at, asks: Due(new_id(), at, asks), MOMENTS, st.booleans()), max_size=12, unique_by=lambda d: d.id
)


@given(DUES, st.integers(1, 3), ZONES)
def test_no_day_brings_more_texts_than_allowed_and_none_is_lost_or_later(texts, per_day, zone_name):
    zone = ZoneInfo(zone_name)
    hosts = merged(texts, per_day, {}, zone)
    by_id = {text.id: text for text in texts}
    days: dict[date, int] = {}
    for text in texts:
        if text.id in hosts:
            host = by_id[hosts[text.id]]
            assert host.due_at <= text.due_at
            assert host.id not in hosts
            assert host.due_at.astimezone(zone).date() == text.due_at.astimezone(zone).date()
        else:
            day = text.due_at.astimezone(zone).date()
            days[day] = days.get(day, 0) + 1
    assert all(count <= per_day for count in days.values())


def test_two_questions_are_joined_last():
    day = local(2026, 12, 3, 9)
    first, second, third = (
        Due(new_id(), day, asks=True),
        Due(new_id(), day + timedelta(minutes=1), asks=True),
        Due(new_id(), day + timedelta(hours=5), asks=False),
    )
    assert merged([first, second, third], 2, {}, DENVER) == {third.id: second.id}


def test_what_went_out_already_counts():
    day = local(2026, 12, 3, 9)
    texts = [Due(new_id(), day + timedelta(hours=n), asks=False) for n in range(2)]
    assert merged(texts, 2, {day.date(): 1}, DENVER) == {texts[1].id: texts[0].id}


@given(MOMENTS)
def test_the_preparation_counts_back_from_the_dose(dose_at):
    listed = items(CLINIC.preparation, dose_at, dose_at + timedelta(hours=2))
    assert sorted(item.code for item in listed) == sorted(PREPARATION)
    found = {item.code: item.at for item in listed if item.at}
    assert found["driving"] - dose_at >= timedelta(hours=26)
    assert found["alcohol"] < found["solids"] < found["fluids"] < dose_at
    assert dose_at - found["solids"] == timedelta(hours=8)
    assert dose_at - found["fluids"] == timedelta(hours=2)
    assert drive_again(CLINIC.preparation, dose_at) - dose_at >= timedelta(hours=24)
