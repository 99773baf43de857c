"""`passage doctor`: each line is what the tables say, with what to do next, and the exit code is the worst of them."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from passage.doctoring import events, house, limits, processes
from passage.doctoring.limits import Limit
from passage.doctoring.run import doctor
from passage.telling import Level, worst
from shared.eventlog.log import append
from shared.http.app import CLOCK_HEADER
from shared.ids import new_id
from shared.service import Service
from shared.settings import ServiceSettings
from shared.telemetry import metrics
from tests.support.kernel import closed
from tests.support.operating import operating

HOURS_AGO = "clock_timestamp() - interval '2 hours'"


@pytest.fixture(autouse=True)
def operator(world, monkeypatch):
    operating(world, monkeypatch)


@pytest.fixture
async def owner(world):
    async with world.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


async def only(looking, what):
    return next(one for one in await looking if one.what == what)


async def test_an_outbox_that_nobody_empties_says_who_should(world, owner):
    assert (await only(events.outboxes(owner), "intake: outbox")).figure == "empty; no relay leads"
    service = Service("intake", ServiceSettings(**world.wiring.settings("intake")))
    unit = service._unit(owner, "staff:dana", None)
    unit.publish(closed(new_id()), closed(new_id()))
    await owner.execute("set local search_path = intake")
    await append(owner, unit.pending)
    told = await only(events.outboxes(owner), "intake: outbox")
    assert told.level is Level.ACT
    assert told.figure.startswith("2 events wait, the oldest for 0.")
    assert told.do.startswith("start intake")
    behind = await only(events.lag(owner, {"dashboard": 7}), "dashboard: consumer")
    assert behind.figure.startswith("2 events to apply, the oldest is 0.")
    assert behind.figure.endswith("; 7 records unread at the broker")


async def test_a_cursor_of_another_cluster_names_the_two_commands(owner):
    await owner.execute("update intake.relay set cluster = 'elsewhere/00000001'")
    told = await only(events.outboxes(owner), "intake: outbox")
    assert told.level is Level.ACT
    assert "same-history" in told.do
    assert "restored" in told.do


@pytest.mark.parametrize(("failed_at", "level"), [("clock_timestamp()", Level.LOOK), (HOURS_AGO, Level.ACT)])
async def test_dead_letters_are_urgent_after_an_hour(owner, failed_at, level):
    await owner.execute(
        "insert into scheduling.dead_letters"
        ' (fingerprint, type, reason, error, topic, partition, "offset", record, failed_at)'
        f" values ('x', 'passage.intake.LeadCreated.v1', 'permanent', 'no', 'passage.intake.v1', 0, 0, '', {failed_at})"
    )
    told = await only(events.letters(owner), "scheduling: dead letters")
    assert (told.level, told.details) == (level, ("permanent: LeadCreated",))
    assert "passage dlq list scheduling" in told.do


async def test_parked_events_are_told_by_what_they_wait_for(owner):
    park = (
        "insert into dashboard.parked (source, subject, sequence, reason, headers, body, parked_at)"
        " values (1, $1, 3, $2, '[]', '', {})"
    )
    await owner.execute(park.format("clock_timestamp()"), new_id(), "needs:LeadCreated")
    assert (await only(events.parked(owner), "dashboard: parked events")).level is Level.FINE
    await owner.execute(park.format(HOURS_AGO), new_id(), "gap")
    told = await only(events.parked(owner), "dashboard: parked events")
    assert told.level is Level.ACT
    assert told.details[0].startswith("gap: 1 events of 1 subjects, the oldest for 2 h")
    assert "passage replay --needed" in told.do


async def test_timers_are_late_by_business_time(owner):
    due = datetime.now(UTC) + timedelta(hours=1)
    await owner.execute(
        "insert into notifications.timers (kind, subject, occurrence, due_at, attempts, error)"
        " values ('reminder', $1, 'first', $2, 2, 'KeyError')",
        new_id(),
        due,
    )
    assert (await only(events.timers(owner), "notifications: timers")).level is Level.FINE
    await owner.execute("update clock.state set offset_seconds = 7200")
    told = await only(events.timers(owner), "notifications: timers")
    assert told.level is Level.ACT
    assert told.figure.startswith("1 late, the latest by 60 min, 1 failed")
    assert told.details == ("reminder: KeyError",)


async def test_a_long_writing_transaction_is_named(world, owner, monkeypatch):
    monkeypatch.setattr(limits, "WRITING_SECONDS", Limit(0, 60, "now"))
    async with world.connection("intake") as other, other.transaction():
        await other.execute("insert into tombstones (subject) values ($1)", new_id())
        pid = await other.fetchval("select pg_backend_pid()")
        told = await only(house.transactions(owner), "oldest writing transaction")
    assert told.level is Level.LOOK
    assert f"process {pid}" in told.details[0]
    assert f"pg_terminate_backend({pid})" in told.do


@pytest.mark.parametrize(("free", "level"), [(0.5, Level.FINE), (0.15, Level.LOOK), (0.05, Level.ACT)])
async def test_a_disk_that_fills_is_seen_from_a_container_of_its_own_too(owner, monkeypatch, free, level):
    """The command line's container has none of the database's files; its own disk is the one that holds the volumes."""

    def usage(path):
        if str(path) != "/":
            raise FileNotFoundError(path)
        return SimpleNamespace(total=100 * 2**30, free=int(free * 100 * 2**30))

    monkeypatch.setattr("shutil.disk_usage", usage)
    told = await only(house.storage(owner), "disk")
    assert told.level is level
    assert f"{free * 100:.1f} GiB of 100.0 GiB free where this runs" in told.figure
    assert bool(told.do) is (level is not Level.FINE)


@pytest.mark.parametrize(("hours", "level"), [(None, Level.ACT), (25, Level.FINE), (27, Level.LOOK), (80, Level.ACT)])
async def test_a_backup_that_is_missing_or_old_is_noticed_where_patients_are_real(world, owner, hours, level):
    if hours is not None:
        at = datetime.now(UTC) - timedelta(hours=hours)
        await owner.execute(f"alter database {world.database} set passage.backed_up_at = '{at:%Y%m%dT%H%M%SZ}'")
    told = await only(house.backups(owner, "production"), "backup")
    assert (told.level, bool(told.do)) == (level, level is not Level.FINE)
    assert (await only(house.backups(owner, "development"), "backup")).level is Level.FINE


async def test_a_service_measures_the_newest_backup_with_no_rights_but_its_own(world, eventually, monkeypatch):
    monkeypatch.setattr("shared.service.BACKUP_EVERY_SECONDS", 0.05)
    async with world.start("scheduling"), world.connection() as owner:
        await owner.execute(f"alter database {world.database} set passage.backed_up_at = '20261201T030000Z'")
        try:
            wanted = datetime(2026, 12, 1, 3, tzinfo=UTC).timestamp()
            name = "passage_backup_timestamp_seconds"
            await eventually(lambda: metrics.REGISTRY.get_sample_value(name), equals=wanted)
        finally:
            await owner.execute(f"alter database {world.database} reset passage.backed_up_at")


async def test_a_service_tells_its_clock_and_its_reasons(world, owner):
    await world.topics()
    async with world.start("scheduling") as running:
        answer = await running.http.get("/ready")
        assert abs((datetime.fromisoformat(answer.headers[CLOCK_HEADER]) - datetime.now(UTC)).total_seconds()) < 5
        answers = {one.finding.what: one for one in await processes.services()}
    assert answers["scheduling: process"].finding.figure == "ready"
    assert answers["intake: process"].finding.level is Level.ACT
    assert "does not answer" in answers["intake: process"].finding.figure
    fast = [processes.Answer(answers["intake: process"].finding, 40.0)]
    assert (await processes.clocks(owner, fast)).level is Level.ACT


async def test_the_whole_page_ends_with_its_worst_line(world):
    await world.topics()
    found = await doctor(world.dsn())
    told = {one.what: one for one in found}
    assert told["broker"].level is Level.FINE
    assert told["event log partitions"].level is Level.FINE
    assert told["disk"].figure.endswith("free")
    assert worst(found) is Level.ACT  # nothing runs here
    assert all(one.do for one in found if one.level is not Level.FINE)


async def test_without_a_database_there_is_still_a_page():
    found = await doctor("postgresql://passage@127.0.0.1:1/passage")
    assert [one.level for one in found if one.what == "database"] == [Level.ACT]
