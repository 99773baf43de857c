"""The planner's loop. It looks, thinks outside any transaction, and books in a short one."""

import asyncio

import asyncpg
import structlog

from services.scheduling.domain.planner import Infeasible, Plan, plan
from services.scheduling.domain.refusals import Taken
from services.scheduling.handlers import courses
from services.scheduling.handlers.courses import Draft
from services.scheduling.hearing import hears
from services.scheduling.repository.calendar import POSTPONE_COURSE
from shared.service import Service

log = structlog.get_logger()
POLL_SECONDS = 0.5
ATTEMPTS = 5
"""How often a plan is made anew because somebody booked one of its times meanwhile."""


async def plan_courses(service: Service) -> None:
    """Plan every approved course, for as long as the process runs."""
    while True:
        if not await plan_next(service):
            await asyncio.sleep(POLL_SECONDS)


async def plan_next(service: Service) -> bool:
    """Plan the course that waits longest; False when none does.

    A course at which the planner fails waits a minute, so that it doesn't stand in the way of the others. So does one
    whose approval may have been taken back without our hearing of it.
    """
    drafted = await _draft(service)
    if drafted is None:
        return False
    try:
        if await hears(service):
            await _plan(service, drafted)
        else:
            log.info("course_waits_for_news", course=str(drafted.course.course_id))
            await _postpone(service, drafted)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raise
    except Exception:
        log.exception("course_planning_failed", course=str(drafted.course.course_id))
        await _postpone(service, drafted)
    return True


async def _postpone(service: Service, drafted: Draft) -> None:
    async with service.transaction(actor="system:scheduling") as uow:
        await uow.conn.execute(POSTPONE_COURSE, drafted.course.course_id)


async def _draft(service: Service) -> Draft | None:
    async with service.reading() as uow:
        return await courses.draft(uow)


async def _plan(service: Service, drafted: Draft) -> None:
    current: Draft | None = drafted
    for attempt in range(1, ATTEMPTS + 1):
        if current is None or current.course.course_id != drafted.course.course_id:
            return
        outcome = await _think(service, current)
        try:
            await _settle(service, current, outcome)
        except (Taken, asyncpg.DeadlockDetectedError):
            log.info("course_planned_again", course=str(drafted.course.course_id), attempt=attempt)
            current = await _draft(service)
        else:
            return
    await _settle(service, drafted, Infeasible(("contended",)))


async def _think(service: Service, drafted: Draft) -> Plan | Infeasible:
    if drafted.in_danger:
        return Infeasible(("concern-open",))
    if drafted.order is None or drafted.site is None:
        return Infeasible(("route-not-offered",))
    return await asyncio.to_thread(plan, drafted.order, drafted.site, service.clinic.tz)


async def _settle(service: Service, drafted: Draft, outcome: Plan | Infeasible) -> None:
    async with service.transaction(actor="system:scheduling", journey=drafted.course.journey) as uow:
        uow.cause = drafted.course.cause
        await courses.settle(uow, drafted, outcome)
