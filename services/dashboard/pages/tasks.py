"""What people must do, of all services; closing a task calls the service that raised it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.boards import READS
from services.dashboard.calls import call
from services.dashboard.domain.story import OUTCOMES
from services.dashboard.needs import needs
from services.dashboard.pages.frame import done, live_of, show, staff_page, words_of
from services.dashboard.repository.read_model import task as find_task
from shared.http.auth import Staff
from shared.http.deps import ServiceDep
from shared.http.problems import NotFound, Problem

router = APIRouter(prefix="/tasks")
Anyone = Annotated[Staff, Depends(staff_page())]


@router.get("")
async def tasks(request: Request, who: Anyone, service: ServiceDep, show_all: str = "") -> Response:
    """Mine, or with `?show_all=1` everybody's."""
    live = live_of(request)
    await live.ready()
    wanted = [task for task in live.work.values() if show_all or task.role in who.roles]
    found = needs(live, words_of(request), wanted, service.clock.now())
    template = "_tasks.html" if request.headers.get("hx-request") else "tasks.html"
    return await show(request, who, template, section="tasks", needs=found, show_all=bool(show_all))


@router.get("/{task_id}/close")
async def closing(task_id: UUID, request: Request, who: Anyone, service: ServiceDep, back: str = "/tasks") -> Response:
    """How it ended, and what to say about it."""
    live, say = live_of(request), words_of(request)
    await live.ready()
    task = live.work.get(task_id)
    if task is None:
        return done(_back(back))
    return await show(
        request,
        who,
        "task_close.html",
        section="tasks",
        label=say.code("task", task.kind),
        name=live.name(task.patient_id),
        need=needs(live, say, [task], service.clock.now())[0] if who.roles & (READS | {task.role}) else None,
        outcomes=[(code, say.code("close", code), say.code("close", f"{code}_note")) for code in OUTCOMES],
        back=_back(back),
    )


@router.post("/{task_id}/close")
async def close(task_id: UUID, request: Request, who: Anyone, service: ServiceDep) -> Response:
    """Done, by a person; what came of it is a word of the form."""
    form = await request.form()
    async with service.reading() as uow:
        found = await find_task(uow.conn, task_id)
    if found is None:
        raise NotFound("There is no such task.")
    body = {"outcome": str(form.get("outcome") or "done")}
    if note := str(form.get("note") or "").strip():
        body["note"] = note
    try:
        await call(request, who, found.source, "POST", f"/api/v1/tasks/{task_id}/close", json=body)
    except Problem as problem:
        # Somebody was faster, or a fact closed it: what was wanted is so.
        if problem.code != "task_closed":
            raise
    return done(_back(str(form.get("back") or "")))


def _back(path: str) -> str:
    return path if path == "/" or path.startswith("/patients/") else "/tasks"
