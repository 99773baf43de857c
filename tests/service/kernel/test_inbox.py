"""Consuming: once, in order, or seen to be missing."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from shared.consuming import Consumes
from shared.contracts.assessment import ApprovalRevoked
from shared.contracts.base import Event
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadClosed, LeadCreated, LeadUpdated
from shared.contracts.topics import events_of
from shared.db.pool import open_pool
from shared.errors import NotYet, Transient
from shared.ids import new_id
from shared.inbox import positions
from shared.inbox.consumer import COMMIT_SECONDS, STALE_SECONDS, Consumer
from shared.inbox.trying import LATER, SHARES, WORTH_SHARING
from shared.service import Service
from shared.telemetry import metrics
from shared.uow import UnitOfWork
from tests.support.kernel import (
    as_records,
    closed,
    create_lead,
    envelope_of,
    recorder,
    revoked,
    rows,
    running,
    sequences,
    updated,
)
from tests.support.waiting import eventually

Make = Callable[..., Service]
Send = Callable[..., Awaitable[None]]
PASS_BY = """
update relay set cursor = pg_current_snapshot()::text, cursor_at = clock_timestamp(), upper = null, upper_at = null,
       after_id = 0
"""
PARK_LONG_AGO = """
insert into parked (source, subject, sequence, reason, headers, body, parked_at)
values (2, $1, $2, 'needs:LeadCreated', '[]', '', clock_timestamp() - interval '1 minute')
"""
GIVE_UP = """
insert into dead_letters (fingerprint, source, subject, sequence, reason, error, topic, partition, "offset", record)
values ('\x01', 2, $1, 1, 'permanent', 'test', 'passage.assessment.v1', 0, 0, 'sealed')
"""


async def test_a_fact_travels_to_another_services_table_once(intake: Service, make: Make) -> None:
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        async with intake.transaction(actor="test") as uow:
            uow.publish(updated(patient), closed(patient), updated(patient))
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 2, 4])
        [position] = await rows(dashboard, "select sequence from inbox where subject = $1", patient)
        assert position["sequence"] == 4, "a type without a handler passes by and still moves the position"


async def test_offsets_are_committed_as_the_member_that_read_them_or_not_at_all(intake: Service, make: Make) -> None:
    """A group that doesn't know its member any more has forgotten its offsets too: the old ones would be lies."""
    async with at_rest(intake, make) as (reading, offsets):
        reading._coordinator.reset_generation()  # as on a broker's answer
        offsets.waiting, offsets._since = True, monotonic() - COMMIT_SECONDS
        await offsets.commit(reading)
        assert offsets.waiting, "nobody's offsets were committed"
        await eventually(lambda: not offsets.waiting, timeout=30)  # as the member that it has become again


async def test_a_process_that_stood_still_commits_nothing_of_before(
    intake: Service, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be nobody's member by now, and a broker that was emptied meanwhile would take its old offsets for new."""
    async with at_rest(intake, make) as (reading, offsets):
        told = list[object]()

        async def commit(*given: object) -> None:
            told.append(given)

        monkeypatch.setattr(reading._coordinator, "_do_commit_offsets", commit)
        long_ago = monotonic() - STALE_SECONDS - 1
        offsets.waiting, offsets._since, offsets._seen = True, long_ago, long_ago
        await offsets.commit(reading)
        assert (offsets.waiting, told) == (False, [])
        offsets.waiting, offsets._since, offsets._seen = True, long_ago, long_ago
        offsets.applied()  # it did not stand still, a batch took so long
        await offsets.commit(reading)
        assert (offsets.waiting, len(told)) == (False, 1)


@asynccontextmanager
async def at_rest(intake: Service, make: Make) -> AsyncIterator[tuple[AIOKafkaConsumer, Any]]:
    """A consumer that has applied an event and committed its offset: aiokafka's, and when ours commits."""
    consumes, _ = recorder(LeadCreated)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        assert dashboard.consumer is not None
        reading, offsets = dashboard.consumer._subscriber.consumer, dashboard.consumer._offsets
        assert reading is not None
        await eventually(lambda: not offsets.waiting)
        yield reading, offsets


async def test_what_an_alert_counts_begins_at_zero(make: Make) -> None:
    """A counter that is first seen at one has not grown, and nobody hears of the first letter that is set aside."""
    metrics.DEAD_LETTERS.clear()
    metrics.GAPS.clear()
    async with running(make("dashboard", consumes=recorder(LeadCreated)[0])):
        for name, label in (
            ("passage_dead_letters_total", {"topic": events_of("intake")}),
            ("passage_inbox_gaps_total", {"source": "intake"}),
        ):
            assert metrics.REGISTRY.get_sample_value(name, label) == 0


async def test_replay_of_any_age_changes_nothing(intake: Service, make: Make) -> None:
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        async with intake.transaction(actor="test") as uow:
            await uow.conn.execute("insert into replay_requests (from_at, requested_by) values ('-infinity', 'test')")
        later = await create_lead(intake)
        await eventually(lambda: sequences(dashboard, later), equals=[1])
        assert await sequences(dashboard, patient) == [1]


async def test_a_missing_event_is_seen_asked_for_and_healed(intake: Service, make: Make) -> None:
    """The first two of a subject's events never reached this consumer: the third alone is in its hands."""
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    dashboard = make("dashboard", consumes=consumes)
    patient = await create_lead(intake)
    async with intake.transaction(actor="test") as uow:
        uow.publish(updated(patient), updated(patient))
    third = (await as_records(intake))[2]
    deaf = make("assessment", consumes=consumes)
    async with running(make("intake", consumes=Consumes())), running(deaf):
        pass
    async with running(dashboard):
        assert dashboard.consumer is not None
        await dashboard.consumer.handling.handle([third])
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 2, 3], timeout=20)
        await eventually(lambda: rows(dashboard, "select from parked"), equals=[])  # taken out after its effect


async def test_a_first_event_that_was_never_published_is_asked_for(make: Make) -> None:
    """The relay has passed a LeadCreated by. All that comes of that patient needs it, and nobody else will bring it."""
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    silent = make("intake")
    silent.pool = await open_pool(silent.dsn, name="intake", size=2)
    patient = await create_lead(silent)
    async with silent.pool.acquire() as conn:
        await conn.execute(PASS_BY)
    await silent.pool.close()
    async with (
        running(make("intake", consumes=Consumes())) as talking,
        running(make("dashboard", consumes=consumes)) as dashboard,
    ):
        async with talking.transaction(actor="test") as uow:
            uow.publish(updated(patient))
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 2], timeout=20)
        await eventually(lambda: rows(dashboard, "select from parked"), equals=[])


async def test_a_hole_behind_what_waits_for_a_lead_is_found(make: Make) -> None:
    """Nobody's next event tells of it: the positions do."""
    dashboard = make("dashboard")
    dashboard.pool = await open_pool(dashboard.dsn, name="dashboard", size=2)
    waits, whole, given_up = (new_id() for _ in range(3))
    async with dashboard.transaction(actor="test") as uow:
        for subject, sequence in ((waits, 2), (whole, 1), (whole, 2), (given_up, 2)):
            await uow.conn.execute(PARK_LONG_AGO, subject, sequence)
        await uow.conn.execute(GIVE_UP, given_up)
    async with dashboard.reading() as uow:
        assert await positions.gaps(uow.conn) == {(2, waits): 1}
    await dashboard.pool.close()


async def test_a_consumer_asks_the_relay_for_what_is_missing(intake: Service, make: Make) -> None:
    """intake's own consumer hears the request on the control topic, its relay publishes the subject again."""
    patient = await create_lead(intake)
    async with intake.transaction(actor="test") as uow:
        uow.publish(updated(patient), updated(patient))
    third = (await as_records(intake))[2]
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    scheduling = make("dashboard", consumes=consumes)
    async with running(make("intake", consumes=Consumes())) as listening, running(scheduling):
        assert scheduling.consumer is not None
        await scheduling.consumer.handling.ask({(1, patient): 1})
        [request] = await eventually(lambda: rows(listening, "select * from replay_requests where done_at is not null"))
        assert (request["subject"], request["from_sequence"], request["published"]) == (patient, 1, 3)
        assert third.offset == 2


async def test_an_event_that_needs_a_lead_waits_for_it(intake: Service, make: Make) -> None:
    consumes, _ = recorder(LeadCreated, ApprovalRevoked, LeadUpdated)
    assessment = make("assessment")
    async with running(assessment), running(make("dashboard", consumes=consumes)) as dashboard:
        patient = new_id()
        async with assessment.transaction(actor="test") as uow:
            uow.publish(*(revoked(patient, uow) for _ in range(3)))
        await eventually(lambda: rows(dashboard, "select from parked where subject = $1", patient))
        assert await sequences(dashboard, patient) == []
        await create_lead(intake, patient)
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 1, 2, 3])
        assert not await rows(dashboard, "select from parked")


async def test_an_event_of_a_newer_major_version_passes_by(intake: Service, make: Make, send: Send) -> None:
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        newer = envelope_of("intake", patient, 2, "passage.intake.LeadUpdated.v2")
        await send("passage.intake.v1", newer, '{"something": "else"}')
        body = updated(patient).model_dump_json()[:-1] + ', "added_later": {"a": 1}}'
        await send("passage.intake.v1", envelope_of("intake", patient, 3, "passage.intake.LeadUpdated.v1"), body)
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 3])


async def test_two_consumers_with_overlapping_batches_apply_once(intake: Service, make: Make) -> None:
    """A zombie and its successor hold the same batch at the same moment."""
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    first = make("dashboard", consumes=consumes)
    second = make("dashboard", consumes=recorder(LeadCreated, LeadUpdated)[0])
    patients = [await create_lead(intake) for _ in range(10)]
    async with intake.transaction(actor="test") as uow:
        uow.publish(*(updated(patient) for patient in patients for _ in range(4)))
    records = await as_records(intake)
    async with running(first), running(second):
        assert first.consumer is not None
        assert second.consumer is not None
        chance = random.Random(7)
        await asyncio.gather(
            *(
                handled(consumer, records[chance.randint(0, 5) : chance.randint(30, len(records))])
                for consumer in (first.consumer, second.consumer) * 6
            )
        )
        await handled(first.consumer, records)
        for patient in patients:
            await eventually(partial(sequences, first, patient), equals=[1, 2, 3, 4, 5])


async def handled(consumer: Consumer, batch: list[Any]) -> None:
    """As the consumer's own loop does it, which reads the same beside: what may work later is tried again."""
    while True:
        try:
            await consumer.handling.handle(batch)
        except LATER:
            continue
        return


async def test_a_large_batch_goes_in_shares_and_none_still_writes_when_another_has_failed(
    intake: Service, make: Make
) -> None:
    consumes, _ = recorder(LeadCreated)
    busy = [True]

    @consumes(LeadUpdated)
    async def on_lead_updated(uow: UnitOfWork, event: LeadUpdated, at: Envelope) -> None:
        if not event.patient_id.int % SHARES and busy:
            busy.clear()
            raise Transient("not just now")
        await uow.conn.execute("insert into effects values (default, $1, $2, $3)", at.id, at.subject, at.sequence)

    dashboard = make("dashboard", consumes=consumes)
    dashboard.pool = await open_pool(dashboard.dsn, name="dashboard", size=SHARES + 1)
    patients = [await create_lead(intake) for _ in range(WORTH_SHARING)]
    async with intake.transaction(actor="test") as uow:
        uow.publish(*map(updated, patients))
    records = await as_records(intake)
    assert dashboard.consumer is not None
    with pytest.raises(Transient):
        await dashboard.consumer.handling.handle(records)
    for patient in patients:
        assert await sequences(dashboard, patient) == ([1, 2] if patient.int % SHARES else [])
    await dashboard.consumer.handling.handle(records)
    for patient in patients:
        assert await sequences(dashboard, patient) == [1, 2]
    await dashboard.pool.close()


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_ends_in_the_same_state(intake: Service, make: Make, seed: int) -> None:
    """Records duplicated and shuffled beyond anything a broker does: each is applied once, in order, or waits."""
    consumes, _ = recorder(LeadCreated, LeadUpdated, LeadClosed)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        assert dashboard.consumer is not None
        patients = [await create_lead(intake) for _ in range(3)]
        async with intake.transaction(actor="test") as uow:
            uow.publish(*(event(patient) for patient in patients for event in (updated, closed, updated)))
        records = await as_records(intake)
        chance = random.Random(seed)
        shuffled = records * 2
        chance.shuffle(shuffled)
        while shuffled:
            batch, shuffled = shuffled[:5], shuffled[5:]
            await handled(dashboard.consumer, batch)
        for patient in patients:
            await eventually(partial(sequences, dashboard, patient), equals=[1, 2, 3, 4])
        assert not await rows(dashboard, "select from parked")


async def test_a_handler_may_say_not_yet(intake: Service, make: Make) -> None:
    consumes, _ = recorder(LeadClosed)

    @consumes(LeadUpdated)
    async def on_lead_updated(uow: UnitOfWork, event: LeadUpdated, at: Envelope) -> None:
        if not await uow.conn.fetchval("select count(*) from effects where subject = $1", event.patient_id):
            raise NotYet("ApprovalRevoked")
        await uow.conn.execute("insert into effects values (default, $1, $2, $3)", at.id, at.subject, at.sequence)

    other, _ = recorder(ApprovalRevoked)
    consumes.handlers.update(other.handlers)
    assessment = make("assessment")
    async with running(assessment), running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        async with intake.transaction(actor="test") as uow:
            uow.publish(updated(patient), closed(patient))

        async def parked() -> list[str]:
            return [row["reason"] for row in await rows(dashboard, "select reason from parked order by sequence")]

        await eventually(parked, equals=["needs:ApprovalRevoked", "gap"])
        async with assessment.transaction(actor="test") as uow:
            uow.publish(revoked(patient, uow))
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 2, 3])


def test_every_subscriber_nacks_on_error(make: Make) -> None:
    """FastStream's broker-wide policy is not inherited, and every other policy commits past a failing handler."""
    from faststream import AckPolicy

    service = make("dashboard", consumes=recorder(LeadCreated)[0])
    assert service.consumer is not None
    subscribers = service.consumer.broker.subscribers
    assert subscribers
    for subscriber in subscribers:
        assert subscriber.ack_policy is AckPolicy.NACK_ON_ERROR


def test_a_handler_is_registered_once() -> None:
    consumes, _ = recorder(LeadCreated)
    with pytest.raises(ValueError, match="LeadCreated"):
        consumes(LeadCreated)(lambda uow, event, at: asyncio.sleep(0))
    with pytest.raises(LookupError, match="no service"):
        consumes(Event)
