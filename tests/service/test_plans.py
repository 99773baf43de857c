"""What the kernel asks all day long finds its rows by an index, also where there are many."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.assessment.repository import charts, consents
from services.dashboard.repository import findable
from services.dashboard.repository import read_model as dashboard
from services.intake.repository import arrivals
from services.notifications.repository import messages, outbound, people, questions, visits
from services.scheduling.repository import absences, calendar, external
from shared import audit, timers
from shared.db.migrate import SERVICES
from shared.eventlog import cursor
from shared.inbox import positions
from shared.security import keys
from tests.support.grown_whole import grow_whole
from tests.support.statements import generic_plans, parts, statements, walked
from tests.support.world import World

PATIENTS = 20_000
ONE = UUID("6a8ba2ae-02c9-7d2a-91a8-ba7f0e6e31d4")
NOW = datetime.now(UTC)
SNAPSHOT = "select pg_current_snapshot()::text"
STATEMENTS: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "the relay's next window": ("intake", cursor.FIRST_PAGE, ("<now>", "<now>", 0, NOW, 4_000)),
    "the rest of a large window": ("intake", cursor.NEXT_PAGE, ("3:3:", "<now>", 50_000, NOW, 4_000)),
    "a subject's replay": ("intake", cursor.OF_SUBJECT, (ONE, 1, None, "<now>", NOW, 0)),
    "strangers at a door": (
        "intake",
        arrivals.CLAIM_NEW,
        (["web"], [b"key"], [b"body"], [ONE], NOW, [ONE], ["phone"], [b"hash"]),
    ),
    "due timers": ("intake", timers.CLAIM, (NOW, ["answer"], 50)),
    "the next timer": ("intake", timers.NEXT_DUE, (["answer"], NOW)),
    "moving positions": ("dashboard", positions.MOVE, ([1], [ONE], [0], [1], [ONE], [False])),
    "parked events": ("dashboard", positions.WAITING, ([ONE],)),
    "who is known": ("dashboard", keys.STATES, ([ONE],)),
    "facts of a patient": ("dashboard", dashboard.FACTS_OF, ([ONE],)),
    "facts to fold into": ("dashboard", dashboard.FACTS, ([ONE], ["intake"])),
    "a patient's story": ("dashboard", dashboard.STORY, ([ONE], 50)),
    "who is found by a number": ("dashboard", findable.FOUND, ([b"one", b"other"],)),
    "steps of everybody's way": ("dashboard", dashboard.MILESTONES, ()),
    "whether a page missed something": ("dashboard", dashboard.MISSED, (20_000, None)),
    "what is not sealed": ("dashboard", audit.UNSEALED, (1_000,)),
    "what is taken": ("scheduling", calendar.TAKEN, (["provider:osei"], NOW, NOW + timedelta(days=7), None)),
    "parted from a predecessor": ("intake", positions.GAPS, ()),
    "released and yet waiting": ("intake", positions.OVERDUE, ()),
    "what goes out": ("notifications", outbound.CLAIM, (20, timedelta(minutes=1), NOW)),
    "how much went out": ("notifications", messages.COUNT_SINCE, ([ONE], NOW - timedelta(days=1), None)),
    "a patient's messages": ("notifications", messages.OF_PATIENTS, ([ONE],)),
    "what travels along": ("notifications", messages.CARRIED, (ONE, ["ready"])),
    "a receipt": ("notifications", outbound.BY_VENDOR_ID, ("SM1",)),
    "whose phone": ("notifications", people.WITH_PHONE, (b"hash",)),
    "what was asked": ("notifications", questions.OPEN, ([ONE],)),
    "a patient's visits": ("notifications", visits.OF_PATIENT, ([ONE],)),
    "sessions that run": ("scheduling", absences.RUNNING, (NOW, NOW + timedelta(hours=3), NOW)),
    "bookings that lack something": ("scheduling", external.LACKING, (NOW, NOW + timedelta(days=1), NOW)),
    "in an absence's way": ("scheduling", absences.OVER, ("person:osei", NOW, NOW + timedelta(days=1))),
    "what stands under an approval": ("scheduling", calendar.AHEAD_OF_APPROVAL, (ONE,)),
    "a person's ids": ("scheduling", calendar.FAMILY, (ONE,)),
    "a patient's concerns": ("assessment", charts.CONCERNS, (ONE,)),
    "a patient's consents": ("assessment", consents.ALL, (ONE,)),
    "booking": ("scheduling", calendar.BOOK, (["provider:osei"], [NOW], [NOW + timedelta(hours=1)], [ONE])),
    "a patient's appointments": ("scheduling", calendar.OF_PATIENTS, ([ONE],)),
    "a day's appointments": ("scheduling", calendar.BETWEEN, (NOW, NOW + timedelta(days=1))),
}
LARGE = "select relname from pg_class where relkind = 'r' and reltuples >= $1"
HERE = " and pg_table_is_visible(oid)"
FEW = {"relay", "state", "replay_requests", "parked", "api_keys", "signing_keys"}
"""Tables that have few rows wherever all is well: one, or one for each key, or for each event that waits just now."""
EXCUSED = {
    "services.intake.repository.doors.FORGET_PATIENT": "an erasure",
    "services.intake.repository.vagaro.FORGET_PATIENT": "an erasure",
    "services.dashboard.repository.read_model.ERASE": "an erasure",
    "shared.security.keys.EMPTY_LETTERS": "an erasure",
    "services.scheduling.repository.calendar.PART": "two records that are taken apart again",
    "services.scheduling.repository.calendar.COURSES_OF": "a page; approvals come slowly",
    "services.dashboard.repository.read_model.ALIASES": "the board knows all who were joined: few",
    "services.notifications.repository.outbound.KNOWN_VENDOR_IDS": "a message of which nobody knows whether it went",
    "services.identity.repository.SWEEP": "once an hour, over what is swept every hour",
    "shared.http.staff_sessions.SWEEP": "a sign-in; as many rows as people are signed in",
    "shared.audit.STRAY": "`passage verify`, which reads all there is",
    "shared.security.rewrapping.KEEP_PATIENT_KEYS": "a key rotation",
    "shared.security.rewrapping.KEEP_EVENTS": "a key rotation",
}
"""What may read a table from end to end, and why."""
BY_NUMBER = {"shared.timers.CLAIM"}
"""For any number of rows it may; for the few of each time it is so much cheaper that no connection keeps the other."""


@pytest.fixture(scope="module")
async def grown(world: World) -> World:
    """A clinic with many patients."""
    async with world.connection() as owner:
        await grow_whole(owner, PATIENTS)
    return world


@pytest.mark.parametrize("what", STATEMENTS)
async def test_no_sequential_scan_where_an_index_belongs(grown: World, what: str) -> None:
    schema, statement, arguments = STATEMENTS[what]
    async with grown.connection(schema) as conn, conn.transaction():
        here = await conn.fetchval(SNAPSHOT)
        given = [here if one == "<now>" else one for one in arguments]
        [[told]] = await conn.fetch(f"explain (format json) {statement}", *given)
        large = {row["relname"] for row in await conn.fetch(LARGE, PATIENTS)}
    assert {"facts", "streams", "changes", "audit_sealed"} < large
    assert not walked(json.loads(told)[0]["Plan"]) & large


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (cursor.FIRST_PAGE, "'3:3:', pg_current_snapshot()::text, 0, now(), 4000"),
        (cursor.NEXT_PAGE, "'3:3:', pg_current_snapshot()::text, 50000, now(), 4000"),
        (cursor.SETTLED_PAGE, "0, 100000, now(), 4000"),
        (cursor.OF_SUBJECT, "uuidv7(), 1, null, pg_current_snapshot()::text, now(), 0"),
    ],
    ids=["first page", "next page", "restored", "subject"],
)
async def test_the_relay_plans_once_and_well(grown: World, statement: str, values: str) -> None:
    async with grown.connection("intake") as conn:
        await conn.execute(cursor.PLAN_ONCE)
        await conn.execute(f"prepare page as {statement}")
        [[told]] = await conn.fetch(f"explain (format json) execute page({values})")
        log = {row["relname"] for row in await conn.fetch(LARGE, PATIENTS)} & set(re.findall(r"event_log\w+", told))
    assert log
    assert not walked(json.loads(told)[0]["Plan"]) & log


async def test_the_relays_window_is_found_by_its_transactions_also_in_an_empty_partition(fresh_world: World) -> None:
    """The plan of a log that has just begun is kept while it grows: by the primary key it would read all of it."""
    async with fresh_world.connection("intake") as conn:
        await conn.execute(cursor.PLAN_ONCE)
        await conn.execute(f"prepare page as {cursor.FIRST_PAGE}")
        [[told]] = await conn.fetch(
            "explain (format json) execute page('3:3:', pg_current_snapshot()::text, 0, now(), 4000)"
        )
    plan = json.loads(told)[0]["Plan"]
    assert walked(plan) == set()
    indexes = {part["Index Name"] for part in parts(plan) if "Index Name" in part}
    assert indexes
    assert all(name.endswith("_xid_id_idx") for name in indexes), indexes


@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_planned_in_an_empty_house_is_good_in_a_full_one(fresh_world: World, service: str) -> None:
    """A connection keeps its plan until the tables are analysed, and a busy minute comes before that."""
    async with fresh_world.connection(service) as conn:
        plans = await generic_plans(conn, service)
    walks = {
        name: found for name, plan in plans.items() if (found := walked(plan) - FEW) and _whole(name) not in EXCUSED
    }
    assert not walks


@pytest.mark.parametrize("service", SERVICES)
async def test_no_statement_reads_all_of_a_large_table_whatever_it_is_asked_for(grown: World, service: str) -> None:
    async with grown.connection(service) as conn:
        plans = await generic_plans(conn, service)
        large = {row["relname"] for row in await conn.fetch(LARGE + HERE, PATIENTS)}
    assert service == "identity" or "patients" in large or "facts" in large or "charts" in large
    walks = {name: found for name, plan in plans.items() if (found := walked(plan) & large)}
    assert not {name for name in walks if _whole(name) not in {*EXCUSED, *BY_NUMBER}}, walks


def test_what_may_read_a_whole_table_is_there_and_says_why() -> None:
    assert {*EXCUSED} <= {_whole(name) for service in SERVICES for name in statements(service)}
    assert all(EXCUSED.values())


async def test_a_statement_without_its_index_is_seen(grown: World) -> None:
    async with grown.connection("dashboard") as conn:
        [[told]] = await conn.fetch("explain (format json) select * from facts where facts->>'language' = 'es'")
    assert walked(json.loads(told)[0]["Plan"]) == {"facts"}


def _whole(name: str) -> str:
    """The constant's name, of one of several statements too."""
    return name.partition("[")[0]
