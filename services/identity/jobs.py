"""Loops of identity: what has expired is deleted, and the next signing key is made in time."""

import asyncio

from services.identity import repository
from services.identity.issuer import Issuer
from shared.service import Service

PAUSE_SECONDS = 600


async def tidy(service: Service) -> None:
    """Every ten minutes."""
    issuer = service.state
    assert isinstance(issuer, Issuer)
    while True:
        async with service.transaction(actor="system:identity") as uow:
            await issuer.provider(uow.conn)
            await repository.sweep(uow.conn)
        await asyncio.sleep(PAUSE_SECONDS)
