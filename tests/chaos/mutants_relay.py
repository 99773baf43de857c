"""Mutants of the event log and its relay: each breaks one promise, each workload provokes what follows from it."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg

import shared.service as service_module
from shared.eventlog import cursor
from shared.eventlog.cursor import Cursor, Row
from shared.eventlog.log import Origin, Pending, append, partition_of
from shared.eventlog.relay import Relay, _Page
from shared.ids import new_id
from shared.service import Service
from tests.chaos.facts import Facts
from tests.chaos.scene import COLUMNS, Scene, rows_of, without_relay
from tests.support.kernel import create_lead, running, updated
from tests.support.waiting import eventually

CACHED = "alter table intake.event_log alter column id set cache 20"
XID = "select pg_current_xact_id()"
AFTER_ID = COLUMNS + " where id > $1 order by id limit $2"
BELOW_XMIN = COLUMNS + " where xid >= pg_snapshot_xmin($1::text::pg_snapshot) and xid < $2::text::xid8 order by id"
XMIN = "select pg_snapshot_xmin(pg_current_snapshot())::text"
NEXT_ID = "select nextval(pg_get_serial_sequence('event_log', 'id'))"
LOCK_SUBJECT = """
insert into streams as s (subject, sequence) values ($1, 1)
on conflict (subject) do update set sequence = s.sequence + 1 returning sequence
"""
INSERT_AS = """
insert into event_log (id, event_id, subject, sequence, partition, type, time, actor, correlation, body)
overriding system value values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json)
"""
LAST_ROWS = COLUMNS + " where xid = pg_current_xact_id() order by id"
ELSEWHERE = "update intake.relay set cursor = '900000000:900000000:', cursor_at = now(), cluster = 'elsewhere/1'"


# The relay reads by id


async def read_by_id(scene: Scene) -> None:
    async def _read(self: Relay, conn: asyncpg.Connection, at: Cursor) -> _Page:
        rows = rows_of(await conn.fetch(AFTER_ID, at.after_id, self._page))
        return _Page(rows, replace(at, upper=None, after_id=rows[-1].id if rows else at.after_id))

    scene.monkeypatch.setattr(Relay, "_read", _read)


async def a_late_commit(scene: Scene) -> Facts:
    """A transaction writes its event early and commits when others have been published."""
    async with running(scene.make("intake")) as service:
        slow = await create_lead(service)
        async with service.transaction(actor="test") as uow:
            uow.publish(updated(slow))
            await append(uow.conn, uow.pending)
            uow.pending.clear()
            await scene.settled(service)
        await scene.settled(service)
    return await scene.facts()


# The relay reads below the oldest running transaction


async def read_below_xmin(scene: Scene) -> None:
    async def _read(self: Relay, conn: asyncpg.Connection, at: Cursor) -> _Page:
        xmin = await conn.fetchval(XMIN)
        rows = rows_of(await conn.fetch(BELOW_XMIN, at.cursor, xmin))
        return _Page(rows, replace(at, cursor=f"{xmin}:{xmin}:", upper=None))

    scene.monkeypatch.setattr(Relay, "_read", _read)


async def an_older_transaction_writes_later(scene: Scene) -> Facts:
    """One subject: first a young transaction writes, then an older one, while a middle one stays open."""
    async with running(scene.make("intake")) as service:
        patient = await create_lead(service)
        async with service.transaction(actor="test") as middle:
            async with service.transaction(actor="test") as older:
                await older.conn.execute(XID)
                await middle.conn.execute(XID)
                async with service.transaction(actor="test") as young:
                    young.publish(updated(patient))
                older.publish(updated(patient))
            await eventually(lambda: _appeared(scene, patient, 3), timeout=20)
        await scene.settled(service)
    return await scene.facts()


async def _appeared(scene: Scene, patient: Any, sequence: int) -> bool:
    return sequence in await scene.appeared(patient)


# Ids that do not follow the lock


async def cache_ids(scene: Scene) -> None:
    await scene.execute(CACHED)


async def two_connections_take_turns(scene: Scene) -> Facts:
    """One connection has ids in stock when the other writes the subject's first event."""
    service = scene.make("intake")
    await without_relay(service)
    first, other = new_id(), new_id()
    async with service.pool.acquire() as a, service.pool.acquire() as b:
        for conn, subject in ((a, other), (b, first), (a, first)):
            async with conn.transaction():
                await append(conn, [_pending(updated(subject), service)])
    await service.pool.close()
    async with running(scene.make("intake")) as relaying:
        await scene.settled(relaying)
    return await scene.facts()


async def insert_outside_the_lock(scene: Scene) -> None:
    """The id is drawn first, the subject's row locked after it."""
    waits = asyncio.Event()
    drawn = asyncio.Event()
    calls = 0

    async def draws_first(conn: asyncpg.Connection, pending: list[Pending]) -> None:
        nonlocal calls
        for one in pending:
            id_ = await conn.fetchval(NEXT_ID)
            calls += 1
            if calls == 1:
                drawn.set()
                await waits.wait()
            sequence = await conn.fetchval(LOCK_SUBJECT, one.event.subject)
            await conn.execute(
                INSERT_AS, id_, new_id(), one.event.subject, sequence, partition_of(one.event.subject),
                one.event.type_from("intake"), one.origin.time, one.origin.actor, one.origin.correlation,
                one.event.model_dump_json(),
            )  # fmt: skip

    async def until_overtaken() -> None:
        await drawn.wait()

    scene.monkeypatch.setattr(service_module, "append", draws_first)
    scene.gate = lambda: (until_overtaken(), waits.set)


async def two_writers_of_one_subject(scene: Scene) -> Facts:
    """Two transactions write the same subject at the same time; the relay reads when both are done."""
    service = scene.make("intake")
    await without_relay(service)
    patient = new_id()

    async def write() -> None:
        async with service.transaction(actor="test") as uow:
            uow.publish(updated(patient))

    slow = asyncio.create_task(write())
    if scene.gate is not None:
        drawn, go_on = scene.gate()
        await drawn
        await write()
        go_on()
    else:
        await write()
    await slow
    await service.pool.close()
    async with running(scene.make("intake")) as relaying:
        await scene.settled(relaying)
    return await scene.facts()


def _pending(event: Any, service: Service) -> Pending:
    return Pending(event, Origin("intake", service.clock.now(), "test", new_id()))


# Two relays share the work


async def relays_in_parallel(scene: Scene) -> None:
    """No lock and no term: each of two takes every other row, one of them slower."""
    workers: list[int] = []
    window = cursor.window

    async def always(_conn: asyncpg.Connection, *_: Any) -> bool:
        return True

    async def every_other(conn: asyncpg.Connection, at: Cursor, page: int) -> tuple[Cursor, list[Row]]:
        if id(conn) not in workers:
            workers.append(id(conn))
        mine = workers.index(id(conn)) % 2
        at, found = await window(conn, at, page)
        rows = [row for row in found if row.id % 2 == mine]
        if mine:
            await asyncio.sleep(0.3)
        return at, rows

    scene.monkeypatch.setattr(cursor, "try_lock", always)
    scene.monkeypatch.setattr(cursor, "save", always)
    scene.monkeypatch.setattr(cursor, "window", every_other)


async def two_processes(scene: Scene) -> Facts:
    """Two processes of one service, and patients of whom more is said all the time."""
    async with running(scene.make("intake")) as one, running(scene.make("intake")):
        patients = [await create_lead(one) for _ in range(3)]  # odd: their ids change hands
        for _ in range(6):
            async with one.transaction(actor="test") as uow:
                uow.publish(*(updated(patient) for patient in patients))
        await eventually(lambda: _all_appeared(scene, patients, 7), timeout=20)
        await scene.settled(one)
    return await scene.facts()


async def _all_appeared(scene: Scene, patients: list[Any], sequence: int) -> bool:
    return all([await _appeared(scene, patient, sequence) for patient in patients])


# Published before it was committed


async def publish_before_commit(scene: Scene) -> None:
    async def tells_at_once(conn: asyncpg.Connection, pending: list[Pending]) -> None:
        await append(conn, pending)
        await _publisher_of(scene).publish(rows_of(await conn.fetch(LAST_ROWS)))

    scene.monkeypatch.setattr(service_module, "append", tells_at_once)


def _publisher_of(scene: Scene) -> Any:
    assert scene.gate is not None
    return scene.gate()


async def a_change_that_is_rolled_back(scene: Scene) -> Facts:
    """A transaction fails at its very end, after its events were written."""
    async with running(scene.make("intake")) as service:
        relay = service.relay
        assert relay is not None
        await eventually(lambda: relay.leading)
        scene.gate = lambda: relay._publisher
        patient = await create_lead(service)
        async with service.pool.acquire() as conn:
            transaction = conn.transaction()
            await transaction.start()
            await vars(service_module)["append"](conn, [_pending(updated(patient), service)])
            await transaction.rollback()
        await scene.settled(service)
    return await scene.facts()


# A cursor of another cluster


async def trust_any_cursor(scene: Scene) -> None:
    async def unchecked(_conn: asyncpg.Connection) -> None:
        return None

    scene.monkeypatch.setattr(cursor, "check_cluster", unchecked)


async def a_restored_dump(scene: Scene) -> Facts:
    """The cursor's transaction ids are far above this cluster's; who is told so follows the advice."""
    before = scene.make("intake")
    await without_relay(before)
    await create_lead(before)
    await before.pool.close()
    await scene.execute(ELSEWHERE)
    async with running(scene.make("intake")) as service:
        relay = service.relay
        assert relay is not None
        await eventually(lambda: relay.leading or relay.trouble, timeout=20)
        if "relay restored" in (await service.readiness()).get("relay", ""):
            async with service.transaction(actor="operator") as uow:
                await cursor.adopt_cluster(uow.conn, restored=True)
        await scene.settled(service, patience=3 if scene.mutated else 20)
    return await scene.facts()
