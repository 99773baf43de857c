from datetime import datetime, timedelta
from pathlib import Path

from services.intake.domain.answering import promise
from shared.clinic import load

CLINIC = load(Path("deploy/clinics/harbor.toml"))


def local(text):
    return datetime.fromisoformat(text).replace(tzinfo=CLINIC.tz)


def test_while_open_the_answer_comes_within_minutes_until_closing():
    now = local("2026-11-24T10:00")
    said = promise(CLINIC, now)
    assert said.until == CLINIC.hours.closing(now)
    assert (said.due - now).total_seconds() == CLINIC.contact.answer_minutes_open * 60
    assert said.until is not None
    assert said.next_due is not None
    assert said.next_due > said.until


def test_at_night_nobody_is_promised_an_answer_by_somebody_who_has_gone_home():
    now = local("2026-11-24T23:00")
    said, opening = promise(CLINIC, now), CLINIC.hours.next_opening(now)
    assert (said.until, said.next_due) == (None, None)
    assert opening is not None
    assert said.due > opening


def test_just_before_closing_the_next_morning_is_promised():
    closing = CLINIC.hours.closing(local("2026-11-24T12:30"))
    assert closing is not None
    said = promise(CLINIC, closing - timedelta(minutes=5))
    assert said.until is None
    assert said.due > closing
