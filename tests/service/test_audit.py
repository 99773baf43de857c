"""The audit trail: written with what it tells of, unchangeable for services, and any change by others is seen."""

import json
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.identity.settings import IdentitySettings
from shared.audit import audit, examine, seal, seals_told
from shared.ids import new_id
from shared.security.keyring import Keyring
from tests.support.probe import probing, settings_of
from tests.support.sealing import sealers_at_rest, what_sealers_tell


@asynccontextmanager
async def a_desk(world):
    settings = settings_of(world, "identity", IdentitySettings, oidc_issuer=world.issuer.url)
    async with world.connection() as owner, probing(world, "identity", settings, []) as running:
        await owner.execute("set session_replication_role = replica")
        await owner.execute("truncate identity.audit, identity.audit_seals, identity.audit_sealed")
        yield running


@pytest.fixture
async def desk(world):
    with sealers_at_rest():
        async with a_desk(world) as running:
            yield running


@pytest.fixture
def log_of_seals():
    with what_sealers_tell() as capture:
        yield capture


async def read_charts(desk, count):
    async with desk.service.transaction(actor="staff:osei") as uow:
        for _ in range(count):
            await audit(uow, action="read", what="chart", subject=new_id(), detail={"fields": 3})


async def sealed(desk):
    async with desk.service.pool.acquire() as conn:
        return await seal(conn, desk.service.keyring)


async def check(desk, keyring=None):
    async with desk.service.pool.acquire() as conn:
        found = await examine(conn, keyring or desk.service.keyring)
    return None if found is None else found.seal


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


async def test_every_service_seals_on_its_own_and_tells_its_log(world, eventually, monkeypatch, log_of_seals):
    monkeypatch.setattr("shared.audit.PAUSE_SECONDS", 0.05)
    async with a_desk(world) as desk:
        for batch in (2, 3):
            await read_charts(desk, batch)
            await eventually(lambda: count(world, "audit_sealed"), equals=await count(world, "audit"))
        told = seals_told(json.dumps({**entry, "service": "identity"}) for entry in log_of_seals.entries)
        assert set(told["identity"]) == set(range(1, await count(world, "audit_seals") + 1))
        assert await examined(desk, told["identity"]) is None


async def count(world, table):
    async with world.connection() as conn:
        return await conn.fetchval(f"select count(*) from identity.{table}")


INSERTED = """
with forged as (insert into identity.audit (at, actor, action, what)
                select at, 'staff:osei', 'read', 'chart' from identity.audit order by id limit 1 returning id)
insert into identity.audit_sealed select id, 2 from forged
"""
BACKDATED = "insert into identity.audit (at, actor, action, what) values (now() - interval '3 d', 'x', 'read', 'chart')"
LAST = "(select max(id) from identity.audit_seals)"
CUT_OFF = f"""
delete from identity.audit where id in (select audit_id from identity.audit_sealed where seal_id = {LAST});
delete from identity.audit_sealed where seal_id = {LAST};
delete from identity.audit_seals where id = {LAST}
"""
SEALED_AGAIN = CUT_OFF.partition(";")[2]
TAMPERING = {
    "changed: who": ("update identity.audit set actor = 'staff:tran' where id = (select max(id) from identity.audit)",
                     (3, "changed")),
    "changed: when": ("update identity.audit set at = at + interval '1 second'", (1, "changed")),
    "changed: whom": ("update identity.audit set subject = uuidv7() where id = (select min(id) from identity.audit)",
                      (1, "changed")),
    "deleted: a row": ("delete from identity.audit where id = (select min(id) from identity.audit)", (1, "removed")),
    "deleted: its mark": (
        "delete from identity.audit_sealed where audit_id = (select max(audit_id) from identity.audit_sealed)",
        (3, "removed")),
    "inserted: into what was sealed": (INSERTED, (2, "added")),
    "inserted: into the past": (BACKDATED, (4, "added")),
    "changed: the seal": ("update identity.audit_seals set digest = digest || 'x' where id = 2", (2, "changed")),
    "deleted: the first seal": ("delete from identity.audit_seals where id = 1", (1, "seal missing")),
    "deleted: a seal between": ("delete from identity.audit_seals where id = 2", (2, "seal missing")),
    "cut off: the end": (CUT_OFF, (3, "cut off")),
}  # fmt: skip


@pytest.mark.parametrize("tampering", TAMPERING)
async def test_whoever_owns_the_database_cannot_change_it_unseen(world, desk, tampering, log_of_seals):
    told = await three_seals(desk, log_of_seals)
    assert await examined(desk, told) is None
    sql, (seal_number, what) = TAMPERING[tampering]
    await as_owner(world, sql)
    found = await examined(desk, told)
    assert (found.seal, found.what) == (seal_number, what)
    assert str(found).startswith(f"seal {seal_number}: ")


async def test_what_is_cut_off_and_sealed_again_is_not_what_was_told(world, desk, log_of_seals):
    told = await three_seals(desk, log_of_seals)
    await as_owner(world, SEALED_AGAIN)
    await as_owner(world, "delete from identity.audit where id = (select max(id) from identity.audit)")
    await sealed(desk)
    assert await check(desk) is None, "the chain alone can't know"
    found = await examined(desk, told)
    assert (found.seal, found.what) == (3, "seal replaced")


async def three_seals(desk, log_of_seals):
    """Three batches; what the log was told of them."""
    for _ in range(3):
        await read_charts(desk, 2)
        await sealed(desk)
    lines = [json.dumps({**entry, "service": "identity"}) for entry in log_of_seals.entries]
    told = seals_told(["not JSON audit.sealed", *lines])["identity"]
    assert set(told) == {1, 2, 3}
    return told


async def examined(desk, told):
    async with desk.service.pool.acquire() as conn:
        return await examine(conn, desk.service.keyring, told)


async def as_owner(world, sql):
    async with world.connection() as owner:
        await owner.execute("set session_replication_role = replica")
        await owner.execute(sql)


async def test_without_the_clinics_key_no_chain_can_be_made(desk):
    await read_charts(desk, 1)
    await sealed(desk)
    assert await check(desk, Keyring("k1", {"k1": b"1" * 32}, b"2" * 32)) == 1
