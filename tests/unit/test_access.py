"""The route table as the place where it is read who may use what."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import Mount, Route

from shared.http.access import LINK, PUBLIC, Access, declared
from shared.http.auth import Staff, staff


def table(*routers: APIRouter) -> dict[str, tuple[Access, ...]]:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        app.include_router(router)
    app.router.routes.append(Mount("/files", routes=[Route("/x", lambda _: None)]))
    return {f"{route.method} {route.path}": route.accesses for route in declared(app)}


def test_a_route_says_whom_it_lets_in_by_what_it_depends_on():
    router = APIRouter(prefix="/api")
    signing = Annotated[Staff, Depends(staff("provider", step_up=True))]

    @router.post("/sign")
    async def sign(who: signing) -> None: ...

    @router.get("/page", dependencies=[Depends(LINK)])
    async def page() -> None: ...

    found = table(router)
    assert found["POST /api/sign"] == (Access("staff", frozenset({"provider"}), step_up=True),)
    assert found["GET /api/page"] == (LINK,)


def test_a_route_that_says_nothing_or_two_things_is_seen_with_its_name():
    silent, torn = APIRouter(), APIRouter(dependencies=[Depends(PUBLIC)])

    @silent.get("/forgotten")
    async def forgotten() -> None: ...

    @torn.get("/torn")
    async def both(who: Annotated[Staff, Depends(staff())]) -> None: ...

    found = table(silent, torn)
    assert found["GET /forgotten"] == ()
    assert len(found["GET /torn"]) == 2
    assert found["ANY /files"] == ()
