"""The audit's sealer under a test's hand: it rests where the test seals itself, and what it tells its log is kept."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture


@contextmanager
def sealers_at_rest() -> Iterator[None]:
    """Services that start meanwhile don't seal on their own: one that is at it is why another's turn seals nothing."""

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.service.seal_forever", never)
        yield


@contextmanager
def what_sealers_tell() -> Iterator[LogCapture]:
    """What is told to the log of each seal, whatever else in this process has set up how logs are written."""
    capture = LogCapture()
    log = structlog.wrap_logger(None, processors=[capture], wrapper_class=structlog.stdlib.BoundLogger)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.audit.log", log)
        yield capture
