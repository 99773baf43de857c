"""The audit trail: written with what it tells of, unchangeable for services, and any change by others is seen."""

import asyncpg
import pytest

from services.identity.settings import IdentitySettings
from shared.audit import audit, broken_seal, seal
from shared.ids import new_id
from shared.security.keyring import Keyring
from tests.support.probe import probing, settings_of


@pytest.fixture
async def desk(world):
    settings = settings_of(world, "identity", IdentitySettings, oidc_issuer=world.issuer.url)
    async with world.connection() as owner, probing(world, "identity", settings, []) as running:
        await owner.execute("set session_replication_role = replica")
        await owner.execute("truncate identity.audit, identity.audit_seals, identity.audit_sealed")
        yield running


async def read_charts(desk, count):
    async with desk.service.transaction(actor="staff:osei") as uow:
        for _ in range(count):
            await audit(uow, action="read", what="chart", subject=new_id(), detail={"fields": 3})


async def sealed(desk):
    async with desk.service.pool.acquire() as conn:
        return await seal(conn, desk.service.keyring)


async def check(desk, keyring=None):
    async with desk.service.pool.acquire() as conn:
        return await broken_seal(conn, keyring or desk.service.keyring)


async def test_a_read_is_recorded_with_who_what_and_whom(world, desk):
    await read_charts(desk, 1)
    async with world.connection() as conn:
        row = await conn.fetchrow("select actor, action, what, subject, trace from identity.audit")
    assert (row["actor"], row["action"], row["what"]) == ("staff:osei", "read", "chart")


async def read_and_fail(desk):
    async with desk.service.transaction(actor="staff:osei") as uow:
        await audit(uow, action="write", what="chart", subject=None)
        raise RuntimeError


async def test_what_is_rolled_back_is_not_recorded(world, desk):
    with pytest.raises(RuntimeError):
        await read_and_fail(desk)
    async with world.connection() as conn:
        assert await conn.fetchval("select count(*) from identity.audit") == 0


@pytest.mark.parametrize("table", ["audit", "audit_seals", "audit_sealed"])
async def test_the_service_can_neither_change_nor_remove_a_row(desk, table):
    await read_charts(desk, 1)
    await sealed(desk)
    async with desk.service.pool.acquire() as conn:
        for attempt in ("delete from {}", "truncate {}", "alter table {} disable trigger all", "drop table {}"):
            with pytest.raises(asyncpg.PostgresError):
                await conn.execute(attempt.format(table))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("update audit set actor = 'patient'")


async def test_the_chain_holds_over_many_batches_and_late_commits(desk):
    await read_charts(desk, 3)
    late = await desk.service.pool.acquire()
    transaction = late.transaction()
    await transaction.start()
    await late.execute("insert into audit (actor, action, what) values ('staff:lang', 'read', 'chart')")
    await read_charts(desk, 2)
    assert await sealed(desk) == 5
    await transaction.commit()
    await desk.service.pool.release(late)
    assert await sealed(desk) == 1
    assert await sealed(desk) == 0
    assert await check(desk) is None


@pytest.mark.parametrize(
    "tampering",
    [
        "update identity.audit set actor = 'staff:tran' where id = (select max(id) from identity.audit)",
        "update identity.audit set at = at + interval '1 second'",
        "delete from identity.audit where id = (select min(id) from identity.audit)",
        "delete from identity.audit_sealed where audit_id = (select max(audit_id) from identity.audit_sealed)",
        "update identity.audit_seals set digest = digest || 'x'",
        "delete from identity.audit_seals where id = 1",
    ],
)
async def test_whoever_owns_the_database_cannot_change_it_unseen(world, desk, tampering):
    for _ in range(3):
        await read_charts(desk, 2)
        await sealed(desk)
    assert await check(desk) is None
    async with world.connection() as owner:
        await owner.execute("set session_replication_role = replica")
        await owner.execute(tampering)
    assert await check(desk) is not None


async def test_without_the_clinics_key_no_chain_can_be_made(desk):
    await read_charts(desk, 1)
    await sealed(desk)
    assert await check(desk, Keyring("k1", {"k1": b"1" * 32}, b"2" * 32)) == 1
