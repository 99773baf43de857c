"""The clinic's key is rotated, everything is closed anew and the old key retired, while leads come in.

Nothing is lost, and what was sealed before, in between and after opens with the new key alone.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from passage import keys
from passage.context import OWNER_URL, NotConfigured
from services.identity.accounts import add_user, totp_secret_of
from services.identity.repository import account
from tests.support.intake import Intake
from tests.support.sign_in import PASSWORD
from tests.support.world import Running, World

Eventually = Callable[..., Awaitable[Any]]
READERS = ("intake", "assessment", "dashboard")
CLIENTS = 3
FOREIGN = "select count(*) from {schema}.patient_keys where kid <> $1"
LETTERS = "select count(*) from {schema}.dead_letters"
KNOWN = "select count(*) from {schema}.patient_keys where subject = any($1::uuid[])"
REPLAY = "insert into replay_requests (from_at, requested_by) values ('epoch', 'test')"


@dataclass
class Load:
    """Leads that come in all the time; `names` of those that were accepted, by id."""

    intake: Intake
    names: dict[UUID, str] = field(default_factory=dict)
    stop: bool = False

    async def client(self, number: int) -> None:
        sent = 0
        while not self.stop:
            name = f"Caller {number} {sent}"
            answer = await self.intake.lead(name=name, phone=f"+1801{number + 560:03d}{sent:04d}")
            assert answer.status_code == 201, answer.text
            self.names[UUID(answer.json()["patient_id"])] = name
            sent += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        clients = [asyncio.create_task(self.client(number)) for number in range(CLIENTS)]
        try:
            yield
        finally:
            self.stop = True
            await asyncio.gather(*clients)


@contextmanager
def operating(world: World) -> Iterator[None]:
    """Where the command finds the clinic: as after `make up`."""
    told = {**world.wiring.variables("intake"), OWNER_URL: world.dsn()}
    os.environ.update(told)
    yield
    for name in told:
        os.environ.pop(name, None)


async def newcomers(load: Load, eventually: Eventually) -> None:
    """Ten more leads have been accepted."""
    before = len(load.names)
    await eventually(lambda: len(load.names) >= before + 10, timeout=60)


async def test_a_key_is_rotated_and_retired_while_leads_come_in(world: World, eventually: Eventually) -> None:
    async with AsyncExitStack() as stack:
        services = {name: await stack.enter_async_context(world.start(name)) for name in (*READERS, "identity")}
        load = Load(await Intake.of(services["intake"], world))
        ring = services["identity"].service.keyring
        async with world.connection("identity") as conn:
            made = await add_user(
                conn, clinic=services["identity"].service.clinic, keyring=ring, person_id="dana", password=PASSWORD
            )
        with operating(world):
            async with load.running():
                await newcomers(load, eventually)
                assert keys.rotate(keys.key_file()) == "k2"
                await eventually(lambda: active(services), equals={"k2"}, timeout=30)
                await newcomers(load, eventually)
                with pytest.raises(NotConfigured, match="rewrap"):
                    keys.retire(keys.key_file(), "k1", await keys.count())
                await eventually(lambda: rewrapped(), equals={"k2"}, timeout=60)
                keys.retire(keys.key_file(), "k1", await keys.count())
                await eventually(lambda: known_keys(services), equals={frozenset({"k2"})}, timeout=30)
                await newcomers(load, eventually)
        await everything_is_there(world, load, eventually)
        async with world.connection("identity") as conn:
            dana = await account(conn, "dana")
            assert dana is not None
            assert totp_secret_of(dana, ring) == made.totp_secret
        await who_begins_anew_reads_it_too(world, load, eventually)


def active(services: dict[str, Running]) -> set[str]:
    return {running.service.keyring.active for running in services.values()}


def known_keys(services: dict[str, Running]) -> set[frozenset[str]]:
    assert active(services) == {"k2"}
    return {running.service.keyring.ids for running in services.values()}


async def rewrapped() -> set[str]:
    """The keys on which anything hangs, after another round."""
    await keys.close_anew(keys.ring(keys.key_file()))
    return set(await keys.count())


async def everything_is_there(world: World, load: Load, eventually: Eventually) -> None:
    """Each accepted lead is known in each service, by a key that opens with the new one alone."""
    ids = list(load.names)
    async with world.connection() as conn:
        for schema in READERS:
            known = KNOWN.format(schema=schema)
            await eventually(lambda known=known: conn.fetchval(known, ids), equals=len(ids), timeout=60)
            assert await conn.fetchval(FOREIGN.format(schema=schema), "k2") == 0
            assert await conn.fetchval(LETTERS.format(schema=schema)) == 0
    for patient, name in load.names.items():
        first = (await load.intake.events(patient))[0][1]
        assert first["key"]["kid"] == "k2"
        assert (await load.intake.box(patient)).open(first["name"]) == name


async def who_begins_anew_reads_it_too(world: World, load: Load, eventually: Eventually) -> None:
    async with world.connection() as conn:
        await conn.execute("truncate dashboard.inbox, dashboard.patient_keys")
        async with world.connection("intake") as intake:
            await intake.execute(REPLAY)
        known = KNOWN.format(schema="dashboard")
        await eventually(lambda: conn.fetchval(known, list(load.names)), equals=len(load.names), timeout=60)
        assert await conn.fetchval(FOREIGN.format(schema="dashboard"), "k2") == 0


def test_what_would_lose_something_is_refused(tmp_path: Any) -> None:
    file = tmp_path / "keys.json"
    key = "a" * 43 + "="
    file.write_text(json.dumps({"active": "k1", "keys": {"k1": key}, "lookup": key}))
    assert keys.rotate(file) == "k2"
    assert keys.rotate(file) == "k3"
    assert (file.stat().st_mode & 0o777) == 0o600
    for kid, why in (("k3", "active"), ("k9", "no 'k9'"), ("k1", "hang on k1")):
        with pytest.raises(NotConfigured, match=why):
            keys.retire(file, kid, {"k1": Counter({"intake.patient_keys": 2})})
    keys.retire(file, "k2", {"k1": Counter({"intake.patient_keys": 2})})
    assert keys.ring(file).ids == {"k1", "k3"}


def test_older_backups_can_be_read_after_a_key_was_retired(tmp_path: Any) -> None:
    file, key = tmp_path / "clinic_keys", "a" * 43 + "="
    file.write_text(json.dumps({"active": "k1", "keys": {"k1": key}, "lookup": key}))
    keys.rotate(file)
    before = file.read_bytes()
    copy = keys.retire(file, "k1", {})
    assert keys.ring(file).ids == {"k2"}
    assert (copy.name, copy.read_bytes(), copy.stat().st_mode & 0o777) == ("clinic_keys.with-k1", before, 0o600)
    file.write_bytes(before)
    with pytest.raises(NotConfigured, match="is there already"):
        keys.retire(file, "k1", {})
    assert (file.read_bytes(), copy.read_bytes()) == (before, before), "a key that nobody else has is not written over"
