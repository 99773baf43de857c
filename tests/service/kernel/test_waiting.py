"""Events that wait: applied as soon as they can be, whoever dies meanwhile; asked for only where they are missing."""

from collections.abc import Callable
from uuid import UUID

from shared.consuming import Record
from shared.contracts.assessment import ApprovalRevoked
from shared.contracts.base import Event, Source
from shared.contracts.envelope import Envelope, to_headers
from shared.contracts.intake import LeadClosed, LeadCreated, LeadUpdated
from shared.db.pool import open_pool
from shared.errors import NotYet
from shared.ids import new_id
from shared.inbox import incoming, positions
from shared.inbox.trying import RETRY_SECONDS
from shared.service import Service
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
LONG_AGO = "update parked set parked_at = clock_timestamp() - interval '1 minute'"
PARK = """
insert into parked (source, subject, sequence, reason, headers, body, parked_at)
values (2, $1, $2, 'gap', '[]', '', clock_timestamp() - interval '1 minute')
"""
GIVE_UP = """
insert into dead_letters (fingerprint, source, subject, sequence, reason, error, topic, partition, "offset", record)
values (sha256($1::uuid::text::bytea), 2, $1, $2, 'permanent', 'test', 'passage.assessment.v1', 0, 0, 'sealed')
"""


def record_of(source: Source, event: Event, sequence: int) -> Record:
    """An event as its topic brings it, which no log holds: nobody can publish it again."""
    envelope = envelope_of(source, event.subject, sequence, event.type_from(source))
    value = event.model_dump_json().encode()
    return Record(f"passage.{source}.v1", 0, sequence, str(event.subject).encode(), value, tuple(to_headers(envelope)))


async def test_who_dies_between_an_effect_and_what_waited_for_it_leaves_nobody_waiting(
    intake: Service, make: Make
) -> None:
    """The batch comes again and is skipped, so nothing moves that would take the waiting along."""
    consumes, _ = recorder(LeadCreated, ApprovalRevoked)
    dying = make("dashboard", consumes=consumes)
    dying.pool = await open_pool(dying.dsn, name="dashboard", size=2)
    assert dying.consumer is not None
    patient = new_id()
    async with dying.reading() as uow:
        waits = record_of("assessment", revoked(patient, uow), 1)
    await dying.consumer.handling.handle([waits])
    assert [row["reason"] for row in await rows(dying, "select reason from parked")] == ["needs:LeadCreated"]
    await create_lead(intake, patient)
    lead = incoming.read((await as_records(intake))[0])
    incoming.validate(lead, consumes)
    await dying.consumer.handling._applier.apply([lead])  # committed; here it is killed
    async with dying.pool.acquire() as conn:
        await conn.execute(LONG_AGO)
    await dying.pool.close()
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        await eventually(lambda: rows(dashboard, "select from parked"), equals=[])
        assert await sequences(dashboard, patient) == [1, 1]


async def test_one_that_must_wait_longer_keeps_none_before_it_waiting(make: Make) -> None:
    consumes, _ = recorder(LeadCreated, LeadUpdated)

    @consumes(LeadClosed)
    async def on_lead_closed(_uow: UnitOfWork, _event: LeadClosed, _at: Envelope) -> None:
        raise NotYet("what nobody says")

    silent = make("intake")
    silent.pool = await open_pool(silent.dsn, name="intake", size=2)
    patient = await create_lead(silent)
    async with silent.transaction(actor="test") as uow:
        uow.publish(updated(patient), closed(patient), updated(patient))
    first, *later = await as_records(silent)
    await silent.pool.close()
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        assert dashboard.consumer is not None
        await dashboard.consumer.handling.handle(later)
        await dashboard.consumer.handling.handle([first])
        assert await sequences(dashboard, patient) == [1, 2]
        assert len(await rows(dashboard, "select from parked")) == 2
        async with dashboard.pool.acquire() as conn:
            await conn.execute(LONG_AGO)
            assert await positions.gaps(conn) == {}, "it is here, so nobody has to publish it again"


async def test_what_was_given_up_is_not_asked_for_again(make: Make) -> None:
    """It would come and be given up anew, every ten seconds, until somebody decides."""
    dashboard = make("dashboard")
    dashboard.pool = await open_pool(dashboard.dsn, name="dashboard", size=2)
    given_up, missing, both = (new_id() for _ in range(3))
    async with dashboard.transaction(actor="test") as uow:
        for subject, sequence in ((given_up, 2), (missing, 2), (both, 3), (both, 5)):
            await uow.conn.execute(PARK, subject, sequence)
        await uow.conn.execute(GIVE_UP, given_up, 1)
        await uow.conn.execute(GIVE_UP, both, 3)
    async with dashboard.reading() as uow:
        found: dict[tuple[int, UUID], int] = await positions.gaps(uow.conn)
        assert found == {(2, missing): 1, (2, both): 1}
        assert await positions.overdue(uow.conn) == set()
    await dashboard.pool.close()


async def test_what_was_given_up_and_comes_again_is_not_tried_at_length_again(make: Make) -> None:
    """A batch of hundreds would never be at its end before its group has given it to somebody else."""
    consumes, _ = recorder(LeadCreated)
    tried = list[int]()

    @consumes(LeadUpdated)
    async def on_lead_updated(_uow: UnitOfWork, _event: LeadUpdated, at: Envelope) -> None:
        tried.append(at.sequence)
        raise ZeroDivisionError

    silent = make("intake")
    silent.pool = await open_pool(silent.dsn, name="intake", size=2)
    patient = await create_lead(silent)
    async with silent.transaction(actor="test") as uow:
        uow.publish(updated(patient))
    records = await as_records(silent)
    await silent.pool.close()
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        assert dashboard.consumer is not None
        await dashboard.consumer.handling.handle(records)
        assert len(tried) > len(RETRY_SECONDS)
        tried.clear()
        await dashboard.consumer.handling.handle(records[1:])
        assert tried == [2]
        [letter] = await rows(dashboard, "select sequence, resolved_at from dead_letters")
        assert (letter["sequence"], letter["resolved_at"]) == (2, None)
