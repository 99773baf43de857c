"""`passage verify`: what is equal is said to be, and what somebody changed by hand is named by its id."""

import asyncio
import gzip
import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from passage.anew import rebuild
from passage.cli import app
from passage.context import NotConfigured
from passage.telling import Level
from passage.verifying.told import told_in
from shared.audit import audit, seal
from shared.contracts import intake as i
from shared.contracts.assessment import SafetyConcernRaised
from shared.ids import new_id
from tests.support.dashboard import Producers
from tests.support.operating import operating, verified
from tests.support.patients import Cast
from tests.support.sealing import sealers_at_rest, what_sealers_tell

STREAMS = (
    "select sum(sequence) from (select * from intake.streams union all select * from assessment.streams"
    " union all select * from scheduling.streams union all select * from notifications.streams) s"
)
BY_HAND = "set session_replication_role = replica"  # what an owner can do: no trigger stands in the way


@pytest.fixture(autouse=True)
def operator(world, monkeypatch):
    operating(world, monkeypatch)


@pytest.fixture(scope="module")
def sealed_by_hand():
    with sealers_at_rest():
        yield


@pytest.fixture(scope="module")
async def day(world, sealed_by_hand):
    """A dashboard that runs, after a day on which somebody was merged and somebody erased."""
    async with Producers.of(world) as producers, world.start("dashboard"):
        await Cast(producers).everybody()
        kept, absorbed = await producers.lead("Wei Zhang"), await producers.lead("W. Zhang")
        await producers.say("intake", i.LeadMerged(patient_id=kept, absorbed_id=absorbed, reason="same-person"))
        gone = await producers.lead("Erin Erased")
        async with producers.services["intake"].transaction(actor="staff:ops") as uow:
            uow.publish(i.PatientErased(patient_id=gone, requested_at=uow.now))
        yield producers


async def taken(world, eventually):
    async with world.connection() as owner:
        applied = "select coalesce(sum(sequence), 0) from dashboard.inbox"
        await eventually(lambda: owner.fetchval(applied), equals=await owner.fetchval(STREAMS), timeout=60)


async def test_a_system_as_it_should_be_is_said_to_be_so(world, day, eventually):
    await taken(world, eventually)
    found = await verified(world)
    assert {one.figure for one in found.values() if one.level is not Level.FINE} == set()
    assert "none missing, all in order" in found["intake: event log"].figure
    assert "all applied" in found["dashboard: position in intake"].figure
    assert found["dashboard: read model"].figure.endswith("s, equal")
    async with world.connection() as owner:
        left = await owner.fetchval("select count(*) from pg_class where relpersistence = 't' and relkind = 'r'")
    assert left == 0


async def test_what_is_still_on_its_way_is_no_difference(world, day, eventually):
    await taken(world, eventually)
    for number in range(3):
        await day.lead(f"Late {number}")
        assert (await verified(world, "dashboard"))["dashboard: read model"].level is Level.FINE


async def test_a_row_that_was_changed_by_hand_is_named_and_rebuilt(world, day, eventually):
    changed, lost, made_up = await day.lead("Changed"), await day.lead("Lost"), new_id()
    await taken(world, eventually)
    async with world.connection() as owner:
        await owner.execute(
            """update dashboard.facts set facts = facts || '{"language": "xx"}' where patient_id = $1""", changed
        )
        await owner.execute("delete from dashboard.story where subject = $1", lost)
        await owner.execute(
            """insert into dashboard.facts (patient_id, source, facts) values ($1, 'intake', '{"channel": "web"}')""",
            made_up,
        )
    told = (await verified(world, "dashboard"))["dashboard: read model"]
    assert told.level is Level.ACT
    assert {
        f'facts of {changed} (intake): facts.language is "xx", rebuilt "en"',
        f"story of {lost} (intake 1): missing here",
        f"facts of {made_up} (intake): no event says so",
    } == set(told.details)
    assert "passage rebuild dashboard" in told.do
    for subject in (changed, lost, made_up):
        await rebuild(world.dsn(), subject)
    await taken(world, eventually)
    assert (await verified(world, "dashboard"))["dashboard: read model"].level is Level.FINE


async def test_the_whole_board_is_rebuilt(world, day, eventually):
    await taken(world, eventually)
    await rebuild(world.dsn(), None)
    await taken(world, eventually)
    found = await verified(world, "logs", "dashboard")
    assert {one.level for one in found.values()} == {Level.FINE}


async def test_what_was_archived_is_counted_and_left_out(world, day, eventually):
    old = await day.lead("Old")
    await day.say("intake", i.LeadClosed(patient_id=old, reason="no_reply"))
    await taken(world, eventually)
    async with world.connection() as owner:
        await owner.execute(BY_HAND)
        put_back = await taken_out(owner, old, 1)
        await owner.execute(
            "insert into intake.event_log_archive (first_at, until_at, events, file, sha256)"
            " values ('2020-01-01', '2020-02-01', 1, 'event_log_2020_01.csv.gz', '')"
        )
        found = await verified(world, "logs", "dashboard")
        assert found["intake: event log"].level is Level.FINE
        assert "1 more in the archive" in found["intake: event log"].figure
        assert "1 subjects left out" in found["dashboard: read model"].figure
        assert found["dashboard: read model"].level is Level.FINE
        with pytest.raises(NotConfigured, match="archived"):
            await rebuild(world.dsn(), old)
        await owner.execute("update intake.event_log_archive set events = 2")
        more = (await verified(world, "logs"))["intake: event log"]
        await owner.execute("delete from intake.event_log_archive")
        await put_back()
    assert more.level is Level.ACT
    assert "1 are not here" in more.figure


async def taken_out(owner, subject, sequence):
    """Remove an event from intake's log by hand; call what comes back to put it in again."""
    kept = await owner.fetchrow(
        "delete from intake.event_log where subject = $1 and sequence = $2 returning *", subject, sequence
    )
    columns, places = ", ".join(kept.keys()), ", ".join(f"${n}" for n in range(1, len(kept) + 1))
    again = f"insert into intake.event_log ({columns}) overriding system value values ({places})"
    return lambda: owner.execute(again, *kept.values())


async def test_an_event_that_is_gone_and_a_consumer_from_the_future_are_named(world, day, eventually):
    broken, ahead = await day.lead("Broken"), await day.lead("Ahead")
    await taken(world, eventually)
    async with world.connection() as owner:
        await owner.execute(BY_HAND)
        put_back = await taken_out(owner, broken, 1)
        await owner.execute("update dashboard.inbox set sequence = 7 where subject = $1", ahead)
        found = await verified(world, "logs")
        await put_back()
        await owner.execute("update dashboard.inbox set sequence = 1 where subject = $1", ahead)
    log, position = found["intake: event log"], found["dashboard: position in intake"]
    assert log.details == (f"{broken}: 0 events, the last is number none, 1 were given out",)
    assert position.details == (f"{ahead}: stands at 7, the log ends at 1",)
    assert {one.what for one in found.values() if one.level is Level.ACT} == {log.what, position.what}


async def test_a_broken_link_of_an_audit_chain_is_named(world, day):
    service = day.services["intake"]
    for _ in range(3):
        async with service.transaction(actor="staff:dana") as uow:
            await audit(uow, action="read", what="contact", subject=new_id())
        async with service.pool.acquire() as conn:
            await seal(conn, service.keyring)
    before = await verified(world, "audit")
    assert {one.level for one in before.values()} == {Level.FINE}
    assert "3 entries, the chain holds, the last seal is 3" in before["intake: audit trail"].figure
    async with world.connection() as owner:
        await owner.execute(BY_HAND)
        await owner.execute("update intake.audit set actor = 'staff:bell' where id = 2")
        told = (await verified(world, "audit"))["intake: audit trail"]
        await owner.execute("update intake.audit set actor = 'staff:dana' where id = 2")
    assert told.level is Level.ACT
    assert "seal 2: a row that it seals was changed" in told.figure
    assert "rows 2 to 2" in told.figure
    assert "incident" in told.do


async def test_an_end_that_was_cut_off_shows_by_what_the_logs_were_told(world, day, tmp_path):
    with what_sealers_tell() as capture:
        for service in (day.services["assessment"], day.services["scheduling"]):
            for _ in range(2):
                async with service.transaction(actor="staff:dana") as uow:
                    await audit(uow, action="read", what="chart", subject=new_id())
                async with service.pool.acquire() as conn:
                    await seal(conn, service.keyring)
    names = ("assessment", "assessment", "scheduling", "scheduling")
    lines = [json.dumps({**entry, "service": name}) for name, entry in zip(names, capture.entries, strict=True)]
    plain, packed, nothing = tmp_path / "a.log", tmp_path / "b.log.gz", tmp_path / "c.log"
    plain.write_text(f"assessment-1  | {lines[0]}\nassessment-1  | started\n")
    packed.write_bytes(gzip.compress("".join(f"2026-03-09T16:30:00Z {line}\n" for line in lines[1:]).encode()))
    nothing.write_text(lines[0])
    whole = await verified(world, "audit", told=told_in([plain, packed]))
    assert {whole[f"{name}: audit trail"].level for name in ("assessment", "scheduling")} == {Level.FINE}
    assert whole["assessment: audit trail"].figure.endswith("2 seals are as the logs were told")
    async with world.connection() as owner:
        await owner.execute(BY_HAND)
        for table, column in (("audit_sealed", "seal_id"), ("audit_seals", "id"), ("audit", "id")):
            await owner.execute(f"delete from assessment.{table} where {column} = 2")
    assert (await verified(world, "audit"))["assessment: audit trail"].level is Level.FINE, "the chain alone can't know"
    command = ["verify", "audit", "--logs", str(plain), "--logs", str(packed)]
    said = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert said.exit_code == 1
    assert "seal 2: it and whatever came after were cut off the end (it is not there)" in " ".join(said.output.split())
    found = await verified(world, "audit", told=told_in([nothing]))
    assert found["scheduling: audit trail"].level is Level.LOOK
    assert "tell of none of its seals" in found["scheduling: audit trail"].figure
    with pytest.raises(NotConfigured, match="can't be read"):
        told_in([tmp_path / "gone.log"])


async def test_what_others_keep_of_a_fact_is_compared_too(world, day, eventually, monkeypatch):
    async with world.start("scheduling"), world.start("assessment"), world.connection() as owner:
        operating(world, monkeypatch)
        patient, concern = await day.lead("Known"), new_id()
        raised = SafetyConcernRaised(
            patient_id=patient, concern_id=concern, kind="suicidality", level="high", raised_at=datetime.now(UTC)
        )
        await day.say("assessment", raised)
        kept = "select count(*) from scheduling.concerns where concern_id = $1"
        await eventually(lambda: owner.fetchval(kept, concern), equals=1, timeout=60)
        opened = "select count(*) from assessment.charts where patient_id = $1"
        await eventually(lambda: owner.fetchval(opened, patient), equals=1, timeout=60)
        parts = ("scheduling", "assessment")
        assert {one.level for one in (await verified(world, *parts)).values()} == {Level.FINE}
        await owner.execute("update scheduling.concerns set cleared = true where concern_id = $1", concern)
        await owner.execute("delete from assessment.charts where patient_id = $1", patient)
        await owner.execute("delete from assessment.patient_keys where subject = $1", patient)
        found = await verified(world, *parts)
    assert found["scheduling: facts of others"].details == (
        f"concerns of {patient} ({concern}): cleared is true, rebuilt false",
    )
    assert found["assessment: facts of others"].details == (
        f"charts of {patient} (chart): missing here",
        f"patient_keys of {patient} (known): missing here",
    )
