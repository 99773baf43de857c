"""What an operator's commands find: the settings of a world, in the environment, as a stack writes them down."""

from typing import Any

from passage.context import OWNER_URL
from passage.telling import Finding
from passage.verifying.run import PARTS, verify
from passage.verifying.told import Told
from shared.db.migrate import SERVICES
from tests.support.world import World


def operating(world: World, monkeypatch: Any) -> None:
    """Let the commands' functions find this world, as the owner of its database."""
    monkeypatch.setenv(OWNER_URL, world.dsn())
    for name in SERVICES:
        for variable, value in world.wiring.variables(name).items():
            monkeypatch.setenv(variable, value)


async def verified(world: World, *parts: str, told: Told | None = None) -> dict[str, Finding]:
    """What `passage verify` says, by the thing it is about."""
    return {one.what: one async for one in verify(world.dsn(), parts or PARTS, told)}
