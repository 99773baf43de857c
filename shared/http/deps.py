"""What endpoints ask for."""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from shared.service import Service


def service_of(request: Request) -> Service:
    """The running service behind a request."""
    return cast("Service", request.app.state.service)


async def _service(request: Request) -> Service:
    # A coroutine: FastAPI runs plain functions in a thread, each time.
    return service_of(request)


ServiceDep = Annotated[Service, Depends(_service)]
