"""PostgreSQL as a child process: as root in each of the two ways, after a kill, and tied to its parent."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from deploy.embedded import postgres as module
from deploy.embedded.postgres import Postgres, folder_elsewhere
from deploy.embedded.processes import StartFailed, any_free_port, is_free, port_near
from tests.support.stack import alive

ROOT = Path(__file__).parents[2]
PARENT = """
import sys
from pathlib import Path
from deploy.embedded.postgres import Postgres
folder = Path(sys.argv[1])
database = Postgres(folder / "data", port=int(sys.argv[2]), password="pw /?", log=folder / "log")
database.start()
print(database.program.pid, flush=True)
input()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


def cluster(folder, **options):
    return Postgres(folder / "data", port=any_free_port(), password="pw /?", log=folder / "log", **options)


async def answer(database, sql):
    connection = await asyncpg.connect(database.dsn())
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_it_is_postgresql_18_and_has_what_the_services_need(tmp_path):
    database = cluster(tmp_path, durable=False)
    database.start()
    try:
        assert (await answer(database, "show server_version")).startswith("18.")
        assert await answer(database, "select uuidv7()")
        assert await answer(database, "select count(*) from pg_available_extensions where name = 'btree_gist'") == 1
        assert await answer(database, "show data_directory") == str(database.data)
    finally:
        database.stop()


async def test_what_was_committed_survives_a_kill(tmp_path):
    database = cluster(tmp_path)
    database.start()
    connection = await asyncpg.connect(database.dsn())
    await connection.execute("create table kept as select 1 as one")
    database.kill()
    connection.terminate()
    database.start()
    try:
        assert await answer(database, "select one from kept") == 1
    finally:
        database.stop()


@as_root
async def test_where_user_namespaces_are_off_another_account_runs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_works", lambda namespace: False)
    tmp_path.chmod(0o700)  # that account can't even enter here
    database = cluster(tmp_path, durable=False)
    elsewhere = folder_elsewhere(tmp_path / "data")
    try:
        database.start()
        assert await answer(database, "select 1") == 1
        assert database.data.is_relative_to(elsewhere)
        assert Path(f"/proc/{database.program.pid}").stat().st_uid != 0
    finally:
        database.stop()
        shutil.rmtree(elsewhere)


async def test_a_long_path_still_has_a_socket(tmp_path):
    folder = tmp_path / ("long" * 30)
    database = cluster(folder, durable=False)
    database.start()
    try:
        assert await answer(database, "select 1") == 1
    finally:
        database.stop()
    assert not database.socket_folder.exists()


async def test_it_ends_with_a_parent_that_was_killed_and_starts_again(tmp_path, eventually):
    database = cluster(tmp_path)
    command = [sys.executable, "-c", PARENT, str(tmp_path), str(database.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    await eventually(lambda: not alive(pid))
    database.start()
    try:
        assert await answer(database, "select 1") == 1
    finally:
        database.stop()


def test_a_start_that_fails_says_why(tmp_path):
    database = cluster(tmp_path, durable=False)
    database.start()
    database.stop()
    (database.data / "postgresql.conf").write_text("no_such_setting = 1")
    with pytest.raises(StartFailed, match="no_such_setting"):
        database.start()


def test_a_taken_port_is_passed_by():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert port_near(port) != port
        assert port_near(port, {port + 1}) not in (port, port + 1)
