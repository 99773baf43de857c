"""Old months of the event log become files: nothing that is needed goes, nobody waits, no key is in them."""

import csv
import gzip
import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from passage import archiving
from passage.archiving import archive
from passage.recover import READERS
from shared.contracts.base import SOURCES
from shared.db.migrate import fill
from shared.ids import new_id

MARCH = datetime(2024, 3, 5, tzinfo=UTC)
NOT_PUBLISHED = "intake's relay has not published all of it, or is asked to publish again"
TODAY = date(2026, 11, 20)
INSERT = """
insert into {source}.event_log (at, event_id, subject, sequence, partition, type, time, actor, correlation, body)
values ($1, gen_random_uuid(), $2, $3, 0, 'passage.intake.LeadCreated.v1', $1, 'patient', gen_random_uuid(), $4)
"""
APPLIED = """
insert into {consumer}.inbox (source, subject, prior, sequence) values ($1, $2, 0, $3)
on conflict (source, subject) do update set sequence = excluded.sequence
"""
PUBLISHED = "update {source}.relay set cursor = pg_current_snapshot()::text"
MONTH = """
create table {source}.event_log_2024_03 partition of {source}.event_log
   for values from ('2024-03-01 00:00+00') to ('2024-04-01 00:00+00')
"""
APRIL = """
create table intake.event_log_2024_04 partition of intake.event_log
   for values from ('2024-04-01 00:00+00') to ('2024-05-01 00:00+00')
"""


@pytest.fixture
async def owner(fresh_world):
    async with fresh_world.connection() as connection:
        await connection.execute(MONTH.format(source="intake"))
        yield connection


@pytest.fixture
async def patient(owner) -> UUID:
    """Three events of a March, of a patient with a key."""
    subject = new_id()
    for sequence in (1, 2, 3):
        body = {"patient_id": str(subject), "key": {"kid": "k1", "wrapped": "secret-key"}, "text": 'a "b"\nc'}
        await owner.execute(INSERT.format(source="intake"), MARCH, subject, sequence, json.dumps(body))
    return subject


async def everybody_has(owner, subject: UUID, sequence: int) -> None:
    await owner.execute(PUBLISHED.format(source="intake"))
    for consumer in READERS["intake"]:
        await owner.execute(APPLIED.format(consumer=consumer), 1, subject, sequence)


async def run(owner, folder: Path, *, dry_run: bool = False, online: int | None = 12) -> list[archiving.Month]:
    months = await archive(owner, folder, lambda _: online, today=TODAY, dry_run=dry_run)
    return [month for month in months if month.source == "intake"]


async def left(owner) -> int:
    return int(await owner.fetchval("select count(*) from intake.event_log"))


async def test_a_month_that_everybody_has_goes_into_a_file_that_holds_it(owner, patient, tmp_path):
    await everybody_has(owner, patient, 3)
    (month,) = await run(owner, tmp_path)
    assert (month.events, month.keep) == (3, None)
    assert await left(owner) == 0
    with gzip.open(month.file, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [row["sequence"] for row in rows] == ["1", "2", "3"]
    assert json.loads(rows[0]["body"])["text"] == 'a "b"\nc'
    digest = hashlib.sha256(month.file.read_bytes()).hexdigest()
    assert month.file.with_suffix(".gz.sha256").read_text() == f"{digest}  {month.file.name}\n"
    row = await owner.fetchrow("select * from intake.event_log_archive")
    assert (row["events"], row["sha256"], row["file"]) == (3, digest, str(month.file))
    assert await run(owner, tmp_path) == []


async def test_a_file_holds_no_patients_key(owner, patient, tmp_path):
    await everybody_has(owner, patient, 3)
    (month,) = await run(owner, tmp_path)
    assert "secret-key" not in gzip.decompress(month.file.read_bytes()).decode()


async def test_what_a_consumer_still_needs_stays(owner, patient, tmp_path):
    await everybody_has(owner, patient, 3)
    await owner.execute(APPLIED.format(consumer="dashboard"), 1, patient, 2)
    (month,) = await run(owner, tmp_path)
    assert month.keep == "dashboard has not applied all of it"
    assert await left(owner) == 3
    assert not list(tmp_path.rglob("*.gz"))


async def test_a_month_stays_while_an_older_one_does(owner, patient, tmp_path):
    await owner.execute(APRIL)
    for subject in (patient, new_id()):
        number = 4 if subject == patient else 1
        await owner.execute(INSERT.format(source="intake"), datetime(2024, 4, 2, tzinfo=UTC), subject, number, "{}")
        await everybody_has(owner, subject, number)
    late = new_id()
    await owner.execute(INSERT.format(source="intake"), MARCH, late, 1, "{}")
    await owner.execute(PUBLISHED.format(source="intake"))
    march, april = await run(owner, tmp_path)
    assert march.keep == "assessment has not applied all of it"
    assert april.keep == "2024-03 stays before it"
    assert await left(owner) == 6
    assert not list(tmp_path.rglob("*.gz"))


async def test_what_is_not_published_or_is_asked_for_again_stays(owner, patient, tmp_path):
    (month,) = await run(owner, tmp_path)
    assert month.keep == NOT_PUBLISHED
    await everybody_has(owner, patient, 3)
    await owner.execute("insert into intake.replay_requests (from_at, requested_by) values ($1, 'test')", MARCH)
    (month,) = await run(owner, tmp_path)
    assert month.keep == NOT_PUBLISHED
    assert await left(owner) == 3


async def test_a_dry_run_and_a_log_without_a_policy_change_nothing(owner, patient, tmp_path):
    await everybody_has(owner, patient, 3)
    (month,) = await run(owner, tmp_path, dry_run=True)
    assert (month.events, month.file, month.keep) == (3, None, None)
    assert await run(owner, tmp_path, online=None) == []
    assert await left(owner) == 3
    assert not list(tmp_path.rglob("*.gz"))


async def test_a_writer_waits_for_a_moment_only_and_the_month_goes_when_the_log_is_free(
    owner, patient, tmp_path, fresh_world, monkeypatch
):
    await everybody_has(owner, patient, 3)
    monkeypatch.setattr(archiving, "ATTEMPTS", 2)
    async with fresh_world.connection("intake") as long:
        transaction = long.transaction()
        await transaction.start()
        await long.execute("select count(*) from event_log")
        with pytest.raises(TimeoutError, match="long transaction"):
            await run(owner, tmp_path)
        assert await left(owner) == 3
        await transaction.rollback()
    (month,) = await run(owner, tmp_path)
    assert month.keep is None
    assert await left(owner) == 0


async def test_a_service_cannot_drop_a_month(patient, fresh_world):
    async with fresh_world.connection("intake") as connection:
        with pytest.raises(Exception, match="must be owner"):
            await connection.execute("select drop_event_log_month('2024-03-01')")


async def test_a_replay_that_reaches_into_what_was_archived_says_so(owner, patient, tmp_path, fresh_world, monkeypatch):
    await everybody_has(owner, patient, 3)
    await run(owner, tmp_path)
    for name, value in fresh_world.wiring.variables("intake").items():
        monkeypatch.setenv(name, value)
    for since, said in ((datetime(2024, 1, 1, tzinfo=UTC), 1), (datetime(2025, 1, 1, tzinfo=UTC), 0)):
        lines = await archiving.missing("intake", subject=None, from_sequence=1, since=since)
        assert len(lines) == said
        assert all(line.startswith("3 events of 2024-03, in ") for line in lines)
    await owner.execute(INSERT.format(source="intake"), datetime.now(UTC), patient, 4, "{}")
    (line,) = await archiving.missing("intake", subject=patient, from_sequence=2, since=None)
    assert line == "events 2 to 3 of this subject"


async def test_every_log_can_be_archived(owner, tmp_path):
    for source in SOURCES:
        assert fill(archiving._MONTHS, source=source)
    await archive(owner, tmp_path, lambda _: 1, today=date(2027, 12, 1), dry_run=True)


async def test_making_months_never_waits_for_long(owner, fresh_world):
    async with fresh_world.connection("intake") as reader, reader.transaction():
        await reader.execute("select count(*) from event_log")
        assert await owner.fetchval("select intake.ensure_event_log_partitions(24)") == 0
    assert await owner.fetchval("select intake.ensure_event_log_partitions(24)") > 0
