"""Intake's one loop: forget idempotency keys after the policy's days."""

import asyncio
from datetime import timedelta

from services.intake.repository import arrivals
from services.intake.settings import IntakeSettings
from shared.service import Service

PAUSE_SECONDS = 3600


async def forget_accepted(service: Service) -> None:
    """Once an hour; technical time."""
    assert isinstance(service.settings, IntakeSettings)
    days = timedelta(days=service.settings.accepted_days)
    while True:
        async with service.pool.acquire() as conn:
            await arrivals.forget_accepted(conn, days)
        await asyncio.sleep(PAUSE_SECONDS)
