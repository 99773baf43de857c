"""Who may use which route, asked of every route of every service, as every role.

The routes come from the applications' own tables, so a new route is under test as soon as it is there; one that doesn't
say whom it lets in fails by its name.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest

from passage import access as page
from passage import openapi
from shared.db.migrate import SERVICES
from shared.http import links
from shared.http.access import Access, Route, declared
from shared.ids import new_id
from shared.security.tokens import digest, new_token
from tests.support.dashboard import COOKIE, Desk
from tests.support.issuer import Issuer
from tests.support.world import Running, World

PEOPLE = {"front_desk": "dana", "provider": "osei", "monitor": "tran", "operations": "ops", "auditor": "audit"}
REFUSED = frozenset({401, 403})
PATHS = {
    "token": "A" * 22, "kind": "history", "version": "1", "day": "2026-03-02", "route": "lozenge", "gate": "vitals",
    "name": "passage.css", "name:path": "passage.css",
}  # fmt: skip
FORM = {
    "grant_type": "authorization_code", "code": "invented",
    "visit": str(uuid4()), "item": "solids", "answer": "yes", "how": "well", "escort": "Karin", "words": "All well",
    "starts_at": "2026-03-02T17:00:00+00:00", "mode": "in_person", "step": "about",
}  # fmt: skip
"""What forms ask for, so that the missing proof is what they are refused for."""
TOGETHER = 8


@dataclass(frozen=True, slots=True)
class House:
    """Every service of one clinic, and whom its dashboard knows."""

    services: dict[str, Running]
    sessions: dict[str, str]

    def routes(self, name: str, *kinds: str) -> list[Route]:
        return [route for route in declared(self.services[name].app) if route.access.kind in kinds]


@pytest.fixture(scope="module")
async def house(world: World) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        services = {name: await stack.enter_async_context(world.start(name)) for name in SERVICES}
        desk = Desk(services["dashboard"])
        sessions = {role: await desk.token(person) for role, person in PEOPLE.items()}
        sessions["ended"] = await desk.token("osei", sid="ended")
        async with world.connection() as conn:
            await conn.execute(
                "update dashboard.staff_sessions set expires_at = now() - interval '1 s' where person_id = 'osei'"
                " and hash <> all($1::bytea[])",
                [digest(sessions["provider"])],
            )
        yield House(services, sessions)


async def ask(running: Running, route: Route, headers: dict[str, str], path: str | None = None) -> int:
    """The status; a stream is left as soon as that is known."""
    path = path or re.sub(r"\{(.*?)\}", lambda found: PATHS.get(found.group(1), str(uuid4())), route.path)
    sent: dict[str, object] = {}
    if route.method not in {"GET", "DELETE"}:
        as_form = route.access.session or route.access.kind != "staff"
        sent = {"data": FORM} if as_form else {"json": {}}
    every = {"sec-fetch-site": "same-origin", "idempotency-key": uuid4().hex, **headers}
    async with running.http.stream(route.method, path, headers=every, **sent) as answer:
        return answer.status_code


def callers(house: House, name: str, access: Access) -> Iterable[tuple[str, dict[str, str], bool]]:
    """Who asks, with what, and whether they are to be let in."""
    running = house.services[name]
    other = next(one for one in SERVICES if one != name)
    for role, person in PEOPLE.items():
        welcome = not access.roles or role in access.roles
        if access.session:
            yield role, {"cookie": f"{COOKIE}={house.sessions[role]}"}, welcome
            continue
        yield role, running.as_staff(person, step_up=access.step_up), welcome
        if access.step_up and welcome:
            yield f"{role} without a fresh code", running.as_staff(person), False
            long_ago = {"auth_time": 1_700_000_000}
            late = running.issuer.token(person, name, step_up=True, **long_ago)
            yield f"{role} with an old code", {"authorization": f"Bearer {late}"}, False
    able = next(role for role in PEOPLE if not access.roles or role in access.roles)
    token = running.issuer.token
    forged = Issuer(running.issuer.url).token(PEOPLE[able], name, step_up=True)
    strangers: dict[str, dict[str, str]] = {
        "nobody": {},
        "an expired token": {"authorization": f"Bearer {token(PEOPLE[able], name, step_up=True, exp=1_700_000_000)}"},
        "a token for elsewhere": {"authorization": f"Bearer {token(PEOPLE[able], other, step_up=True)}"},
        "a token that the issuer did not sign": {"authorization": f"Bearer {forged}"},
        "a person who left": {"authorization": f"Bearer {token('gone', name, step_up=True)}"},
    }
    if access.session:
        strangers |= {
            "a session that has ended": {"cookie": f"{COOKIE}={house.sessions['ended']}"},
            "an invented session": {"cookie": f"{COOKIE}={'x' * 43}"},
            "a good token instead of a session": running.as_staff(PEOPLE[able]),
        }
    yield from ((who, headers, False) for who, headers in strangers.items())


async def wrongly(house: House, name: str, route: Route, gate: asyncio.Semaphore) -> list[str]:
    """What this route answers otherwise than it declares."""
    found = []
    for who, headers, welcome in callers(house, name, route.access):
        async with gate:
            status = await ask(house.services[name], route, headers)
        right = status not in REFUSED and status < 500 if welcome else status in REFUSED
        if not right:
            found.append(f"{name} {route.method} {route.path} answers {status} to {who}")
    return found


@pytest.mark.parametrize("name", SERVICES)
async def test_every_route_says_whom_it_lets_in(house: House, name: str) -> None:
    silent = [f"{r.method} {r.path}: {r.accesses}" for r in declared(house.services[name].app) if len(r.accesses) != 1]
    assert silent == [], "each route names one access of shared.http.access: by its dependency, or beside it"


@pytest.mark.parametrize("name", SERVICES)
async def test_staff_routes_let_in_exactly_the_roles_that_they_name(house: House, name: str) -> None:
    gate = asyncio.Semaphore(TOGETHER)
    found = await asyncio.gather(*(wrongly(house, name, route, gate) for route in house.routes(name, "staff")))
    assert list(itertools.chain(*found)) == []


@pytest.mark.parametrize("name", SERVICES)
async def test_programs_and_vendors_are_refused_without_their_proof(house: House, name: str) -> None:
    running, found = house.services[name], []
    strangers = [
        {},
        {"x-api-key": "pk_invented", "x-twilio-signature": "invented", "x-vagaro-signature": "invented"},
        running.as_staff("ops", step_up=True),
    ]
    for route in house.routes(name, "producer", "vendor", "client"):
        statuses = [await ask(running, route, headers) for headers in strangers]
        if not REFUSED.issuperset(statuses):
            found.append(f"{route.method} {route.path}: {statuses}")
    assert found == []


@pytest.mark.parametrize("name", SERVICES)
async def test_pages_behind_links_open_with_no_other_link(house: House, name: str) -> None:
    running, found = house.services[name], []
    async with running.service.transaction(actor="patient") as uow:
        expires = uow.now + timedelta(days=1)
        other = await links.issue(uow, purpose="another", subject=new_id(), expires_at=expires)
    for route in house.routes(name, "link"):
        paths = [route.path.replace("{token}", token) for token in (new_token(), other, "x")]
        statuses = [await ask(running, route, running.as_staff("osei", step_up=True), path) for path in paths]
        if statuses != [404, 404, 404]:
            found.append(f"{route.method} {route.path}: {statuses}")
    assert found == []


@pytest.mark.parametrize("name", SERVICES)
async def test_what_is_public_asks_for_nothing(house: House, name: str) -> None:
    running = house.services[name]
    routes = house.routes(name, "public", "probe")
    refused = [f"{r.method} {r.path}" for r in routes if await ask(running, r, {}) in REFUSED]
    assert refused == []


async def test_the_privacy_officers_page_is_what_the_routes_say(house: House) -> None:
    now = page.document({name: declared(running.app) for name, running in house.services.items()})
    assert page.PAGE.stale({page.NAME: now}) == [], "run python -m passage.access --write"


async def test_the_descriptions_that_are_checked_in_are_what_the_routes_say(house: House) -> None:
    now = openapi.documents({name: running.app for name, running in house.services.items()})
    assert openapi.FILES.stale(now) == [], "run python -m passage.openapi --write"
