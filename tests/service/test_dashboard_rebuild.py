"""The dashboard owns nothing: dropped and rebuilt from the producers' logs, it is the same."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.contracts import intake as i
from shared.contracts import notifications as n
from shared.contracts import scheduling as s
from shared.ids import new_id
from tests.support.dashboard import Producers
from tests.support.patients import Cast

MIGRATIONS = Path(__file__).parents[2] / "services" / "dashboard" / "migrations"
READ_MODEL = {
    "facts": "select patient_id, source, facts::text from facts order by 1, 2",
    "story": "select source, subject, sequence, patient_id, type, at, actor, payload::text from story order by 1, 2, 3",
    "aliases": "select patient_id, absorbed_id from aliases order by 1, 2",
    "findable": "select patient_id, hash from findable order by 1, 2",
    "work": "select * from work order by task_id",
}
FORGET = (
    "truncate facts, story, aliases, work, findable, changes, inbox, parked, dead_letters, patient_keys, tombstones"
)
ALL_AGAIN = "insert into replay_requests (from_at, requested_by) values ('-infinity', 'test')"


async def test_a_rebuilt_dashboard_is_equal_to_the_one_that_was_dropped(fresh_world, eventually):
    world = fresh_world
    async with Producers.of(world) as producers:
        async with world.start("dashboard") as running:
            await _a_busy_day(producers)
            published = await _published(world)
            await eventually(lambda: _taken(world), equals=published, timeout=60)
            before = await _read_model(world)
            assert {name: len(rows) > 0 for name, rows in before.items()} == dict.fromkeys(READ_MODEL, True)
            await eventually(lambda: len(running.service.state.live.people), equals=_patients(before), timeout=15)
        async with world.connection() as owner:
            await owner.execute("set search_path = dashboard")
            await owner.execute(FORGET)
        async with world.start("dashboard"):
            for source in producers.services:
                async with world.connection(source) as conn:
                    await conn.execute(ALL_AGAIN)
            await eventually(lambda: _taken(world), equals=published, timeout=60)
            assert await _read_model(world) == before


async def test_what_an_older_read_model_lacks_is_added_by_its_migration(fresh_world, eventually):
    async with Producers.of(fresh_world) as producers, fresh_world.start("dashboard"):
        await _a_busy_day(producers)
        published = await _published(fresh_world)
        await eventually(lambda: _taken(fresh_world), equals=published, timeout=60)
    today = await _read_model(fresh_world)
    assert any("said_by" in facts for _, _, facts in today["facts"])
    async with fresh_world.connection() as owner:
        await owner.execute("set search_path = dashboard")
        await owner.execute("update facts set facts = facts - 'said_by'")
        await owner.execute((MIGRATIONS / "0111_said_by.sql").read_text())
    assert await _read_model(fresh_world) == today


OLDER = """
update facts set facts = jsonb_set(facts, '{prep}', (
    select jsonb_object_agg(v.key, (select jsonb_object_agg(a.key, a.value -> 'ok') from jsonb_each(v.value) a))
      from jsonb_each(facts -> 'prep') v))
 where source = 'notifications' and facts ? 'prep';
update facts set facts = jsonb_set(facts, '{appointments}', (
    select jsonb_object_agg(v.key, v.value - 'moved_at') from jsonb_each(facts -> 'appointments') v))
 where source = 'scheduling' and facts ? 'appointments'
"""
"""The facts as they were before they said for which time of a session its preparation was answered."""


RIDES_OLDER = """
update facts set facts = jsonb_set(facts, '{rides}', (
    select jsonb_object_agg(v.key, v.value - 'at' - 'starts_at') from jsonb_each(facts -> 'rides') v))
 where source = 'notifications' and facts ? 'rides'
"""


async def test_for_which_time_a_ride_was_told_is_added_by_its_migration(fresh_world, eventually):
    at = datetime.now(UTC)
    async with Producers.of(fresh_world) as producers, fresh_world.start("dashboard"):
        who, (first, second) = await Cast(producers).approved("Grace Bell", days=(2, 5))
        told = [
            n.TransportConfirmed(
                patient_id=who, appointment_id=first, by="patient", confirmed_at=at - timedelta(hours=1)
            ),
            n.TransportConfirmed(patient_id=who, appointment_id=first, starts_at=at, by="staff", confirmed_at=at),
            n.TransportConfirmed(patient_id=who, appointment_id=second, starts_at=at, by="staff", confirmed_at=at),
            n.TransportMissing(patient_id=who, appointment_id=second, starts_at=at, cut_off_at=at),
        ]
        await producers.say("notifications", *told)
        published = await _published(fresh_world)
        await eventually(lambda: _taken(fresh_world), equals=published, timeout=60)
    today = await _read_model(fresh_world)
    assert sum(facts.count("starts_at") for _, source, facts in today["facts"] if source == "notifications") == 2
    async with fresh_world.connection() as owner:
        await owner.execute("set search_path = dashboard")
        await owner.execute(RIDES_OLDER)
        assert await _read_model(fresh_world) != today
        await owner.execute((MIGRATIONS / "0113_rides_for.sql").read_text())
    assert await _read_model(fresh_world) == today


async def test_for_which_time_preparation_was_answered_is_added_by_its_migration(fresh_world, eventually):
    at = datetime.now(UTC)
    async with Producers.of(fresh_world) as producers, fresh_world.start("dashboard"):
        who, (first, second) = await Cast(producers).approved("Grace Bell", days=(2, 5))
        answers = [
            n.PrepConfirmed(patient_id=who, appointment_id=one, starts_at=when, item=item, ok=ok, answered_at=at)
            for one, when, item, ok in (
                (first, at, "sleep", True), (first, None, "calm", True), (second, at, "sleep", True),
                (second, at, "sleep", False),
            )
        ]  # fmt: skip
        moves = [
            s.AppointmentRescheduled(
                patient_id=who, appointment_id=one, kind=s.AppointmentKind.SESSION, revision=1, was_at=at,
                starts_at=at + later, ends_at=at + timedelta(hours=5), zone="UTC", reason="clinic",
            )
            for one, later in ((first, timedelta(hours=2)), (second, timedelta()))
        ]  # fmt: skip
        await producers.say("notifications", *answers)
        await producers.say("scheduling", *moves)
        published = await _published(fresh_world)
        await eventually(lambda: _taken(fresh_world), equals=published, timeout=60)
    today = await _read_model(fresh_world)
    assert sum(facts.count("moved_at") for _, _, facts in today["facts"]) == 1
    async with fresh_world.connection() as owner:
        await owner.execute("set search_path = dashboard")
        await owner.execute(OLDER)
        assert await _read_model(fresh_world) != today
        await owner.execute((MIGRATIONS / "0112_prepared_for.sql").read_text())
    assert await _read_model(fresh_world) == today


async def _a_busy_day(producers: Producers) -> None:
    cast = Cast(producers)
    await cast.everybody()
    first, second = await producers.lead("Wei Zhang"), await producers.lead("W. Zhang")
    await producers.say("intake", i.LeadMerged(patient_id=first, absorbed_id=second, reason="same-person"))
    erased = await cast.caller("Erin Erased", "Forget me", minutes=5)
    async with producers.services["intake"].transaction(actor="staff:ops") as uow:
        uow.publish(i.PatientErased(patient_id=erased, requested_at=uow.now))
    busy = i.ExternalBusyChanged(
        busy_id=new_id(), vendor="vagaro", provider_ref="osei", starts_at=uow.now, ends_at=uow.now
    )
    await producers.say("intake", busy)


async def _published(world: Any) -> int:
    async with world.connection() as owner:
        return int(
            await owner.fetchval(
                "select sum(sequence) from (select * from intake.streams union all select * from assessment.streams"
                " union all select * from scheduling.streams union all select * from notifications.streams) s"
            )
        )


async def _taken(world: Any) -> int:
    async with world.connection("dashboard") as conn:
        return int(await conn.fetchval("select coalesce(sum(sequence), 0) from inbox"))


async def _read_model(world: Any) -> dict[str, list[tuple[Any, ...]]]:
    async with world.connection("dashboard") as conn:
        return {name: [tuple(row) for row in await conn.fetch(sql)] for name, sql in READ_MODEL.items()}


def _patients(model: dict[str, list[tuple[Any, ...]]]) -> int:
    absorbed = {row[1] for row in model["aliases"]}
    known = {row[0] for row in model["facts"] if row[1] == "intake" and json.loads(row[2])}
    return len(known - absorbed)
