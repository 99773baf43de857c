"""One run: everything starts, clients work, faults come in an order drawn from the seed, everything is mended, drains,
and is judged.
"""

import asyncio
import contextlib
import os
import random
from datetime import UTC, datetime
from pathlib import Path

from deploy.embedded.broker import JvmBroker
from deploy.embedded.plan import Kind
from deploy.embedded.processes import StartFailed
from tests.chaos import faults, faults_clock, faults_consumer, faults_outside, faults_restore, faults_upgrade
from tests.chaos.arena import AWAY, CONSUMERS, REPLICA, Arena
from tests.chaos.clients import Crowd, work
from tests.chaos.collect import behind, collect, waiting
from tests.chaos.facts import Facts
from tests.chaos.faults import Fault
from tests.chaos.faults_clock import ZONE
from tests.chaos.history import History
from tests.chaos.page import OpenPage
from tests.chaos.report import Done, Run, write
from tests.chaos.rules import judge
from tests.support.waiting import eventually

ALL: tuple[type[Fault], ...] = (
    faults.KillService, faults_consumer.KillInBatch, faults_consumer.KillBeforeOffset, faults.KillRelay,
    faults.RelayZombie, faults.Zombie, faults.BrokerKilled, faults.BrokerWiped, faults.PostgresStopped,
    faults.ConnectionsEnded, faults.LongTransaction,
    faults_outside.Duplicates, faults_outside.PoisonRecords, faults_outside.Missing, faults_outside.Reordered,
    faults_outside.CarrierDown, faults_outside.CarrierAccepts500, faults_outside.CarrierSlow,
    faults_clock.ClockByHours, faults_clock.ClockOverDst, faults_clock.ClockOverOtherDst,
    faults_restore.Restored, faults_upgrade.RollingUpgrade,
)  # fmt: skip
DST_EVES = (datetime(2027, 3, 13, 15, 0), datetime(2027, 11, 6, 15, 0))  # noqa: DTZ001  the clinic's wall clock
"""The afternoons before both days on which the clinic's clocks change. A long run begins before the first, and a fault
takes it to the other."""
DRAIN_SECONDS = 120.0
WARM = 12
"""Contacts before the first fault."""


def faults_of(seed: int, *, quick: bool, only: str = "") -> list[Fault]:
    """Every fault once, each service killed, in an order drawn from the seed; `only` those whose name has it.

    A `quick` run kills nobody at any moment whom it kills in a place of its choice.
    """
    drawn = random.Random(seed)
    chosen: list[Fault] = [kind(drawn) for kind in ALL if kind is not faults.KillService and (kind.quick or not quick)]
    killed = {one.victim for one in chosen if quick and isinstance(one, faults_consumer.KilledInPlace)}
    chosen += [faults.KillService(drawn, name) for name in (*CONSUMERS, "identity") if name not in killed]
    drawn.shuffle(chosen)
    return [one for one in chosen if only in one.what]


def broker_kind() -> Kind:
    """Apache Kafka on the local JVM, which can be killed and comes back; else the embedded broker."""
    if os.environ.get("PASSAGE_TEST_KAFKA") == "embedded" or not JvmBroker.available():
        return "embedded"
    try:
        JvmBroker.fetch()
    except StartFailed:
        return "embedded"
    return "jvm"


class Campaign:
    """See the module. `minutes` 0 is the short run: each quick fault once."""

    def __init__(self, folder: Path, *, seed: int, minutes: float = 0, only: str = "") -> None:
        self.seed, self.minutes, self.folder, self.only = seed, minutes, folder, only
        self.kafka = broker_kind()
        self.history = History(folder / "history.jsonl")
        self.arena = Arena(folder / "state", kafka=self.kafka, history=self.history, seed=seed)
        self.crowd = Crowd(self.arena, pace=1.0 if minutes else 2.5)
        self.page = OpenPage(self.arena)
        self.done: list[Done] = []

    async def run(self) -> Run:
        """Everything, to its report."""
        with contextlib.closing(self.history):
            return await self._run()

    async def _run(self) -> Run:
        began = datetime.now(UTC)
        try:
            await self.arena.start()
            began = datetime.now(UTC)
            facts = await self._under_fire()
        finally:
            await self.page.close()
            await self.arena.stop()
        run = Run(
            self.seed, self.minutes, "Apache Kafka on the local JVM" if self.kafka == "jvm" else "the embedded broker",
            began, datetime.now(UTC), self.done, facts, judge(facts), self.arena.troubles.troubles,
        )  # fmt: skip
        write(run, self.history, self.folder)
        return run

    async def _under_fire(self) -> Facts:
        await self._begin_before_a_dst_day()
        await self.page.sign_in()
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self.page.follow())
            sampling = group.create_task(self._sample())
            working = group.create_task(work(self.crowd, self.seed))
            await eventually(lambda: len(self.crowd.contacts) >= WARM, timeout=60)
            await self._break_things()
            await self._mended()
            self.crowd.ends()
            await working
            await self._drained()
            sampling.cancel()
            facts = await self._settled_facts()
            following.cancel()
        return facts

    async def _begin_before_a_dst_day(self) -> None:
        eve = DST_EVES[0] if self.minutes else random.Random(self.seed).choice(DST_EVES)
        await self.arena.move_clock(eve.replace(tzinfo=ZONE) - await self.arena.business_now())

    async def _break_things(self) -> None:
        ends = asyncio.get_running_loop().time() + self.minutes * 60
        round_ = 0
        while True:
            for fault in faults_of(self.seed + round_, quick=self.minutes == 0, only=self.only):
                if round_ and asyncio.get_running_loop().time() >= ends:
                    return
                await self._one(fault)
            round_ += 1
            if asyncio.get_running_loop().time() >= ends:
                return

    async def _one(self, fault: Fault) -> None:
        began = datetime.now(UTC)
        if fault.needs_memory and self.kafka == "embedded":
            self.done.append(Done(fault.what, began, None, "the embedded broker forgets its topics"))
            return
        self.history.note("nemesis", "", fault.what)
        failed = ""
        try:
            await fault.inject(self.arena)
            await asyncio.sleep(fault.seconds)
        except AssertionError as error:  # it did not do what its name says: the report tells it, beside all else
            failed = str(error)
        try:
            await fault.heal(self.arena)
        except AssertionError as error:
            failed = failed or str(error)
        self.history.note("nemesis", "", f"{'did not come off' if failed else 'healed'}: {fault.what}", error=failed)
        self.done.append(Done(fault.what, began, datetime.now(UTC), told=fault.told, failed=failed))
        if self.minutes:
            await self._mended()

    async def _mended(self) -> None:
        await self.arena.ready(*CONSUMERS, REPLICA, "identity")

    async def _sample(self) -> None:
        while True:
            await self.arena.sample()
            await asyncio.sleep(2)

    async def _drained(self) -> None:
        """Until nothing is under way. What never comes is for the invariants to say."""
        with contextlib.suppress(AssertionError):
            await eventually(self._quiet, timeout=DRAIN_SECONDS, every=0.3, tolerate=AWAY)

    async def _quiet(self) -> bool:
        conn = await self.arena.connect()
        try:
            return await behind(conn) == 0 and not await waiting(conn)
        finally:
            await conn.close()

    async def _settled_facts(self) -> Facts:
        """The offsets follow the effects, the tap and the page follow the topics: by a moment."""
        facts = await collect(self.arena, self.crowd, self.page)
        with contextlib.suppress(AssertionError):
            await eventually(lambda: self._holds(facts), timeout=10, every=0.5)
            return facts
        return await collect(self.arena, self.crowd, self.page)

    async def _holds(self, facts: Facts) -> bool:
        later = await collect(self.arena, self.crowd, self.page)
        for name in facts.__dataclass_fields__:
            setattr(facts, name, getattr(later, name))
        return not any(finding.violations for finding in judge(facts).values())
