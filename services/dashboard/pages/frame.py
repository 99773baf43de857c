"""What every staff page has: who asks, the navigation, and how a form comes back with its errors."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.dashboard.boards import CARE, READS, Boards
from services.dashboard.live import Live
from services.dashboard.words import Words
from shared.http.access import Access, asks
from shared.http.auth import Staff
from shared.http.oidc import current_staff
from shared.http.problems import Forbidden, Problem
from shared.web.pages import Pages

SEE_OTHER = 303
NAV_ROLES: dict[str, frozenset[str]] = {
    "today": CARE,
    "patients": READS,
}
"""Whom these pages let in; the navigation leads nobody to a door that is closed to them."""


def staff_page(*roles: str) -> Callable[[Request], Awaitable[Staff]]:
    """A dependency: who is signed in. Without a session the browser is sent to sign in and comes back.

    Raises (inside a request):
        Forbidden: none of `roles`, where some are named; or a form that was not sent from our own page.
    """

    @asks(Access("staff", frozenset(roles), session=True))
    async def asking(request: Request) -> Staff:
        who = await current_staff(request)
        if roles and not who.roles & set(roles):
            raise Forbidden(code="wrong_role")
        return who

    return asking


def live_of(request: Request) -> Live:
    """The board in memory."""
    return cast(Live, request.app.state.service.state.live)


def boards_of(request: Request) -> Boards:
    """The board as its readers see it."""
    return cast(Boards, request.app.state.service.state.boards)


def pages_of(request: Request) -> Pages:
    return cast(Pages, request.app.state.pages)


def words_of(request: Request) -> Words:
    """Says phrases in the reader's language."""
    pages = pages_of(request)
    clinic = request.app.state.service.clinic
    return Words(pages.texts, pages.language(request), clinic, pages.dates(request))


async def show(
    request: Request, who: Staff, template: str, *, section: str = "", status: int = 200, **context: Any
) -> HTMLResponse:
    """A staff page; `section` marks the navigation. Templates also get `say(phrase)`, `who` and `problem`."""
    live = live_of(request)
    await live.ready()
    pages = pages_of(request)
    context.setdefault("problem", None)
    mine = sum(1 for task in live.work.values() if task.role in who.roles)
    nav = [
        ("board", "/", pages.t(request, "staff.board"), 0),
        ("today", "/today", pages.t(request, "booking.today"), 0),
        ("tasks", "/tasks", pages.t(request, "staff.tasks"), mine),
        ("patients", "/patients", pages.t(request, "patients.title"), 0),
        ("funnel", "/funnel", pages.t(request, "funnel.title"), 0),
    ]
    if "front_desk" in who.roles:
        nav.append(("contacts", "/contacts", pages.t(request, "contacts.title"), 0))
    if "operations" in who.roles:
        nav.append(("letters", "/letters", pages.t(request, "letters.title"), 0))
        nav.append(("developers", "/developers", pages.t(request, "developers.title"), 0))
    return pages.render(
        request,
        template,
        status,
        who=who,
        section=section,
        nav=[it for it in nav if not who.roles.isdisjoint(NAV_ROLES.get(it[0], who.roles))],
        say=words_of(request),
        cursor=live.cursor,
        **context,
    )


def done(path: str) -> Response:
    """After a form: go and see what became of it."""
    return RedirectResponse(path, SEE_OTHER)


def errors(problem: Problem | None) -> dict[str, str]:
    """What is wrong with each field, by its name without the path before it."""
    if problem is None:
        return {}
    return {one.name.rpartition(".")[2]: f"{one.message} {one.remedy}".strip() for one in problem.fields}
