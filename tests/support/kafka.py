"""One broker per run, by what the machine has: Apache Kafka in Docker, on the local JVM, or the embedded broker."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Literal

from deploy.embedded.broker import Broker, EmbeddedBroker, JvmBroker, serves
from deploy.embedded.processes import StartFailed, any_free_port

IMAGE = "apache/kafka:4.3.1"
LABEL = "passage.test.pid"
Kind = Literal["docker", "jvm", "embedded"]
NAMES: dict[Kind, str] = {
    "docker": f"Apache Kafka 4.3.1 in Docker ({IMAGE})",
    "jvm": "Apache Kafka 4.3.1 on the local JVM",
    "embedded": "the embedded broker (no idempotent producers, nothing kept across its restart)",
}


def choose() -> Kind:
    """What this machine has, best first; `PASSAGE_TEST_KAFKA` decides where it is set."""
    forced = os.environ.get("PASSAGE_TEST_KAFKA", "")
    if forced in NAMES:
        return forced
    if forced:
        raise SystemExit(f"PASSAGE_TEST_KAFKA={forced!r}: choose one of {', '.join(NAMES)}")
    if _docker_has_image():
        return "docker"
    if JvmBroker.available():
        try:
            JvmBroker.fetch()
        except StartFailed:
            return "embedded"
        return "jvm"
    return "embedded"


def launch(kind: Kind, folder: Path) -> Broker:
    """A broker of that kind, starting; ready after `wait`. Its topics live in `folder`, where it keeps any."""
    broker: Broker
    if kind == "docker":
        broker = DockerBroker(any_free_port())
    elif kind == "jvm":
        broker = JvmBroker(any_free_port(), any_free_port(), folder / "kafka", folder / "broker.log")
    else:
        broker = EmbeddedBroker(any_free_port(), folder / "broker.log")
    broker.launch()
    return broker


class DockerBroker:
    """Apache Kafka in a container of its own, advertised on the mapped port."""

    kind: Kind = "docker"
    idempotent = True
    durable = True

    def __init__(self, port: int) -> None:
        self.port = port
        self.bootstrap = f"127.0.0.1:{port}"
        self._container: Any = None

    def launch(self) -> None:
        """Start it, again too; its topics are kept until `stop`."""
        if self._container is not None:
            self._container.get_wrapped_container().start()
            return
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # its reaper is one more image; see _remove_orphans
        from testcontainers.core.container import DockerContainer

        _remove_orphans()
        container = DockerContainer(IMAGE).with_bind_ports(9092, self.port)
        for name, value in self._environment().items():
            container = container.with_env(name, value)
        # root: an image whose own user may not write its configuration starts too
        self._container = container.with_kwargs(labels={LABEL: str(os.getpid())}, user="root").start()

    def _environment(self) -> dict[str, str]:
        return {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://127.0.0.1:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{self.port}",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_BROKER_SESSION_TIMEOUT_MS": "2000",
            "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        }

    def wait(self, *, seconds: float = 60.0) -> None:
        """Wait until it serves.

        Raises:
            StartFailed: with its last log lines.
        """
        deadline = time.monotonic() + seconds
        while not serves(self.port):
            if time.monotonic() > deadline:
                raise StartFailed(f"Kafka does not answer:\n{self._container.get_logs()[0].decode()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._container is not None:
            self._container.stop(force=True, delete_volume=True)
            self._container = None

    def kill(self) -> None:
        """What a power cut leaves."""
        self._container.get_wrapped_container().kill()


def _docker_has_image() -> bool:
    try:
        found = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{.Id}}", IMAGE], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0


def _remove_orphans() -> None:
    """Containers of runs that were killed before they could stop them."""
    from testcontainers.core.docker_client import DockerClient

    for container in DockerClient().client.containers.list(all=True, filters={"label": LABEL}):
        if not Path(f"/proc/{container.labels[LABEL]}").exists():
            container.remove(force=True, v=True)
