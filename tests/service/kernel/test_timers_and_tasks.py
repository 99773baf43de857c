"""Timers fire once and never early; a task is raised once and closed once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import FixedClock
from shared.ids import new_id
from shared.service import Service
from shared.tasks import close_by_id, close_task, open_tasks, raise_task
from shared.telemetry import metrics
from shared.timers import Timer, Timers, cancel_timers, set_timer
from shared.uow import UnitOfWork
from tests.support.kernel import create_lead, running, updated
from tests.support.waiting import eventually

Make = Callable[..., Service]
NOON = datetime(2026, 12, 3, 19, 0, tzinfo=UTC)


async def test_a_timer_fires_once_with_two_processes_and_not_before_its_time(make: Make) -> None:
    fired: Counter[str] = Counter()
    timers, clock = Timers(), FixedClock(NOON)

    @timers("reminder")
    async def on_reminder(uow: UnitOfWork, timer: Timer) -> None:
        assert timer.due_at <= uow.now
        uow.publish(updated(timer.subject))
        fired[timer.occurrence] += 1

    first = make("intake", timers=timers, clock=clock)
    second = make("intake", timers=timers, clock=clock)
    async with running(first), running(second):
        patient = await create_lead(first)
        async with first.transaction(actor="test") as uow:
            for number in range(120):
                due = NOON + timedelta(minutes=number % 2)
                await set_timer(uow, kind="reminder", subject=patient, occurrence=str(number), due_at=due)
        await eventually(lambda: len(fired) == 60)
        clock.move(timedelta(seconds=59))
        await asyncio.gather(first.fire_due_timers(), second.fire_due_timers())
        assert len(fired) == 60
        clock.move(timedelta(seconds=1))
        await asyncio.gather(first.fire_due_timers(), second.fire_due_timers())
        await eventually(lambda: len(fired) == 120)

        async def left() -> int:
            async with first.reading() as uow:
                return int(await uow.conn.fetchval("select count(*) from timers"))

        await eventually(left, equals=0)  # the services' own loops have fired some, and may be about to commit them
        async with first.reading() as uow:
            assert await uow.conn.fetchval("select sequence from streams where subject = $1", patient) == 121


async def test_one_that_fails_is_put_off_and_the_others_fire(make: Make) -> None:
    fired: list[str] = []
    timers = Timers()

    @timers("reminder")
    async def on_reminder(uow: UnitOfWork, timer: Timer) -> None:
        if timer.occurrence == "bad":
            raise ValueError("a bug")
        fired.append(timer.occurrence)

    async with running(make("intake", timers=timers, clock=FixedClock(NOON))) as service:
        async with service.transaction(actor="test") as uow:
            for occurrence in ("a", "bad", "c"):
                await set_timer(uow, kind="reminder", subject=new_id(), occurrence=occurrence, due_at=NOON)
        await eventually(lambda: {"a", "c"} <= set(fired))

        async def visible() -> tuple[str, bool]:
            async with service.reading() as uow:
                row = await uow.conn.fetchrow("select error, attempts > 0 as tried from timers")
                return row["error"], row["tried"]

        await eventually(visible, equals=("ValueError", True))


async def test_one_that_has_failed_for_days_is_put_off_too_and_holds_up_no_other(make: Make) -> None:
    fired: list[str] = []
    timers = Timers()

    @timers("reminder")
    async def on_reminder(uow: UnitOfWork, timer: Timer) -> None:
        if timer.occurrence == "bad":
            raise ValueError("a bug")
        fired.append(timer.occurrence)

    async with running(make("intake", timers=timers, clock=FixedClock(NOON - timedelta(hours=1)))) as service:
        async with service.transaction(actor="test") as uow:
            await set_timer(uow, kind="reminder", subject=new_id(), occurrence="bad", due_at=NOON - timedelta(days=9))
            await uow.conn.execute("update timers set attempts = 2000, not_before = now() + interval '1 second'")
            await set_timer(uow, kind="reminder", subject=new_id(), occurrence="good", due_at=NOON - timedelta(hours=2))

        async def tried() -> tuple[int, bool]:
            async with service.reading() as uow:
                row = await uow.conn.fetchrow(
                    "select attempts, not_before < now() + interval '11 minutes' as soon from timers"
                    " where occurrence = 'bad' and not_before > now() + interval '9 minutes'"
                )
                return (0, False) if row is None else (row["attempts"], row["soon"])

        await eventually(tried, equals=(2001, True))
        async with service.transaction(actor="test") as uow:
            due = NOON - timedelta(hours=2)
            await set_timer(uow, kind="reminder", subject=new_id(), occurrence="after", due_at=due)
        await eventually(lambda: set(fired), equals={"good", "after"})

        async def left() -> list[str]:
            async with service.reading() as uow:
                return [row["occurrence"] for row in await uow.conn.fetch("select occurrence from timers")]

        await eventually(left, equals=["bad"])


async def test_one_that_fails_again_and_again_is_late_for_whoever_looks_at_the_figures(make: Make) -> None:
    """Nobody is told by what never fires, and the alert looks at nothing else."""
    timers = Timers()

    @timers("reminder")
    async def on_reminder(_uow: UnitOfWork, _timer: Timer) -> None:
        raise ValueError("a bug")

    def late() -> float:
        return metrics.REGISTRY.get_sample_value("passage_timers_late_seconds_sum") or 0.0

    before = late()
    async with running(make("intake", timers=timers, clock=FixedClock(NOON))) as service:
        async with service.transaction(actor="test") as uow:
            two_hours_ago = NOON - timedelta(hours=2)
            await set_timer(uow, kind="reminder", subject=new_id(), occurrence="bad", due_at=two_hours_ago)
        await eventually(lambda: late() - before >= 7_200)


async def test_setting_again_moves_and_cancelling_takes_back(make: Make) -> None:
    async with running(make("intake")) as service:
        subject = new_id()
        async with service.transaction(actor="test") as uow:
            await set_timer(uow, kind="a", subject=subject, occurrence="1", due_at=NOON, data={"x": 1})
            await set_timer(uow, kind="a", subject=subject, occurrence="1", due_at=NOON + timedelta(hours=1))
            await set_timer(uow, kind="b", subject=subject, occurrence="1", due_at=NOON)
        async with service.transaction(actor="test") as uow:
            assert await uow.conn.fetchval("select due_at from timers where kind = 'a'") == NOON + timedelta(hours=1)
            assert await cancel_timers(uow, subject=subject, kind="a") == 1
            assert await cancel_timers(uow, subject=subject) == 1


async def test_a_task_is_raised_once_however_often_its_cause_repeats(make: Make) -> None:
    async with running(make("intake")) as service:
        patient = await create_lead(service)

        async def raise_it() -> object:
            async with service.transaction(actor="test") as uow:
                return await raise_task(
                    uow,
                    kind="call",
                    subject=patient,
                    occurrence="1",
                    role="front_desk",
                    patient_id=patient,
                    detail="Jo asked for a call",
                )

        raised = await asyncio.gather(*(raise_it() for _ in range(8)))
        assert sum(1 for task in raised if task is not None) == 1
        async with service.transaction(actor="test") as uow:
            [task] = await open_tasks(uow.conn, "front_desk")
            assert task.detail is not None
            assert "Jo" not in task.detail
            assert (await uow.keys.box(patient)).open(task.detail) == "Jo asked for a call"
            assert await close_task(uow, kind="call", subject=patient, outcome="called") == 1
            assert await close_task(uow, kind="call", subject=patient, outcome="called") == 0
            assert not await close_by_id(uow, task.id, outcome="done")
        async with service.reading() as uow:
            types = await uow.conn.fetch("select type from event_log where subject = $1 order by sequence", patient)
        assert [row["type"].split(".")[2] for row in types] == ["LeadCreated", "TaskRaised", "TaskClosed"]


@pytest.mark.parametrize("note", [None, "Spoke with a neighbour"])
async def test_a_task_about_nobody_known_brings_its_own_key(make: Make, note: str | None) -> None:
    async with running(make("intake")) as service:
        async with service.transaction(actor="staff:dana") as uow:
            task = await raise_task(
                uow,
                kind="unreadable",
                subject=new_id(),
                occurrence="1",
                role="front_desk",
                patient_id=None,
                detail="a torn letter",
            )
            assert task is not None
            assert await close_by_id(uow, task, outcome="done", note=note)
        async with service.reading() as uow:
            row = await uow.conn.fetchrow("select closed_by, how from tasks where id = $1", task)
            raised = await uow.conn.fetchval(
                "select body ->> 'key' from event_log where subject = $1 and sequence = 1", task
            )
        assert (row["closed_by"], row["how"]) == ("staff:dana", "person")
        assert raised is not None
