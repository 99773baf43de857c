"""What every test can ask for: a real database, a real broker, services on real ports, and patience."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from deploy.embedded.broker import Broker, JvmBroker
from deploy.embedded.processes import any_free_port
from deploy.embedded.stack import Stack
from tests.support import kafka, postgres
from tests.support.headline import headline
from tests.support.issuer import Issuer
from tests.support.serving import serving
from tests.support.stack import started
from tests.support.waiting import eventually as wait
from tests.support.world import Infrastructure, Running, World, make_world

# The default shows every local variable of a traceback: seconds of work, long enough to lose a consumer's membership.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
# How fast examples are made says how busy the machine is, nothing about what is tested.
settings.register_profile("passage", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("passage")
ROOT = Path(__file__).parent
PURE = (ROOT / "unit", ROOT / "contract", ROOT / "compose")
"""Tests that need neither database nor broker of this run's."""

Start = Callable[..., Awaitable[Running]]
_running = pytest.StashKey[Any]()


def pytest_configure(config: pytest.Config) -> None:
    """Start database and broker once, in the process that controls the run; a run inside a run uses what is there."""
    if hasattr(config, "workerinput") or config.option.collectonly or _pure(config) or "PASSAGE_TEST_RUN" in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="passage-test-"))
    kind = kafka.choose()
    broker = kafka.launch(kind, folder)
    database = postgres.launch(folder)
    config.stash[_running] = (folder, broker, database)
    database.wait()
    postgres.prepare(database)
    Infrastructure(folder, database.dsn(), broker.bootstrap, kind, broker.idempotent, broker.durable).announce()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started; nothing is left behind."""
    if _running in config.stash:
        folder, broker, database = config.stash[_running]
        broker.stop()
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Which broker and which database this run is against."""
    if _running not in config.stash:
        return None
    return headline(config.stash[_running][1].kind)


def _pure(config: pytest.Config) -> bool:
    paths = [Path(argument.partition("::")[0]).absolute() for argument in config.args]
    return all(any(path.is_relative_to(pure) for pure in PURE) for path in paths)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole stacks goes first, so that no worker is left alone with it; skip by name what can't be done."""
    items.sort(key=lambda item: item.get_closest_marker("stack") is None)
    if "PASSAGE_TEST_RUN" not in os.environ:
        return
    run = Infrastructure.of_this_run()
    cannot = {
        "needs_durable_broker": not run.kafka_durable,
        "needs_idempotent_broker": not run.kafka_idempotent,
    }
    for item in items:
        for marker, missing in cannot.items():
            if missing and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"{run.kafka_kind} broker: {marker}"))


@pytest.fixture(scope="session")
def infrastructure() -> Infrastructure:
    """The database server and the broker of this run."""
    return Infrastructure.of_this_run()


@pytest.fixture(scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    """An OIDC issuer of the clinic's own: `issuer.token("osei", "assessment", step_up=True)`."""
    port = any_free_port()
    made = Issuer(f"http://127.0.0.1:{port}")
    async with serving(made.app, port):
        yield made


@pytest.fixture(scope="module")
async def world(
    infrastructure: Infrastructure, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A migrated database, topics, keys and addresses of this module's own."""
    made = await make_world(infrastructure, tmp_path_factory.mktemp("world"), issuer)
    yield made
    await made.close()


@pytest.fixture
async def fresh_world(infrastructure: Infrastructure, issuer: Issuer, tmp_path: Path) -> AsyncIterator[World]:
    """The same, of this one test's own."""
    made = await make_world(infrastructure, tmp_path, issuer)
    yield made
    await made.close()


@pytest.fixture
async def start(world: World) -> AsyncIterator[Start]:
    """`intake = await start("intake", **settings)`: the service on a real port of this process until the test ends."""
    async with AsyncExitStack() as stack:

        async def begin(name: str, **changes: Any) -> Running:
            return await stack.enter_async_context(world.start(name, **changes))

        yield begin


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """Apache Kafka that this one test may kill and launch again: `make_world(…, kafka=broker.bootstrap)`."""
    if not JvmBroker.available():
        pytest.skip("no JVM for a broker that keeps its topics across a restart")
    broker = kafka.launch("jvm", tmp_path)
    broker.wait()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Everything that `make up` starts, as processes of their own: `stack.url(name)`, `stack.facts`.

    A module's own, since idle it still takes a third of a core from whatever runs beside it.

    Whoever kills things or moves its clock takes a stack of their own: `tests.support.stack.started`.
    """
    made, _ = await started(tmp_path_factory.mktemp("stack") / "state")
    yield made
    await made.stop()


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """`await eventually(lambda: look(), equals=1, timeout=15)`."""
    return wait
