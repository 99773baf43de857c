"""The compose stack as a project of its own: other ports, volumes and secrets than anybody else's on this machine."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.compose.secrets import make
from deploy.embedded.processes import any_free_port
from tests.support.runbook import filled

ROOT = Path(__file__).parents[2]
READY_SECONDS = 300
VERSION = "test"
"""The image's tag, so that nobody's own image is touched."""


def why_not() -> str:
    """Why no compose stack can be started here; empty when one can."""
    if shutil.which("docker") is None:
        return "there is no Docker here"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        except subprocess.TimeoutExpired:
            return f"`{' '.join(command)}` does not answer"
        if done.returncode != 0:
            return f"`{' '.join(command)}` does not work here"
    return ""


_made = 0
BUILD_SECONDS = 900


class _Localhost(httpx.AsyncHTTPTransport):
    """Goes to this machine for every name, as browsers do for `*.localhost`."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        there = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await super().handle_async_request(there)


def browser(**settings: object) -> httpx.AsyncClient:
    """A client that finds the origin."""
    return httpx.AsyncClient(transport=_Localhost(), timeout=30, follow_redirects=True, **settings)


@dataclass
class Composed:
    """One project. `folder` holds its secrets and its `.env`, `root` is where its operator stands."""

    folder: Path
    name: str
    port: int
    sandbox_port: int
    root: Path = ROOT
    followed: set[str] = field(default_factory=set)
    """The runbook's procedures that were done here."""
    logins: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def prepare(cls, folder: Path) -> "Composed":
        """Make its secrets and settings; nothing runs yet."""
        found = cls._named(folder, ROOT)
        make(folder / "secrets", found.env, domain="")
        found.settle(PASSAGE_SECRETS=str(folder / "secrets"))
        return found

    @classmethod
    def in_a_checkout(cls, root: Path) -> "Composed":
        """One whose secrets are made where it stands, by what stands there."""
        found = cls._named(root, root)
        found.run("deploy/compose/secrets", seconds=BUILD_SECONDS)
        found.settle()
        return found

    @classmethod
    def _named(cls, folder: Path, root: Path) -> "Composed":
        global _made
        _made += 1
        return cls(folder, f"passage-test-{os.getpid()}-{_made}", any_free_port(), any_free_port(), root)

    def settle(self, **settings: str) -> None:
        """Its own name, version and ports, below what `.env` says already: the last word counts."""
        own = {
            "PASSAGE_PROJECT": self.name,
            "PASSAGE_VERSION": VERSION,
            "PASSAGE_ORIGIN": self.origin,
            "PASSAGE_HTTP_PORT": str(self.port),
            "PASSAGE_HTTPS_PORT": str(any_free_port()),
            "PASSAGE_SANDBOX_PORT": str(self.sandbox_port),
            **settings,
        }
        with self.env.open("a") as out:
            out.writelines(f"{name}={value}\n" for name, value in own.items())

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    @property
    def image(self) -> str:
        return f"passage:{VERSION}"

    @property
    def origin(self) -> str:
        """Where patients and staff find it; browsers know that `*.localhost` is this machine."""
        return f"http://passage.localhost:{self.port}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def run(self, *command: str, seconds: float = READY_SECONDS, check: bool = True) -> str:
        """A command of the operator where they stand; gives what it printed."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PASSAGE_")}
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**environment, "COMPOSE_ENV_FILES": str(self.env), "PASSAGE_VERSION": VERSION},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{(done.stdout + done.stderr)[-6000:]}"
        return done.stdout if check else done.stdout + done.stderr

    def follow(self, procedure: str, *, seconds: float = BUILD_SECONDS, **values: str) -> str:
        """Do what the runbook says under that heading, word for word; `values` fill in what it leaves open."""
        self.followed.add(procedure)
        return self.run("bash", "-euo", "pipefail", "-c", filled(procedure, values), seconds=seconds)

    def compose(self, *arguments: str, seconds: float = READY_SECONDS, check: bool = True) -> str:
        """`docker compose …`."""
        return self.run("docker", "compose", *arguments, seconds=seconds, check=check)

    def up(self) -> None:
        """Everything, until it is ready; what failed is told with its last words."""
        said = self.compose("up", "-d", "--wait", check=False)
        states = self.compose("ps", "-a", "--format", "{{.Service}} {{.Status}}")
        well = [line.split()[0] for line in states.splitlines() if "(healthy)" in line or "Exited (0)" in line]
        wrong = {line for line in states.splitlines() if line.split()[0] not in well and "prometheus" not in line}
        logs = [self.compose("logs", "--tail", "15", line.split()[0], check=False) for line in wrong]
        assert not wrong, "\n".join([said[-2000:], states, *logs])

    def down(self) -> None:
        """Everything away, data included."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", check=False)

    def select(self, statement: str) -> list[str]:
        """The database's answer, a line for each row."""
        asked = (
            "psql",
            "-h",
            "/var/run/postgresql",
            "-U",
            "passage",
            "-d",
            "passage",
            "-v",
            "ON_ERROR_STOP=1",
            "-qAtc",
        )
        return self.compose("exec", "-T", "postgres", *asked, statement).splitlines()

    def count(self, statement: str) -> int:
        """The one number that the database answers with."""
        [number] = self.select(statement)
        return int(number)

    def inspect(self, service: str, template: str) -> list[str]:
        """A fact of each of a service's containers."""
        ids = self.compose("ps", "-aq", service).split()
        return self.run("docker", "inspect", "--format", template, *ids).splitlines()

    def made(self, volume: str) -> str:
        """When one of its volumes was made."""
        return self.run("docker", "volume", "inspect", "--format", "{{.CreatedAt}}", f"{self.name}_{volume}")

    def login(self, person: str) -> dict[str, str]:
        """How somebody of the clinic signs in; they remember it when the machine is another one."""
        if not self.logins:
            self.logins = {one["id"]: one for one in self.kept("staff")["staff"]}
        return self.logins[person]

    def kept(self, file: str) -> Any:
        """What a try-out keeps for its people in JSON: `staff`, `producer`."""
        return json.loads(self.compose("exec", "-T", "sandbox", "cat", f"/state/{file}.json"))
