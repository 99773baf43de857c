"""Each invariant speaks when its own promise is broken, names the id, and is silent otherwise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.facts import (
    Attempt,
    Booking,
    Contact,
    Delivery,
    Effect,
    Facts,
    Letter,
    Logged,
    Message,
    Move,
    Poison,
    Published,
    Sample,
)
from tests.chaos.invariants import LEAD_CREATED
from tests.chaos.rules import INVARIANTS, judge

NOON = datetime(2026, 12, 1, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOPIC = "passage.intake.v1"
SOUND_LOG = [
    Logged("e1", "intake", "p1", 1, LEAD_CREATED, NOON, row=True),
    Logged("e2", "intake", "p1", 2, "passage.intake.LeadUpdated.v1", NOON),
]
TEXT = Message("m1", "p1", "received", "sms", "delivered", NOON, NOON + 72 * HOUR, 1, "America/Denver", False, NOON)


def sound() -> Facts:
    """A small run in which everything is as it should be."""
    return Facts(
        contacts=[Contact("k1", "http", "a@b.example", 201, "p1"), Contact("k2", "text", "hello", 200)],
        attempts=[Attempt("b1", "a booking", 201, "a1"), Attempt("b2", "a booking", 409)],
        log=list(SOUND_LOG),
        topic=[Published(0, TOPIC, 3, n, e.id, e.source, e.subject, e.sequence) for n, e in enumerate(SOUND_LOG)],
        effects=[Effect("dashboard", "intake", "p1", n, NOON) for n in (1, 2)],
        positions={("dashboard", "intake", "p1"): 2},
        readers={"intake": ("dashboard",)},
        offsets={("dashboard", TOPIC, 3): 2},
        letters=[Letter("dashboard", "l1", "ff", "not an event")],
        poison=[Poison("ff", "dashboard", TOPIC, 3, NOON - HOUR, NOON + HOUR)],
        met={"dashboard": {"p1": 1}},
        owners={"a@b.example": ["p1"]},
        words={"hello": 1},
        messages=[TEXT],
        deliveries=[Delivery("SM1", "m1", "sms", NOON)],
        send_between=("09:00", "20:00"),
        bookings=[
            Booking("room-1", "a1", NOON, NOON + HOUR),
            Booking("room-1", "a2", NOON + HOUR, NOON + 2 * HOUR),
        ],
        appointments={"a1": "booked", "a2": "booked"},
        samples=[Sample("connections", 30, 150)],
        streamed={"intake/p1": 2},
        projected={"intake/p1": 2},
    )


def test_a_sound_run_leaves_nothing_to_say() -> None:
    assert [name for name, finding in judge(sound()).items() if not finding.violations] == list(INVARIANTS)


def late(facts: Facts) -> None:
    facts.effects = [replace(effect, at=NOON + timedelta(seconds=40)) for effect in facts.effects]


def refused_and_kept(facts: Facts) -> None:
    facts.contacts.append(Contact("k3", "http", "nobody", 422))
    facts.owners["nobody"] = ["p1"]


def at_night(facts: Facts) -> None:
    facts.deliveries = [Delivery("SM1", "m1", "sms", NOON + 10 * HOUR)]
    facts.messages = [replace(TEXT, sent_at=NOON + 10 * HOUR)]


BREAKS: tuple[tuple[str, str, Callable[[Facts], object]], ...] = (
    ("1", "p1", lambda f: f.log.append(replace(SOUND_LOG[0], id="e3", sequence=3))),
    ("1", "k1", lambda f: f.owners.clear()),
    ("1", "k1", lambda f: f.owners.update({"a@b.example": ["p1", "p2"]})),
    ("1", "k1", lambda f: f.contacts.append(Contact("k1", "http", "a@b.example", 201, "p2"))),
    ("1", "k3", refused_and_kept),
    ("1", "k2", lambda f: f.words.update(hello=2)),
    ("2", "p1", lambda f: f.log.__setitem__(0, replace(SOUND_LOG[0], row=False))),
    ("2", "p9", lambda f: f.topic.append(Published(0, TOPIC, 3, 2, "e9", "intake", "p9", 1))),
    ("3", "p1", lambda f: f.topic.pop()),
    ("4", "p1", lambda f: f.topic.reverse()),
    ("4", "p1", lambda f: f.effects.reverse()),
    ("5", "p1", lambda f: f.effects.append(f.effects[0])),
    ("5", "p1", lambda f: f.met["dashboard"].update(p1=2)),
    ("5", "p1", lambda f: f.positions.update({("dashboard", "intake", "p1"): 1})),
    ("6", "p1", lambda f: f.effects.pop()),
    ("6", "ff", lambda f: f.letters.clear()),
    ("6", "l2", lambda f: f.letters.append(Letter("dashboard", "l2", "00", "permanent"))),
    ("7", "p1", late),
    ("8", "m1", lambda f: f.deliveries.clear()),
    ("8", "m1", lambda f: f.deliveries.append(Delivery("SM2", "m1", "sms", NOON))),
    ("8", "m1", lambda f: f.deliveries.__setitem__(0, Delivery("SM1", "m1", "sms", NOON - HOUR))),
    ("8", "m1", at_night),
    ("8", "m9", lambda f: f.deliveries.append(Delivery("SM9", "m9", "sms", NOON))),
    ("9", "a2", lambda f: f.bookings.__setitem__(1, Booking("room-1", "a2", NOON + HOUR / 2, NOON + HOUR))),
    ("9", "b3", lambda f: f.attempts.append(Attempt("b3", "a booking", 0))),
    ("9", "b1", lambda f: f.attempts.append(Attempt("b1", "a booking", 201, "a2"))),
    ("9", "a1", lambda f: f.appointments.pop("a1")),
    ("10", "p1", lambda f: f.positions.clear()),
    ("10", "p7", lambda f: f.parked.add(("dashboard", "intake", "p7", 4))),
    ("10", "t1", lambda f: f.waiting.update(timer=["t1"])),
    ("11", "connections", lambda f: f.samples.append(Sample("connections", 200, 150))),
    ("12", "p1", lambda f: f.streamed.update({"intake/p1": 1})),
)


@pytest.mark.parametrize(("number", "culprit", "break_"), BREAKS, ids=lambda one: one if isinstance(one, str) else "")
def test_a_broken_promise_is_named(number: str, culprit: str, break_: Callable[[Facts], object]) -> None:
    facts = sound()
    break_(facts)
    said = {name.split()[0]: finding.violations for name, finding in judge(facts).items()}
    assert culprit in {one.id for one in said[number]}


def test_a_stamp_right_after_a_jump_may_be_of_the_old_time() -> None:
    """A process hears of a moved clock a moment later: what it stamps meanwhile is neither early nor by night."""
    facts = sound()
    facts.moves = [Move(NOON - 9 * HOUR, NOON)]
    facts.deliveries = [Delivery("SM1", "m1", "sms", NOON - 9 * HOUR + timedelta(seconds=1))]
    assert not judge(facts)["8 reminders once, by day"].violations


def test_a_carrier_that_is_slow_over_a_jump_is_in_doubt_after_it() -> None:
    """What it took before the clock was moved it accepts, and stamps, after: until then no answer could be had."""
    facts = sound()
    facts.messages = [replace(TEXT, attempts=2)]
    facts.moves = [Move(NOON - 9 * HOUR, NOON)]
    second, third = (Delivery("SM2", "m1", "sms", NOON + timedelta(seconds=wait)) for wait in (10, 40))
    facts.deliveries.append(second)
    assert judge(facts)["8 reminders once, by day"].violations
    facts.unsure = [(NOON - 9 * HOUR - timedelta(seconds=5), NOON - 9 * HOUR + timedelta(seconds=20))]
    assert not judge(facts)["8 reminders once, by day"].violations
    facts.deliveries[:] = [third, replace(third, carrier_id="SM4")]
    assert judge(facts)["8 reminders once, by day"].violations, "by then it could have been asked"


def test_what_the_nemesis_did_is_nobodys_fault() -> None:
    """Records that it reordered, on its own or on a wiped broker, say nothing about the relay."""
    facts = sound()
    facts.topic.reverse()
    facts.tampered = {"p1"}
    assert not judge(facts)["4 first appearances in sequence"].violations
    wiped = sound()
    wiped.topic = []
    wiped.wiped_at = NOON + HOUR
    assert not judge(wiped)["3 published equals committed"].violations
