"""Calls to the services that own the facts, with the staff member's own token: what they may do is decided there."""

import asyncio
from typing import Any, cast

import httpx
from starlette.requests import Request

from shared.http.auth import Staff
from shared.http.problems import FieldProblem, Problem, Unavailable

TIMEOUT = httpx.Timeout(10, connect=2)
LIMITS = httpx.Limits(max_connections=50, max_keepalive_connections=20)


def client() -> httpx.AsyncClient:
    """One per process, kept in `service.state`."""
    return httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS, headers={"accept": "application/json"})


async def until_stopped(http: httpx.AsyncClient) -> None:
    """Close the connections when the process stops."""
    async with http:
        await asyncio.Event().wait()


async def call(
    request: Request, who: Staff, service: str, method: str, path: str, json: Any = None, *, key: str = ""
) -> Any:
    """The JSON that the owning service answers, None where it has no body. `key` makes a repetition harmless there.

    Raises:
        Problem: it refused, with its own sentence, remedy and fields; or it cannot be reached (503).
    """
    runtime = request.app.state.service
    base = runtime.settings.urls.get(service)
    if base is None:
        raise Unavailable(f"This dashboard does not know where {service} is.")
    headers = {"authorization": f"Bearer {who.token}"} | ({"idempotency-key": key} if key else {})
    http = cast(httpx.AsyncClient, runtime.state.http)
    try:
        answer = await http.request(method, f"{base}{path}", json=json, headers=headers)
    except httpx.TransportError as error:
        raise Unavailable("The part of the program that does this can't be reached.") from error
    if answer.is_success:
        return answer.json() if answer.content else None
    raise _problem(answer)


def _problem(answer: httpx.Response) -> Problem:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    fields = [
        FieldProblem(str(f.get("name", "")), str(f.get("message", "")), str(f.get("remedy", "")))
        for f in body.get("fields", ())
        if isinstance(f, dict)
    ]
    return Problem(
        answer.status_code,
        str(body.get("code", f"http_{answer.status_code}")),
        str(body.get("title", "This can't be done")),
        str(body.get("detail", "")),
        str(body.get("remedy", "")),
        fields,
    )
