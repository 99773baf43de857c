"""Intake's one loop: forget what the policy's days are over for."""

import asyncio
from datetime import timedelta

from services.intake.repository import arrivals, calls, vagaro
from services.intake.settings import IntakeSettings
from shared.service import Service

PAUSE_SECONDS = 3600


async def forget(service: Service) -> None:
    """Idempotency keys, calls, and customers of Vagaro who never booked; once an hour, technical time."""
    assert isinstance(service.settings, IntakeSettings)
    days = timedelta(days=service.settings.accepted_days)
    customer_days = timedelta(days=service.settings.vagaro_customer_days)
    while True:
        async with service.pool.acquire() as conn:
            await arrivals.forget_accepted(conn, days)
            await calls.forget(conn, days)
        async with service.transaction(actor="system:intake") as uow:
            for row_id in await vagaro.forget_old(uow.conn, customer_days):
                await uow.keys.destroy(row_id)
        await asyncio.sleep(PAUSE_SECONDS)
