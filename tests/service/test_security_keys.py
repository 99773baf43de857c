"""Patients' keys in a service's own table: made once, brought by events, gone for good when the patient is erased."""

import asyncio
import os
from datetime import UTC, datetime

import pytest

from services.identity.settings import IdentitySettings
from shared.consuming import Record
from shared.contracts.envelope import Envelope
from shared.errors import NotYet
from shared.ids import new_id
from shared.inbox import dead_letters
from shared.security.keys import KeyErased, KeyMissing, PatientKeys
from shared.security.sealing import Unsealable
from tests.support.probe import probing, settings_of


@pytest.fixture
async def desk(world):
    settings = settings_of(world, "identity", IdentitySettings, oidc_issuer=world.issuer.url)
    async with probing(world, "identity", settings, []) as running:
        yield running


@pytest.fixture
async def keys(desk):
    async with desk.service.pool.acquire() as conn:
        yield PatientKeys(conn, desk.service.keyring)


async def test_a_key_is_made_once_and_opens_what_it_sealed(keys):
    anna = new_id()
    first = await keys.create(anna)
    assert await keys.create(anna) == first
    sealed = (await keys.box(anna)).seal("Anna Miller")
    assert (await keys.box(anna)).open(sealed) == "Anna Miller"


async def test_two_who_make_it_at_the_same_moment_get_the_same(desk):
    anna = new_id()

    async def make():
        async with desk.service.transaction(actor="patient") as uow:
            return await uow.keys.create(anna)

    made = await asyncio.gather(*(make() for _ in range(6)))
    assert len({key.wrapped for key in made}) == 1


async def test_an_unknown_patient_makes_an_event_wait(keys):
    with pytest.raises(KeyMissing, match="LeadCreated") as raised:
        await keys.box(new_id())
    assert isinstance(raised.value, NotYet)


async def test_many_boxes_leave_out_who_has_none(keys):
    anna, ben, nobody = new_id(), new_id(), new_id()
    await keys.create(anna)
    await keys.create(ben)
    assert set(await keys.boxes([anna, ben, nobody])) == {anna, ben}
    assert await keys.boxes([]) == {}


async def test_an_erased_patient_stays_erased_whatever_is_replayed(keys):
    anna = new_id()
    brought = await keys.create(anna)
    sealed = (await keys.box(anna)).seal("afraid of needles")
    await keys.destroy(anna)
    await keys.destroy(anna)
    await keys.adopt(anna, brought)
    for attempt in (keys.box, keys.find, keys.create):
        with pytest.raises(KeyErased):
            await attempt(anna)
    assert await keys.boxes([anna]) == {}
    assert sealed.startswith("s1.")


async def test_a_dead_letter_that_was_dealt_with_keeps_no_key_either(keys, desk):
    anna, ring = new_id(), desk.service.keyring
    brought = await keys.create(anna)
    where = {"topic": "passage.intake.v1", "partition": 3, "offset": 8}
    told = Envelope(new_id(), "passage.intake.LeadCreated.v1", "intake", anna, 1, datetime.now(UTC), "test", anna)
    letter = Record(**where, key=str(anna).encode(), value=brought.wrapped.encode(), headers=())
    async with desk.service.pool.acquire() as conn:
        await dead_letters.keep(conn, ring, letter, told, reason="permanent", error="test")
        await keys.destroy(anna)
        waits = await conn.fetchval("select record from dead_letters where subject = $1", anna)
        assert dead_letters.unseal(ring, waits, **where).value == letter.value
        await conn.execute("update dead_letters set resolved_at = now() where subject = $1", anna)
        await keys.destroy(anna)
        kept = await conn.fetchval("select record from dead_letters where subject = $1", anna)
        assert dead_letters.unseal(ring, kept, **where).value == b""


async def test_erasure_before_the_first_event_is_kept_too(desk, keys):
    anna = new_id()
    brought = desk.service.keyring.wrap(anna, os.urandom(32))
    await keys.destroy(anna)
    await keys.adopt(anna, brought)
    with pytest.raises(KeyErased):
        await keys.box(anna)


async def test_what_another_process_destroyed_is_gone_here_at_once(desk, keys):
    anna = new_id()
    await keys.create(anna)
    await keys.box(anna)
    async with desk.service.transaction(actor="system:identity") as uow:
        await uow.keys.destroy(anna)
    with pytest.raises(KeyErased):
        await keys.box(anna)


async def test_somebody_elses_key_is_not_adopted(desk, keys):
    anna, ben = new_id(), new_id()
    with pytest.raises(Unsealable):
        await keys.adopt(anna, desk.service.keyring.wrap(ben, os.urandom(32)))
    with pytest.raises(KeyMissing):
        await keys.box(anna)
