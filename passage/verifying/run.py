"""All of `passage verify`, in the order in which it is told."""

from collections.abc import AsyncIterator, Collection

from passage.context import connected
from passage.telling import Finding
from passage.verifying import logs
from passage.verifying.models import MODELS
from passage.verifying.rebuilding import compare
from passage.verifying.told import Told

PARTS = ("logs", "audit", *(model.service for model in MODELS))
"""What can be asked for by name."""


async def verify(owner: str, parts: Collection[str] = PARTS, told: Told | None = None) -> AsyncIterator[Finding]:
    """Look at everything named, and tell each thing as soon as it is known. `told`: what the logs know of seals."""
    async with connected(owner) as connection:
        if "logs" in parts:
            for one in [*await logs.event_logs(connection), *await logs.positions(connection)]:
                yield one
        if "audit" in parts:
            for one in await logs.audit_chains(connection, told):
                yield one
    for model in MODELS:
        if model.service in parts:
            yield await compare(owner, model)
