"""The relay: everything committed reaches the topic, in order, whatever happens to relays and transactions."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

import pytest
from aiokafka.errors import KafkaError

from shared.contracts.envelope import Envelope
from shared.db.pool import open_pool
from shared.eventlog import cursor
from shared.eventlog.publishing import Batches
from shared.eventlog.relay import GATHER_SECONDS
from shared.service import RELAY_AGE_LIMIT_SECONDS, Service
from shared.telemetry import metrics
from tests.support.kernel import closed, create_lead, running, updated
from tests.support.waiting import eventually
from tests.support.world import World

Read = Callable[[str], Awaitable[list[Envelope]]]
Make = Callable[..., Service]
TOPIC = "passage.intake.v1"
AS_RESTORED = (
    "alter table intake.event_log disable trigger user",
    "update intake.event_log set xid = '900000000'",
    "alter table intake.event_log enable trigger user",
    "update intake.relay set cluster = 'elsewhere/00000001', cursor = '900000001:900000001:', cursor_at = now()",
)
YEARS_AGO = (
    "alter table intake.event_log disable trigger user",
    "update intake.event_log set at = at - interval '3 years'",
    "alter table intake.event_log enable trigger user",
)
AGES_AGO = "update relay set cursor = '3:3:', cursor_at = '-infinity'"


def first_appearances(envelopes: list[Envelope]) -> dict[UUID, list[int]]:
    """Each subject's sequences in the order in which they appeared for the first time."""
    order: dict[UUID, list[int]] = defaultdict(list)
    for envelope in envelopes:
        if envelope.sequence not in order[envelope.subject]:
            order[envelope.subject].append(envelope.sequence)
    return order


async def committed(service: Service) -> dict[UUID, int]:
    async with service.reading() as uow:
        return {row["subject"]: row["sequence"] for row in await uow.conn.fetch("select * from streams")}


def complete(envelopes: list[Envelope], wanted: dict[UUID, int]) -> bool:
    found = first_appearances(envelopes)
    return all(found.get(subject) == list(range(1, last + 1)) for subject, last in wanted.items())


async def test_what_commits_is_published_in_order(intake: Service, read: Read) -> None:
    patients = [await create_lead(intake) for _ in range(4)]

    async def write() -> None:
        for _ in range(15):
            async with intake.transaction(actor="test") as uow:
                for patient in patients[:2]:
                    uow.publish(updated(patient), closed(patient))

    await asyncio.gather(*(write() for _ in range(6)))
    wanted = await committed(intake)

    async def arrived() -> bool:
        return complete(await read(TOPIC), wanted)

    await eventually(arrived)


async def test_small_windows_that_follow_each_other_are_gathered(
    intake: Service, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each commit of a busy minute would be a window, a request and a reader's transaction of its own."""
    assert intake.relay is not None
    publisher, began = intake.relay._publisher, list[float]()
    put = publisher.put

    async def noted(made: Batches) -> None:
        if made:
            began.append(monotonic())
        await put(made)

    monkeypatch.setattr(publisher, "put", noted)
    patients = [await create_lead(intake) for _ in range(6)]

    async def write(patient: UUID) -> None:
        for _ in range(40):
            async with intake.transaction(actor="test") as uow:
                uow.publish(updated(patient))

    await asyncio.gather(*map(write, patients))
    wanted = await committed(intake)

    async def arrived() -> bool:
        return complete(await read(TOPIC), wanted)

    await eventually(arrived)
    first_look = 0.1  # lasted at most so long before the first publishing
    assert (len(began) - 1) * GATHER_SECONDS <= began[-1] - began[0] + first_look


async def test_a_long_transaction_delays_only_its_own_events(intake: Service, read: Read) -> None:
    slow, fast = await create_lead(intake), await create_lead(intake)
    async with intake.transaction(actor="test") as uow:
        uow.publish(updated(slow))
        await cursor_moves(uow.conn)
        for _ in range(5):
            async with intake.transaction(actor="test") as other:
                other.publish(updated(fast))

        async def fast_arrived() -> bool:
            return first_appearances(await read(TOPIC))[fast] == [1, 2, 3, 4, 5, 6]

        await eventually(fast_arrived)
        assert first_appearances(await read(TOPIC))[slow] == [1]

    async def slow_arrived() -> bool:
        return first_appearances(await read(TOPIC))[slow] == [1, 2]

    await eventually(slow_arrived)


async def cursor_moves(conn: object) -> None:
    """Give the open transaction its id now, so that others overtake it."""
    await conn.execute("select pg_current_xact_id()")  # type: ignore[attr-defined]


async def test_one_leads_and_a_standby_takes_over(intake: Service, make: Make, read: Read) -> None:
    await eventually(lambda: intake.relay is not None and intake.relay.leading)
    async with running(make("intake")) as standby:
        patient = await create_lead(standby)
        assert standby.relay is not None
        assert not standby.relay.leading

        async def arrived(last: int) -> bool:
            return complete(await read(TOPIC), {patient: last})

        await eventually(lambda: arrived(1))
        async with standby.transaction(actor="test") as uow:
            await uow.conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'intake-relay' and pid <> pg_backend_pid()"
            )
        async with standby.transaction(actor="test") as uow:
            uow.publish(updated(patient))
        await eventually(lambda: arrived(2))


async def test_two_relays_in_turn_lose_and_invert_nothing(intake: Service, make: Make, read: Read) -> None:
    patients = [await create_lead(intake) for _ in range(6)]
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            async with intake.transaction(actor="test") as uow:
                uow.publish(*(updated(patient) for patient in patients))
            await asyncio.sleep(0.002)

    async with running(make("intake")):
        writing = [asyncio.create_task(write()) for _ in range(3)]
        for _ in range(8):
            await asyncio.sleep(0.15)
            async with intake.transaction(actor="test") as uow:
                await uow.conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'intake-relay'"
                )
        stop.set()
        await asyncio.gather(*writing)
        wanted = await committed(intake)

        async def arrived() -> bool:
            return complete(await read(TOPIC), wanted)

        await eventually(arrived, timeout=30)


async def test_a_cursor_of_another_cluster_is_refused_until_a_person_decides(make: Make, read: Read) -> None:
    service = make("intake")
    async with running(service):
        patient = await create_lead(service)
        leader = service.relay
        assert leader is not None
        await eventually(lambda: leader.leading)
        async with service.transaction(actor="test") as uow:
            await uow.conn.execute("update relay set cluster = 'elsewhere/00000001'")
    async with running(make("intake")) as again:
        relay = again.relay
        assert relay is not None
        await eventually(lambda: relay.trouble)
        assert "passage relay restored" in (await again.readiness())["relay"]
        before = len(await read(TOPIC))
        async with again.transaction(actor="test") as uow:
            await cursor.adopt_cluster(uow.conn, restored=True)

        async def republished() -> bool:
            return len(await read(TOPIC)) > before and complete(await read(TOPIC), {patient: 1})

        await eventually(republished, timeout=20)


async def test_a_restored_log_is_published_whole_whatever_its_transaction_ids(
    kernel: World, make: Make, read: Read
) -> None:
    """A dump keeps the old cluster's ids, which the new one may reach in years: nothing waits for that."""
    service = make("intake")
    async with running(service):
        patients = [await create_lead(service) for _ in range(5)]
    async with kernel.connection() as owner:
        for statement in AS_RESTORED:
            await owner.execute(statement)
        await owner.execute("set search_path = intake")
        await cursor.adopt_cluster(owner, restored=True)
    before = len(await read(TOPIC))
    again = make("intake")
    assert again.relay is not None
    again.relay._page = 2
    async with running(again):
        async with again.transaction(actor="test") as uow:
            uow.publish(updated(patients[0]))

        async def whole() -> bool:
            found = [envelope.subject for envelope in (await read(TOPIC))[before:]]
            return sorted(found) == sorted([*patients, patients[0]])

        await eventually(whole, timeout=20)
        async with again.transaction(actor="test") as uow:
            await uow.conn.execute("insert into replay_requests (from_at, requested_by) values ('-infinity', 'test')")

        async def twice() -> bool:
            return len(await read(TOPIC)) == before + 12

        await eventually(twice, timeout=20)
        async with again.transaction(actor="test") as uow:
            await cursor.request_subject(uow.conn, patients[1], 1, "test")
        await eventually(lambda: _said_again(read, before + 13), timeout=20)


async def _said_again(read: Read, records: int) -> bool:
    return len(await read(TOPIC)) == records


async def test_replay_goes_back_by_time_and_by_subject(intake: Service, read: Read) -> None:
    first, second = await create_lead(intake), await create_lead(intake)
    async with intake.transaction(actor="test") as uow:
        uow.publish(updated(first), updated(first))

    async def count(subject: UUID) -> int:
        return sum(1 for envelope in await read(TOPIC) if envelope.subject == subject)

    await eventually(lambda: count(first), equals=3)
    async with intake.transaction(actor="test") as uow:
        await cursor.request_subject(uow.conn, first, 2, "test")
        await cursor.request_subject(uow.conn, first, 2, "test")
    await eventually(lambda: count(first), equals=5)
    async with intake.transaction(actor="test") as uow:
        await uow.conn.execute(
            "insert into replay_requests (from_at, requested_by) values ($1, 'test')",
            datetime.now(UTC) - timedelta(days=2),
        )
    await eventually(lambda: count(first), equals=8)
    await eventually(lambda: count(second), equals=2)
    assert complete(await read(TOPIC), {first: 3, second: 1})


async def test_a_range_and_a_type_are_replayed_page_by_page_while_new_events_go_on(make: Make, read: Read) -> None:
    service = make("intake")
    assert service.relay is not None
    service.relay._page = 3
    async with running(service):
        patient = await create_lead(service)
        async with service.transaction(actor="test") as uow:
            uow.publish(*(updated(patient) for _ in range(10)), closed(patient))

        async def repeated() -> dict[str, int]:
            counts: dict[str, int] = defaultdict(int)
            for envelope in await read(TOPIC):
                counts[envelope.name] += 1
            return dict(counts)

        once = {"LeadCreated": 1, "LeadUpdated": 10, "LeadClosed": 1}
        await eventually(repeated, equals=once, timeout=20)
        until = datetime.now(UTC) + timedelta(minutes=1)
        async with service.transaction(actor="test") as uow:
            await uow.conn.execute(
                "insert into replay_requests (from_at, until_at, type, requested_by)"
                " values ('-infinity', $1, 'passage.intake.LeadUpdated.v1', 'test')",
                until,
            )
            uow.publish(closed(patient))
        await eventually(repeated, equals={"LeadCreated": 1, "LeadUpdated": 20, "LeadClosed": 2}, timeout=20)
        assert first_appearances(await read(TOPIC)) == {patient: list(range(1, 14))}
        async with service.reading() as uow:
            done = await uow.conn.fetchrow("select published, done_at from replay_requests")
        assert done["published"] == 10
        assert done["done_at"] is not None


SAVED = "select bool_and(pg_visible_in_snapshot(xid, cursor::pg_snapshot)) from event_log, relay"


async def test_a_replay_leaves_what_was_never_published_to_its_turn(intake: Service, read: Read) -> None:
    patient = await create_lead(intake)
    await eventually(lambda: _published(read, patient), equals=1)
    async with intake.pool.acquire() as conn:
        await eventually(lambda: conn.fetchval(SAVED), equals=True)
        at = cursor.Cursor(**dict(await conn.fetchrow(cursor.TAKE_TERM)))
        async with intake.transaction(actor="test") as uow:
            uow.publish(updated(patient))
        now = datetime.now(UTC) + timedelta(minutes=1)
        everything = cursor.Request(1, None, 1, datetime(2020, 1, 1, tzinfo=UTC), now, None, 0)
        subject = cursor.Request(2, patient, 1, None, None, None, 0)
        assert [row.sequence for row in await cursor.of_range(conn, at, everything, 10)] == [1]
        assert [row.sequence for row in await cursor.of_subject(conn, at, subject)] == [1]


async def _published(read: Read, subject: UUID) -> int:
    return sum(1 for envelope in await read(TOPIC) if envelope.subject == subject)


async def test_windows_larger_than_a_page_are_read_to_their_end(make: Make, read: Read) -> None:
    service = make("intake")
    async with running(service):
        patient = await create_lead(service)
    service = make("intake")
    assert service.relay is not None
    service.relay._page = 7
    async with running(service):
        async with service.transaction(actor="test") as uow:
            uow.publish(*(updated(patient) for _ in range(50)))

        async def arrived() -> bool:
            return complete(await read(TOPIC), {patient: 51})

        await eventually(arrived)


async def test_a_page_leaves_when_the_one_before_has_arrived_and_a_lost_one_comes_again_before_its_successors(
    make: Make, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next page's batches are made meanwhile; nothing else is ahead of what the broker has taken."""
    service = make("intake")
    relay = service.relay
    assert relay is not None
    relay._page = 5
    under_way, tries = 0, 0
    put = relay._publisher.put

    async def lossy(made: Batches) -> None:
        nonlocal under_way, tries
        under_way, tries = under_way + 1, tries + 1
        assert under_way == 1
        try:
            await asyncio.sleep(0)
            if tries in (3, 4):
                raise KafkaError
            await put(made)
        finally:
            under_way -= 1

    monkeypatch.setattr(relay._publisher, "put", lossy)
    async with running(service):
        patient = await create_lead(service)
        async with service.transaction(actor="test") as uow:
            uow.publish(*(updated(patient) for _ in range(40)))

        async def arrived() -> bool:  # in this order for the first time
            return complete(await read(TOPIC), {patient: 41})

        await eventually(arrived)
    assert tries >= 11, "41 events by pages of 5, and two that were lost again"


async def test_events_that_wait_for_a_broker_that_is_away_grow_old_for_all_to_see(make: Make) -> None:
    """An alert looks at the figure, so it has to move just then."""
    service = make("intake")
    assert service.relay is not None
    service.relay._publisher._bootstrap = "127.0.0.1:1"
    async with running(service):
        await create_lead(service)
        await eventually(lambda: _age() > 1)


async def test_what_is_published_again_waits_since_it_was_asked_for(
    kernel: World, make: Make, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its service stays in service."""
    service = make("intake")
    async with running(service):
        patient = await create_lead(service)
        await eventually(lambda: _published(read, patient), equals=1)
    async with kernel.connection() as owner:
        for statement in YEARS_AGO:
            await owner.execute(statement)
    again = make("intake")
    relay = again.relay
    assert relay is not None
    ages = list[float]()
    put = relay._publisher.put

    async def noted(made: Batches) -> None:
        ages.append(relay.age())
        await put(made)

    monkeypatch.setattr(relay._publisher, "put", noted)
    async with running(again):
        async with again.transaction(actor="test") as uow:
            await uow.conn.execute("insert into replay_requests (from_at, requested_by) values ('-infinity', 'test')")
        await eventually(lambda: _published(read, patient), equals=2)
        assert max(ages) < RELAY_AGE_LIMIT_SECONDS


async def test_a_replay_and_a_promotion_pass_nothing_by_that_was_never_published(
    kernel: World, make: Make, read: Read
) -> None:
    """The broker was away for days, and with it back somebody asks for the last hour."""
    silent = make("intake")
    silent.pool = await open_pool(silent.dsn, name="intake", size=2)
    first, second = await create_lead(silent), await create_lead(silent)
    await silent.pool.close()
    async with kernel.connection() as owner:
        for statement in YEARS_AGO:
            await owner.execute(statement)
        await owner.execute("set search_path = intake")
        await owner.execute("insert into replay_requests (from_at, requested_by) values (now(), 'test')")
        async with running(make("intake")):
            await eventually(lambda: _published(read, first))
            await eventually(lambda: _published(read, second))
        before = len(await read(TOPIC))
        await owner.execute(AGES_AGO)
        await cursor.adopt_cluster(owner, restored=False)
    async with running(make("intake")):
        await eventually(lambda: _said_again(read, before + 2))


def _age() -> float:
    return metrics.REGISTRY.get_sample_value("passage_outbox_age_seconds", {"service": "intake"}) or 0.0
