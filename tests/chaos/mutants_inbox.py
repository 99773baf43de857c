"""Mutants of the inbox and of what is done with offsets: each with the workload that provokes what follows from it."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from faststream import AckPolicy

import shared.inbox.consumer as consumer_module
from shared.consuming import Consumes
from shared.errors import Transient
from shared.inbox import applying, positions
from tests.chaos.facts import Facts
from tests.chaos.scene import (
    CONSUMER,
    DROP_POSITIONS,
    ByHand,
    Scene,
    recorder_of_everything,
    stop_at_once,
    without_relay,
)
from tests.support.kernel import create_lead, running, updated
from tests.support.waiting import eventually

PASS_BY = "update intake.relay set cursor = pg_current_snapshot()::text, cursor_at = clock_timestamp(), after_id = 0"
NEWER = positions.MOVE.replace("b.sequence = excluded.prior", "b.sequence < excluded.sequence")


# The inbox


async def guard_by_newer(scene: Scene) -> None:
    assert NEWER != positions.MOVE
    scene.monkeypatch.setattr(positions, "MOVE", NEWER)


async def a_zombie_and_its_successor(scene: Scene) -> Facts:
    """Two consumers hold overlapping batches of the same partition."""
    patient = await _three_events(scene)
    async with ByHand(scene) as consumer:
        batch = await consumer.batch(patient)
        await consumer.applier.apply(batch[:2])
        await consumer.applier.apply(batch)
    return await scene.facts()


async def prune_the_inbox(scene: Scene) -> None:
    async def swept() -> None:
        await scene.execute(DROP_POSITIONS)

    scene.gate = swept


async def an_old_replay(scene: Scene) -> Facts:
    """Everything is published again, long after it was applied."""
    patient = await _three_events(scene)
    async with ByHand(scene) as consumer:
        batch = await consumer.batch(patient)
        await consumer.applier.apply(batch)
        if scene.gate is not None:
            await scene.gate()
        await consumer.applier.apply(batch)
    return await scene.facts()


async def _three_events(scene: Scene) -> UUID:
    service = scene.make("intake")
    await without_relay(service)
    patient = await create_lead(service)
    for _ in range(2):
        async with service.transaction(actor="test") as uow:
            uow.publish(updated(patient))
    await service.pool.close()
    return patient


# What is missing


async def hide_the_gap(scene: Scene) -> None:
    """An event that needs a LeadCreated waits for it, even where that is its own missing predecessor."""
    scene.monkeypatch.setattr(applying, "_misses_its_own_lead", lambda _item, _position: False)


async def a_first_event_that_is_not_published(scene: Scene) -> Facts:
    """The relay has passed a patient's first event by, and publishes the second."""
    silent = scene.make("intake")
    await without_relay(silent)
    patient = await create_lead(silent)
    await silent.pool.close()
    await scene.execute(PASS_BY)
    consumes, _ = recorder_of_everything()
    async with (
        running(scene.make("intake", consumes=Consumes())) as intake,
        running(scene.make(CONSUMER, consumes=consumes)),
    ):
        async with intake.transaction(actor="test") as uow:
            uow.publish(updated(patient))
        await scene.consumed(intake)
        await scene.applied(patient, patience=3 if scene.mutated else 20)
    facts = await scene.facts(consumer=True)
    facts.tampered.add(str(patient))
    return facts


# Offsets


async def acknowledge_always(scene: Scene) -> None:
    scene.monkeypatch.setattr(consumer_module, "AckPolicy", SimpleNamespace(NACK_ON_ERROR=AckPolicy.ACK))


async def a_database_that_is_away_for_a_moment(scene: Scene) -> Facts:
    """The first try of a batch fails for a reason that says nothing about its events."""
    consumes, _ = recorder_of_everything()
    failed = asyncio.Event()
    handlers = dict(consumes.handlers)

    async def away_first(uow: Any, event: Any, at: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise Transient("the database is away")
        await handlers[at.type](uow, event, at)

    consumes.handlers.update(dict.fromkeys(handlers, away_first))
    async with running(scene.make("intake")) as service, running(scene.make(CONSUMER, consumes=consumes)):
        first = await create_lead(service)
        await eventually(failed.is_set, timeout=30)
        await scene.consumed(service)
        await scene.applied(first, patience=3 if scene.mutated else 20)
    return await scene.facts(consumer=True)


async def offset_first(scene: Scene) -> None:
    """The offset is committed when a batch is read, before its effect."""
    eager = consumer_module._EagerBatches
    reads = eager.get_msg

    async def commits(self: Any, consumer: Any) -> Any:
        found = await reads(self, consumer)
        if found:
            await consumer.commit()
        return found

    scene.monkeypatch.setattr(eager, "get_msg", commits)


async def a_consumer_killed_in_its_batch(scene: Scene) -> Facts:
    """The process ends while a handler works; its successor goes on."""
    consumes, _ = recorder_of_everything()
    reached = asyncio.Event()

    async def never_ends(_uow: Any, _event: Any, _at: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    stuck, _ = recorder_of_everything()
    stuck.handlers.update(dict.fromkeys(stuck.handlers, never_ends))
    async with running(scene.make("intake")) as service:
        await create_lead(service)
        victim = scene.make(CONSUMER, consumes=stuck)
        await victim.start()
        await eventually(reached.is_set, timeout=30)
        await stop_at_once(victim)
        async with running(scene.make(CONSUMER, consumes=consumes)):
            await scene.consumed(service)
    return await scene.facts(consumer=True)
