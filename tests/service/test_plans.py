"""What the kernel asks all day long finds its rows by an index, also where there are many."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.dashboard.repository import findable
from services.dashboard.repository import read_model as dashboard
from services.intake.repository import arrivals
from services.scheduling.repository import calendar
from shared import audit, timers
from shared.eventlog import cursor
from shared.inbox import positions
from shared.security import keys
from tests.support.grown import grow
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
    "booking": ("scheduling", calendar.BOOK, (["provider:osei"], [NOW], [NOW + timedelta(hours=1)], [ONE])),
    "a patient's appointments": ("scheduling", calendar.OF_PATIENTS, ([ONE],)),
    "a day's appointments": ("scheduling", calendar.BETWEEN, (NOW, NOW + timedelta(days=1))),
}
LARGE = "select relname from pg_class where relkind = 'r' and reltuples >= $1"


@pytest.fixture(scope="module")
async def grown(world: World) -> World:
    """A clinic with many patients."""
    async with world.connection() as owner:
        await grow(owner, PATIENTS)
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
    assert not _walked(json.loads(told)[0]["Plan"]) & large


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
    assert not _walked(json.loads(told)[0]["Plan"]) & log


async def test_the_relays_window_is_found_by_its_transactions_also_in_an_empty_partition(fresh_world: World) -> None:
    """The plan of a log that has just begun is kept while it grows: by the primary key it would read all of it."""
    async with fresh_world.connection("intake") as conn:
        await conn.execute(cursor.PLAN_ONCE)
        await conn.execute(f"prepare page as {cursor.FIRST_PAGE}")
        [[told]] = await conn.fetch(
            "explain (format json) execute page('3:3:', pg_current_snapshot()::text, 0, now(), 4000)"
        )
    plan = json.loads(told)[0]["Plan"]
    assert _walked(plan) == set()
    indexes = {part["Index Name"] for part in _parts(plan) if "Index Name" in part}
    assert indexes
    assert all(name.endswith("_xid_id_idx") for name in indexes), indexes


@pytest.mark.parametrize(
    ("schema", "statement", "values"),
    [
        ("intake", arrivals.CLAIM_NEW, f"'{{}}', '{{}}', '{{}}', '{{{ONE}}}', now(), '{{{ONE}}}', '{{}}', '{{}}'"),
        ("dashboard", positions.MOVE, f"'{{1}}', '{{{ONE}}}', '{{0}}', '{{1}}', '{{{ONE}}}', '{{f}}'"),
        ("dashboard", dashboard.FACTS, f"'{{{ONE}}}', '{{intake}}'"),
    ],
    ids=["strangers at a door", "moving positions", "facts to fold into"],
)
async def test_what_is_planned_in_an_empty_house_is_good_in_a_full_one(
    fresh_world: World, schema: str, statement: str, values: str
) -> None:
    """A connection keeps its plan until the tables are analysed, and a busy minute comes before that."""
    async with fresh_world.connection(schema) as conn:
        await conn.execute("set plan_cache_mode = force_generic_plan")
        await conn.execute(f"prepare asked as {statement}")
        [[told]] = await conn.fetch(f"explain (format json) execute asked({values})")
    assert not _walked(json.loads(told)[0]["Plan"])


async def test_a_statement_without_its_index_is_seen(grown: World) -> None:
    async with grown.connection("dashboard") as conn:
        [[told]] = await conn.fetch("explain (format json) select * from facts where facts->>'language' = 'es'")
    assert _walked(json.loads(told)[0]["Plan"]) == {"facts"}


def _parts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _parts(part)


def _walked(plan: dict[str, Any]) -> set[str]:
    """Tables that the plan reads from one end to the other."""
    return {part["Relation Name"] for part in _parts(plan) if part["Node Type"] == "Seq Scan"}
