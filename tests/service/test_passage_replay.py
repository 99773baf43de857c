"""`passage replay`: what it would be is said before, and what is asked for is exactly that."""

from datetime import UTC, datetime, timedelta

import pytest

from passage.context import NotConfigured
from passage.replaying import Wish, ask, forecast, source_of
from shared.service import Service
from shared.settings import ServiceSettings
from tests.support.kernel import closed, create_lead, updated
from tests.support.operating import operating

REQUESTS = """
select subject, from_sequence, from_at, until_at, type from intake.replay_requests order by id desc limit 1
"""


@pytest.fixture(autouse=True)
def operator(world, monkeypatch):
    operating(world, monkeypatch)


@pytest.fixture(scope="module")
async def patients(world):
    """Two patients with three events and one; the dashboard has applied the first's first two."""
    await world.topics()
    intake = Service("intake", ServiceSettings(**world.wiring.settings("intake")))
    await intake.start()
    first, second = await create_lead(intake), await create_lead(intake)
    async with intake.transaction(actor="staff:dana") as uow:
        uow.publish(updated(first), closed(first))
    await intake.stop()
    async with world.connection("dashboard") as conn:
        await conn.execute("insert into inbox (source, subject, prior, sequence) values (1, $1, 1, 2)", first)
    return first, second


async def test_a_dry_run_counts_by_type_and_subject_and_asks_for_nothing(world, patients):
    first, second = patients
    told = await forecast(world.dsn(), Wish("intake"))
    assert [(kind.event, kind.events, kind.subjects) for kind in told.kinds] == [
        ("LeadCreated", 2, 2),
        ("LeadClosed", 1, 1),
        ("LeadUpdated", 1, 1),
    ]
    assert told.busiest == [(first, 3), (second, 1)]
    assert told.news["dashboard"] == 2
    assert told.news["scheduling"] == 4
    async with world.connection() as owner:
        assert await owner.fetchval("select count(*) from intake.replay_requests") == 0


async def test_it_is_narrowed_by_subject_time_and_type(world, patients):
    first, second = patients
    assert (await forecast(world.dsn(), Wish("intake", first, 2))).events == 2
    assert (await forecast(world.dsn(), Wish("intake", second, event="LeadCreated"))).events == 1
    later = datetime.now(UTC) + timedelta(hours=1)
    assert (await forecast(world.dsn(), Wish("intake", since=later))).events == 0
    assert (await forecast(world.dsn(), Wish("intake", until=later - timedelta(days=1)))).events == 0


async def test_what_is_asked_for_reaches_the_relay_as_it_was_meant(world, patients):
    first, _ = patients
    day, next_day = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)
    lead_created = "passage.intake.LeadCreated.v1"
    async with world.connection() as owner:

        async def asked(wish):
            await ask(wish)
            return tuple(await owner.fetchrow(REQUESTS))

        assert await asked(Wish("intake", first, 2)) == (first, 2, None, None, None)
        assert await asked(Wish("intake", since=day)) == (None, 1, day, None, None)
        assert await asked(Wish("intake", since=day, until=next_day)) == (None, 1, day, next_day, None)
        of_a_type = await asked(Wish("intake", since=day, event="LeadCreated"))
        assert of_a_type[2:5:2] == (day, lead_created)
        assert abs((of_a_type[3] - datetime.now(UTC)).total_seconds()) < 60


def test_what_does_not_exist_is_named_with_what_does():
    with pytest.raises(NotConfigured, match="LeadCreated"):
        _ = Wish("intake", event="LeadMade").type
    with pytest.raises(NotConfigured, match="notifications"):
        source_of("dashboard")
