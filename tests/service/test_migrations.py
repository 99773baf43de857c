"""Schemas, roles and the files that make them."""

from pathlib import Path

import asyncpg
import pytest

from shared.db import migrate as module
from shared.db.migrate import SERVICES, MigrationRefused, migrate, role_of
from shared.db.roles import CLOCK_ROLE
from tests.support.postgres import PASSWORD

OTHERS = [(mine, theirs) for mine in SERVICES for theirs in SERVICES if mine != theirs]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A house with one service whose files a test may write."""
    folder = tmp_path / "intake" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_first.sql").write_text("create table a (id int primary key);")
    monkeypatch.setattr(module, "HOUSES", tmp_path)
    return folder


@pytest.fixture
async def empty(world):
    name = await world.databases.create("migrations")
    yield world.databases.dsn(name)
    await world.databases.drop(name)


async def test_all_services_are_migrated_and_a_second_run_changes_nothing(world):
    assert await migrate(world.dsn()) == {service: [] for service in SERVICES}


@pytest.mark.parametrize(("mine", "theirs"), OTHERS)
async def test_a_role_neither_reads_nor_writes_nor_finds_anothers_tables(world, mine, theirs):
    async with world.connection(mine) as connection:
        for statement in (
            f"select * from {theirs}.event_log",
            f"insert into {theirs}.tombstones (subject) values (uuidv7())",
            f"delete from {theirs}.timers",
            f"create table {theirs}.mine (id int)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_role_uses_its_own_tables_unqualified_but_can_not_change_them(world):
    async with world.connection("intake") as connection:
        assert await connection.fetchval("select current_schema()") == "intake"
        await connection.execute("insert into tombstones (subject) values (uuidv7())")
        for statement in ("drop table tombstones", "alter table tombstones add column more int", "truncate tombstones"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_role_makes_nothing_in_public_and_no_schema(world):
    async with world.connection("dashboard") as connection:
        for statement in ("create table public.mine (id int)", "create schema mine"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_role_can_not_forge_which_migrations_ran(world):
    async with world.connection("intake") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("delete from migrations")


async def test_a_role_lets_the_partitions_of_its_log_be_made(world):
    async with world.connection("intake") as connection:
        await connection.fetchval("select ensure_event_log_partitions(2)")
        assert await connection.fetchval("select ensure_event_log_partitions(2)") == 0
        assert await connection.fetchval("select count(*) from event_log") == 0


async def test_an_event_that_came_before_its_months_partition_stops_nobody(fresh_world):
    async with fresh_world.connection() as connection:
        await connection.execute("set search_path = assessment")
        await connection.execute(
            "insert into event_log (at, event_id, subject, sequence, partition, type, time, actor, correlation, body)"
            " values (now() + interval '6 months', uuidv7(), uuidv7(), 1, 0, 'a', now(), 'a', uuidv7(), '{}')"
        )
        assert await connection.fetchval("select ensure_event_log_partitions(8)") == 4
        assert await connection.fetchval("select count(*) from event_log_default") == 1


async def test_the_clocks_role_moves_time_and_sees_timers_and_nothing_else(world):
    connection = await asyncpg.connect(world.databases.dsn(world.database, CLOCK_ROLE))
    await connection.execute("update clock.state set offset_seconds = 0")
    for service in SERVICES:
        assert await connection.fetchval(f"select count(*) from {service}.timers") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"select * from {service}.event_log")
    await connection.close()
    async with world.connection("intake") as reader:
        assert await reader.fetchval("select offset_seconds from clock.state") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("update clock.state set offset_seconds = 60")


async def test_a_wrong_password_is_refused(world):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(world.dsn("intake").replace(PASSWORD, "a-guess"))


async def test_new_files_run_once_and_in_order(empty, files):
    assert (await migrate(empty, ["intake"]))["intake"][-1] == "intake/0001_first.sql"
    (files / "0003_third.sql").write_text("alter table a add column c int;")
    (files / "0002_second.sql").write_text("alter table a add column b int;")
    assert (await migrate(empty, ["intake"]))["intake"] == ["intake/0002_second.sql", "intake/0003_third.sql"]
    assert (await migrate(empty, ["intake"]))["intake"] == []


async def test_a_file_that_was_changed_after_it_ran_is_refused(empty, files):
    await migrate(empty, ["intake"])
    (files / "0001_first.sql").write_text("create table a (id bigint primary key);")
    with pytest.raises(MigrationRefused, match=r"intake/0001_first\.sql was changed"):
        await migrate(empty, ["intake"])


async def test_a_database_that_is_ahead_of_the_files_is_refused(empty, files):
    await migrate(empty, ["intake"])
    Path(files / "0001_first.sql").unlink()
    with pytest.raises(MigrationRefused, match="older Passage"):
        await migrate(empty, ["intake"])


async def test_who_goes_back_a_release_may_say_that_the_database_is_ahead(empty, files):
    (files / "0002_second.sql").write_text("alter table a add column b int;")
    await migrate(empty, ["intake"])
    (files / "0002_second.sql").unlink()
    assert (await migrate(empty, ["intake"], newer_is_fine=True))["intake"] == []
    (files / "0001_first.sql").write_text("create table a (id bigint primary key);")
    with pytest.raises(MigrationRefused, match="was changed"):
        await migrate(empty, ["intake"], newer_is_fine=True)


async def test_a_file_that_fails_leaves_nothing_and_what_ran_before_it_stays(empty, files):
    (files / "0002_broken.sql").write_text("create table b (id int); select 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty, ["intake"])
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("select to_regclass('intake.a') is not null and to_regclass('intake.b') is null")
    await connection.close()


async def test_two_runs_at_the_same_moment_take_turns(empty, files):
    import asyncio

    ran = await asyncio.gather(migrate(empty, ["intake"]), migrate(empty, ["intake"]))
    assert sorted(len(run["intake"]) > 0 for run in ran) == [False, True]


def test_roles_are_named_after_their_services():
    assert role_of("intake") == "passage_intake"
