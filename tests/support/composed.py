"""The compose stack as a project of its own: other ports, volumes and secrets than anybody else's on this machine."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.compose.secrets import make
from deploy.embedded.processes import any_free_port

ROOT = Path(__file__).parents[2]
READY_SECONDS = 300


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
    """One project. `folder` holds its secrets and its `.env`."""

    folder: Path
    name: str
    port: int
    sandbox_port: int

    @classmethod
    def prepare(cls, folder: Path) -> "Composed":
        """Make its secrets and settings; nothing runs yet."""
        port, tls_port, sandbox_port = any_free_port(), any_free_port(), any_free_port()
        found = cls(folder, f"passage-test-{os.getpid()}", port, sandbox_port)
        make(folder / "secrets", found.env, domain="", ports=(port, tls_port, sandbox_port))
        with found.env.open("a") as out:
            out.write(f"PASSAGE_PROJECT={found.name}\nPASSAGE_SECRETS={folder / 'secrets'}\n")
        return found

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    @property
    def origin(self) -> str:
        """Where patients and staff find it; browsers know that `*.localhost` is this machine."""
        return f"http://passage.localhost:{self.port}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def run(self, *command: str, seconds: float = READY_SECONDS, check: bool = True) -> str:
        """A command of the operator in the project's folder; gives what it printed."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PASSAGE_")}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**environment, "COMPOSE_ENV_FILES": str(self.env)},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{(done.stdout + done.stderr)[-6000:]}"
        return done.stdout if check else done.stdout + done.stderr

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

    def count(self, statement: str) -> int:
        """What the database says."""
        asked = ("psql", "-h", "/var/run/postgresql", "-U", "passage", "-d", "passage", "-qAtc", statement)
        return int(self.compose("exec", "-T", "postgres", *asked))

    def inspect(self, service: str, template: str) -> list[str]:
        """A fact of each of a service's containers."""
        ids = self.compose("ps", "-aq", service).split()
        return self.run("docker", "inspect", "--format", template, *ids).splitlines()
