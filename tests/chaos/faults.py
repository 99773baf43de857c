"""What can go wrong with processes, database and broker. A fault is a class with `inject` and, where the world does not
mend itself, `heal`; its random choices come from the run's seed.
"""

import asyncio
import contextlib
import json
import random
import signal
import time
from pathlib import Path
from typing import ClassVar

import asyncpg

from shared.contracts.intake import LeadUpdated
from shared.eventlog.log import Origin, Pending, append
from shared.ids import new_id
from tests.chaos.arena import AWAY, CONSUMERS, REPLICA, Arena
from tests.support.waiting import eventually

SESSION_SECONDS = 10.0
"""How long Kafka waits for a silent member of a group (aiokafka's default)."""

RELAY_OF = "select pid from pg_stat_activity where application_name = 'intake-relay' and datname = current_database()"
END = "select pg_terminate_backend($1)"
ALL_OF_US = """
select pg_terminate_backend(pid) from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid() and application_name <> ''
"""
BESIDE = """
select event_id, subject from intake.event_log where at > now() - make_interval(secs => $1) order by id limit 20
"""
SOME_PATIENT = "select subject from intake.streams order by random() limit 1"


class Fault:
    """See the module. `needs_memory`: the broker must keep its topics; `outage`: it stops everybody for a while."""

    name: ClassVar[str]
    seconds: ClassVar[float] = 1.0
    """How long it lasts before it is healed."""
    needs_memory: ClassVar[bool] = False
    quick: ClassVar[bool] = True
    """Whether the short run has time for it."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_

    @property
    def what(self) -> str:
        """For the record: what exactly was done."""
        return self.name

    @property
    def told(self) -> str:
        """What it found while it lasted, for the record."""
        return ""

    async def inject(self, arena: Arena) -> None:
        raise NotImplementedError

    async def heal(self, arena: Arena) -> None:
        """Nothing, where the supervisor does it."""


class KillService(Fault):
    """kill -9 of a service at any moment."""

    name = "kill -9"

    def __init__(self, random_: random.Random, victim: str = "") -> None:
        super().__init__(random_)
        self.victim = victim or random_.choice((*CONSUMERS, "identity", REPLICA))

    @property
    def what(self) -> str:
        return f"kill -9 {self.victim}"

    async def inject(self, arena: Arena) -> None:
        arena.kill_now(self.victim)


class KillRelay(Fault):
    """kill -9 of whichever of two processes leads intake's relay; the other takes over."""

    name = "kill -9 of the relay's holder"

    async def inject(self, arena: Arena) -> None:
        arena.kill_now(await leader(arena))


class RelayZombie(Fault):
    """The leader is stopped, loses its lock to the other process, and wakes with a page in hand."""

    name = "two relays after a fail-over"
    seconds = 3.0

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._stopped = ""

    async def inject(self, arena: Arena) -> None:
        self._stopped = await leader(arena)
        arena.signal(self._stopped, signal.SIGSTOP)
        for row in await arena.fetch(RELAY_OF):
            await arena.fetch(END, row["pid"])

    async def heal(self, arena: Arena) -> None:
        arena.signal(self._stopped, signal.SIGCONT)


class Zombie(Fault):
    """SIGSTOP for longer than the consumers' session time-out, then SIGCONT."""

    name = "SIGSTOP, SIGCONT"
    seconds = SESSION_SECONDS + 3
    quick = False

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self.victim = random_.choice(CONSUMERS)

    @property
    def what(self) -> str:
        return f"SIGSTOP {self.victim} for {self.seconds:.0f} s, then SIGCONT"

    async def inject(self, arena: Arena) -> None:
        arena.signal(self.victim, signal.SIGSTOP)

    async def heal(self, arena: Arena) -> None:
        arena.signal(self.victim, signal.SIGCONT)


class BrokerKilled(Fault):
    """kill -9 of the broker, which comes back with its data."""

    name = "broker kill -9"
    needs_memory = True

    async def inject(self, arena: Arena) -> None:
        arena.kill_now("broker")


class BrokerWiped(Fault):
    """The broker forgets everything; an operator follows the product's own way back."""

    name = "broker wiped, replay"
    needs_memory = True
    quick = False

    async def inject(self, arena: Arena) -> None:
        await arena.forget_topics()

    async def heal(self, arena: Arena) -> None:
        await broker_answers(arena)
        await arena.command("topics")
        for name in CONSUMERS:
            arena.kill_now(name)
        await arena.tap.start()
        await arena.ready(*CONSUMERS)
        await arena.command("replay", "--needed")


class PostgresStopped(Fault):
    """An immediate stop of PostgreSQL: every backend ends at once, the start recovers from the log."""

    name = "PostgreSQL immediate stop"

    async def inject(self, arena: Arena) -> None:
        arena.members["postgres"].failures = 0
        arena.signal("postgres", signal.SIGQUIT)


class ConnectionsEnded(Fault):
    """Every connection is terminated, over and over."""

    name = "connections terminated"

    async def inject(self, arena: Arena) -> None:
        for _ in range(5):
            await arena.fetch(ALL_OF_US)
            await asyncio.sleep(0.2)


class LongTransaction(Fault):
    """A writing transaction stays open: it may delay its own events, and nobody else's."""

    name = "a long writing transaction"
    seconds = 4.0

    def __init__(self, random_: random.Random) -> None:
        super().__init__(random_)
        self._conn: asyncpg.Connection | None = None
        self._began = 0.0

    async def inject(self, arena: Arena) -> None:
        # Judged alone: a relay that waits for its broker delays everybody.
        await arena.ready("intake", REPLICA)
        conn = await arena.connect()
        await conn.execute("set search_path = intake")
        await conn.execute("begin")
        patient = await conn.fetchval(SOME_PATIENT)
        if patient is not None:
            event = LeadUpdated(patient_id=patient, changed=("language",), language="en")
            origin = Origin("intake", await arena.business_now(), "system:chaos", new_id())
            await append(conn, [Pending(event, origin)])
        self._conn, self._began = conn, time.monotonic()

    async def heal(self, arena: Arena) -> None:
        assert self._conn is not None
        late = await self._not_published(arena)
        arena.delayed += late
        with contextlib.suppress(*AWAY):
            await self._conn.execute("commit")
        self._conn.terminate()

    async def _not_published(self, arena: Arena) -> list[str]:
        """What others committed beside it and what is not on the topic after a while."""
        since = time.monotonic() - self._began
        beside = {str(row["event_id"]): str(row["subject"]) for row in await arena.fetch(BESIDE, since)}
        with contextlib.suppress(AssertionError):
            await eventually(lambda: beside.keys() <= arena.tap.ids, timeout=30)
        return [subject for id_, subject in beside.items() if id_ not in arena.tap.ids]


async def broker_answers(arena: Arena) -> None:
    """Until the supervisor has launched it again, and it serves."""
    assert arena.broker is not None
    member = arena.members["broker"]
    await eventually(lambda: member.again_at is None and member.program.running, timeout=30)
    await asyncio.to_thread(arena.broker.wait)


async def leader(arena: Arena) -> str:
    """Which of the two processes of intake leads the relay: whoever began the highest term, as their logs tell."""
    return max(("intake", REPLICA), key=lambda name: _last_term(arena.state / "logs" / f"{name}.log"))


def _last_term(log: Path) -> int:
    terms = [json.loads(line)["term"] for line in log.read_text().splitlines() if '"relay_leading"' in line]
    return max(terms, default=0)
