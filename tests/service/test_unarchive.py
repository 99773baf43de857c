"""Archived months come back: what needs all events finds them, nobody hears of it, and nothing else is let in."""

import asyncio
import json
from datetime import date

import pytest
from typer.testing import CliRunner

from passage import archiving
from passage.anew import rebuild
from passage.archiving import archive
from passage.cli import app
from passage.context import NotConfigured
from passage.recover import READERS
from passage.replaying import Wish, ask
from passage.telling import Level
from passage.unarchiving import unarchive
from services.intake.repository import patients
from shared.contracts import intake as i
from shared.contracts.base import SOURCES
from shared.inbox.positions import NUMBER
from tests.support.dashboard import Producers
from tests.support.operating import operating, verified
from tests.support.patients import Cast

TODAY, FEBRUARY = date(2026, 11, 20), date(2024, 2, 1)
STREAMS = (
    "select sum(sequence) from (select * from intake.streams union all select * from assessment.streams"
    " union all select * from scheduling.streams union all select * from notifications.streams) s"
)
PARTITION = """
create table {source}.event_log_2024_{month} partition of {source}.event_log
   for values from ('2024-{month}-01 00:00+00') to ('2024-{after}-01 00:00+00')
"""
# As if half of it had happened two years ago and half a month later, in the same order.
LONG_AGO = """
update {source}.event_log e set at = n.at from (
    select id, timestamptz '2024-02-01 00:00+00'
               + interval '1 month' * (2 * (row_number() over w - 1) / count(*) over ())
               + interval '1 second' * row_number() over w as at
      from {source}.event_log window w as (order by id)) n
 where e.id = n.id
"""
APPLIED = """
insert into {consumer}.inbox (source, subject, prior, sequence)
select $1, subject, sequence - 1, sequence from {source}.streams
on conflict (source, subject) do update set sequence = excluded.sequence
"""
LOG = "select id, at, event_id, subject, sequence, type, body::jsonb as body from {source}.event_log order by id"
TO_COME = """
select count(*) from {source}.event_log e, {source}.relay r
 where not pg_visible_in_snapshot(e.xid, r.cursor::pg_snapshot)
"""
REPLAYED = "select published from intake.replay_requests where subject = $1 and done_at is not null"
LEVELS = ("logs", "dashboard")


@pytest.fixture(scope="module")
async def day(world):
    """A dashboard, and producers whose whole history is from two months of 2024."""
    async with Producers.of(world) as producers, world.start("dashboard"):
        await Cast(producers).everybody()
        gone = await producers.lead("Erin Erased")
        async with producers.services["intake"].transaction(actor="staff:ops") as uow:
            await patients.blank_keys(uow.conn, [gone])
            await uow.keys.destroy(gone)
            uow.publish(i.PatientErased(patient_id=gone, requested_at=uow.now))
        yield producers


@pytest.fixture
async def owner(world, day, eventually, monkeypatch):
    operating(world, monkeypatch)
    async with world.connection() as connection:
        applied = "select coalesce(sum(sequence), 0) from dashboard.inbox"
        await eventually(lambda: connection.fetchval(applied), equals=await connection.fetchval(STREAMS), timeout=60)
        yield connection


@pytest.fixture
async def archived(owner, tmp_path, eventually):
    """The folder with everything that had happened, and how the logs read before."""
    await owner.execute("set session_replication_role = replica")
    for source in SOURCES:
        for month, after in (("02", "03"), ("03", "04")):
            if not await owner.fetchval("select to_regclass($1)", f"{source}.event_log_2024_{month}"):
                await owner.execute(PARTITION.format(source=source, month=month, after=after))
        await owner.execute(LONG_AGO.format(source=source))
        for consumer in READERS[source]:
            if consumer != "dashboard":
                await owner.execute(APPLIED.format(source=source, consumer=consumer), NUMBER[source])
    await owner.execute("set session_replication_role = origin")
    before = {source: await owner.fetch(LOG.format(source=source)) for source in SOURCES}

    async def gone() -> int:
        await archive(owner, tmp_path, lambda _: 12, today=TODAY, dry_run=False)
        return sum([await owner.fetchval(f"select count(*) from {source}.event_log") for source in SOURCES])

    await eventually(gone, equals=0, timeout=30)
    yield tmp_path, before
    await unarchive(owner, tmp_path, FEBRUARY, dry_run=False)


async def levels(world) -> set[Level]:
    return {one.level for one in (await verified(world, *LEVELS)).values()}


async def test_what_comes_back_is_what_went(world, owner, archived):
    folder, before = archived
    assert "subjects left out" in (await verified(world, *LEVELS))["dashboard: read model"].figure
    with pytest.raises(NotConfigured, match="--restore MONTH"):
        await rebuild(world.dsn(), None)
    said = await asyncio.to_thread(CliRunner().invoke, app, ["archive", str(folder), "--restore", "2024-02"])
    assert said.exit_code == 0, said.output
    assert said.output.count("is back from") == 2 * sum(1 for rows in before.values() if len(rows) > 1)
    assert {source: await owner.fetch(LOG.format(source=source)) for source in SOURCES} == before
    assert any(json.loads(row["body"]).get("key") for row in before["intake"])
    found = await verified(world, *LEVELS)
    assert {one.level for one in found.values()} == {Level.FINE}
    assert "left out" not in found["dashboard: read model"].figure
    assert "archive" not in found["intake: event log"].figure
    for source in SOURCES:
        assert await owner.fetchval(TO_COME.format(source=source)) == 0, "nothing is published again by itself"
    for statement in ("update {}.event_log set actor = 'x'", "delete from {}.event_log", "table {}.event_log_2024_02"):
        async with world.connection("intake") as service:
            with pytest.raises(Exception, match="denied"):
                await service.execute(statement.format("intake"))


async def test_a_replay_and_a_rebuild_reach_what_came_back(world, owner, archived, eventually):
    folder, before = archived
    await unarchive(owner, folder, FEBRUARY, dry_run=False)
    first = before["intake"][0]
    await ask(Wish("intake", first["subject"], 1, None, None, None))
    mine = sum(1 for row in before["intake"] if row["subject"] == first["subject"])
    await eventually(lambda: owner.fetchval(REPLAYED, first["subject"]), equals=mine, timeout=30)
    await rebuild(world.dsn(), None)
    applied = "select coalesce(sum(sequence), 0) from dashboard.inbox"
    await eventually(lambda: owner.fetchval(applied), equals=await owner.fetchval(STREAMS), timeout=60)
    await eventually(lambda: levels(world), equals={Level.FINE}, timeout=30)


async def test_half_of_it_comes_back_from_its_newer_end(world, owner, archived):
    folder, _before = archived
    dry = await unarchive(owner, folder, FEBRUARY, dry_run=True)
    back = await unarchive(owner, folder, date(2024, 3, 9), dry_run=False)
    assert {month.first.month for month in back} == {3}
    assert set(back) == {month for month in dry if month.first.month == 3}
    log = (await verified(world, "logs"))["intake: event log"]
    assert log.level is Level.FINE
    assert "more in the archive" in log.figure


async def test_a_file_that_is_not_the_one_that_went_is_refused_before_anything_is_done(owner, archived):
    folder, _before = archived
    file = archiving.file_of(folder, "intake", FEBRUARY)
    kept = file.read_bytes()
    away = "select count(*) from intake.event_log_archive"
    for harm, said in ((lambda: file.write_bytes(kept + b"\0"), "SHA-256 differs"), (file.unlink, "is not there")):
        harm()
        answer = await asyncio.to_thread(CliRunner().invoke, app, ["archive", str(folder), "--restore", "2024-02"])
        assert answer.exit_code == 1
        assert said in answer.output
        assert await owner.fetchval(away) == 2
    file.write_bytes(kept)


async def test_the_log_is_waited_for_and_left_as_it_was(world, owner, archived, monkeypatch):
    folder, _before = archived
    monkeypatch.setattr(archiving, "ATTEMPTS", 2)
    async with world.connection("intake") as long, long.transaction():
        await long.execute("select count(*) from event_log")
        with pytest.raises(TimeoutError, match="long transaction"):
            await unarchive(owner, folder, FEBRUARY, dry_run=False)
    assert await owner.fetchval("select to_regclass('intake.event_log_coming_back')") is None
    assert await owner.fetchval("select count(*) from intake.event_log_archive") == 2


async def test_who_was_erased_meanwhile_comes_back_without_a_key(owner, archived):
    folder, before = archived
    patient = next(row["subject"] for row in before["intake"] if json.loads(row["body"]).get("key"))
    await owner.execute("delete from intake.patient_keys where subject = $1", patient)
    await unarchive(owner, folder, FEBRUARY, dry_run=False)
    keys = "select body ->> 'key' as key from intake.event_log where subject = $1"
    assert {row["key"] for row in await owner.fetch(keys, patient)} == {None}
