"""Who may use a route, said once where the route asks for it, and read from the route table.

The promise: an application's routes each name exactly one `Access`. Those that ask who it is (staff, producers) are
named by the dependency that asks; those whose proof lies in the request itself (a signature, a link) say so beside the
route, and the endpoint asks for it. A route that names none is found by `declared`, and fails the tests by its name.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

Kind = Literal["staff", "producer", "vendor", "link", "client", "probe", "public"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Access:
    """Who, and by what.

    `roles` are the staff roles that may; for staff an empty set means each of them. With `session` staff are known by
    their browser's session instead of a bearer token. `step_up` asks for a fresh second factor too.
    """

    kind: Kind
    roles: frozenset[str] = frozenset()
    session: bool = False
    step_up: bool = False

    async def __call__(self) -> None:
        """As a dependency it lets everybody through: it only says what the endpoint, or nobody, asks for."""


PUBLIC = Access("public")
"""Everybody: nothing is asked."""
LINK = Access("link")
"""Whoever holds a patient's or an escort's link of this one purpose."""
VENDOR = Access("vendor")
"""Whoever signs like the vendor."""
PRODUCER = Access("producer")
"""A program that sends leads, by its API key."""
CLIENT = Access("client")
"""A program that signs staff in, by its secret or by what was issued to it."""
PROBE = Access("probe")
"""Whoever reaches the process itself: for the supervisor and for monitoring. The edge leads nobody there."""

_ASKED: dict[Callable[..., Any], Access] = {}


def asks(access: Access) -> Callable[[F], F]:
    """Say of a dependency, or of an endpoint that is no dependency's, whom it lets through."""

    def mark(function: F) -> F:
        _ASKED[function] = access
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path; `says` is what it does. `accesses` has exactly one member where all is well."""

    method: str
    path: str
    says: str
    accesses: tuple[Access, ...]

    @property
    def access(self) -> Access:
        (one,) = self.accesses
        return one


def declared(app: FastAPI) -> list[Route]:
    """Every route of an application in the order in which they are looked through."""
    found: list[Route] = []
    for context in iter_route_contexts(app.routes):
        endpoint = context.endpoint
        dependant: Dependant | None = getattr(context, "dependant", None)
        named = list(_named([dependant] if dependant is not None else []))
        if endpoint in _ASKED:
            named.append(_ASKED[endpoint])
        if context.path == app.openapi_url:
            named.append(PUBLIC)
        says = (getattr(endpoint, "__doc__", None) or "").strip().partition("\n")[0]
        if context.path == app.openapi_url:
            says = "The description of these routes; not served in production."
        methods = sorted(set(context.methods or ("ANY",)) - {"HEAD"})
        found.extend(Route(method, str(context.path), says, tuple(dict.fromkeys(named))) for method in methods)
    return found


def _named(dependants: Iterable[Dependant]) -> Iterator[Access]:
    for dependant in dependants:
        for inner in dependant.dependencies:
            call = inner.call
            if isinstance(call, Access):
                yield call
            elif call in _ASKED:
                yield _ASKED[call]
            else:
                yield from _named([inner])
