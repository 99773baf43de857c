"""Staff sign in with the clinic's issuer: authorization code with PKCE, a server-side session, step-up, sign-out.

The promise: the browser holds nothing but a random token; the issuer's tokens are sealed in the service's own table; a
form that changes something works only from our own pages; every session ends after some hours, an idle one earlier.

For a service whose settings are `SignInSettings` and that has the table `staff_sessions`: include `router(settings)`,
let pages depend on `current_staff`, and answer with `step_up(request, return_to)` before somebody signs.
"""

from datetime import timedelta
from typing import Annotated, cast
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shared.http.access import PUBLIC, Access, asks
from shared.http.auth import STEP_UP, Staff, from_claims
from shared.http.cross_site import SAFE, refuse_cross_site
from shared.http.deps import service_of
from shared.http.issuer_client import IssuerClient, Refused
from shared.http.pending import PendingSignIn, forget, is_local, recall, remember
from shared.http.problems import BadRequest, Forbidden, Problem, Unauthorized, Unavailable, wants_page
from shared.http.ratelimit import limit
from shared.http.staff_sessions import StaffSessions
from shared.security.bearer import BadToken, IssuerAway
from shared.settings import SignInSettings

STEP_UP_PATH = "/auth/step-up"
limited = [Depends(limit("login", per_minute=60))]
open_to_all = [*limited, Depends(PUBLIC)]


def router(settings: SignInSettings) -> APIRouter:
    """`GET /login?next=`, `GET /auth/step-up?next=`, `GET /auth/callback`, `POST /logout`."""
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/login", login, dependencies=open_to_all)
    routes.add_api_route(STEP_UP_PATH, confirm, dependencies=limited)
    routes.add_api_route(urlsplit(redirect_uri(settings)).path, callback, dependencies=open_to_all)
    routes.add_api_route(
        "/logout", logout, methods=["POST"], dependencies=[Depends(refuse_cross_site), Depends(PUBLIC)]
    )
    return routes


def redirect_uri(settings: SignInSettings) -> str:
    """Where the issuer sends the browser back to; to be registered there."""
    return f"{settings.public_url}/auth/callback"


def step_up(_request: Request, return_to: str) -> Response:
    """Have the person who is signed in give both factors again; they come back to `return_to`, a path of ours."""
    return RedirectResponse(f"{STEP_UP_PATH}?{urlencode({'next': return_to})}", 303)


@asks(Access("staff", session=True))
async def current_staff(request: Request) -> Staff:
    """A dependency: who is signed in in this browser, by today's clinic file, with a token good for some minutes more.

    Raises (inside a request):
        Problem: nobody. A page's reader is sent to sign in and comes back; a program gets 401.
        Forbidden: the form was not sent from our own page, or the person has left the clinic's staff list.
    """
    refuse_cross_site(request)
    service = service_of(request)
    sessions, client = _sessions(request), _client(request)
    token = sessions.token_of(request)
    try:
        active = not _by_itself(request)
        found = await sessions.current(service, client, token, active=active) if token else None
    except IssuerAway as error:
        raise Unavailable("The clinic's sign-in can't be reached right now.") from error
    if found is None:
        raise _sign_in_first(request)
    return from_claims(service.clinic, found.claims, found.access)


CurrentStaff = Annotated[Staff, Depends(current_staff)]


async def login(request: Request, next: str = "/") -> Response:  # noqa: A002  # the parameter's name in the address
    """Off to the issuer; back to `next` afterwards."""
    return await _to_issuer(request, next, {}, expected=None)


async def confirm(request: Request, who: CurrentStaff, next: str = "/") -> Response:  # noqa: A002
    """Off to the issuer, which asks for both factors again."""
    asked = {"acr_values": STEP_UP, "max_age": "0", "prompt": "login", "login_hint": who.id}
    return await _to_issuer(request, next, asked, expected=who.id)


async def callback(request: Request) -> Response:
    """The issuer sends the browser back."""
    service, sessions = service_of(request), _sessions(request)
    given = request.query_params
    pending = recall(request, service.keyring, given.get("state", ""))
    if pending is None:
        raise _start_again("This sign-in was not begun in this browser, or has expired.")
    if "code" not in given:
        raise _start_again("The sign-in was not completed.")
    try:
        tokens = await _client(request).exchange(given["code"], pending.verifier, pending.nonce)
    except (Refused, BadToken) as error:
        raise _start_again("The sign-in could not be confirmed.") from error
    except IssuerAway as error:
        raise Unavailable("The clinic's sign-in can't be reached right now.") from error
    who = from_claims(service.clinic, tokens.claims, tokens.access)
    if pending.expected is not None and pending.expected != who.id:
        raise Forbidden("Somebody else confirmed than who is signed in here.", code="other_person")
    token = await sessions.open(service, tokens, who.id, replacing=sessions.token_of(request))
    response = RedirectResponse(pending.return_to, 303)
    forget(request, response, given["state"])
    sessions.give(request, response, token)
    return response


async def logout(request: Request) -> Response:
    """Here and with the issuer."""
    sessions = _sessions(request)
    token = sessions.token_of(request)
    ended = await sessions.close(service_of(request), token) if token else None
    try:
        where = await _client(request).end_session_url(ended.id_token if ended else None)
    except IssuerAway:
        where = "/"
    response = RedirectResponse(where, 303)
    sessions.take(request, response)
    return response


async def _to_issuer(request: Request, return_to: str, asked: dict[str, str], *, expected: str | None) -> Response:
    pending = PendingSignIn.begin(return_to if is_local(return_to) else "/", expected)
    try:
        where = await _client(request).authorize_url(pending.state, pending.nonce, pending.verifier, asked)
    except IssuerAway as error:
        raise Unavailable("The clinic's sign-in can't be reached right now.") from error
    response = RedirectResponse(where, 303)
    remember(request, response, service_of(request).keyring, pending)
    return response


def _by_itself(request: Request) -> bool:
    """A page's stream, or a part that it fetches anew: an unattended screen must not keep a session alive."""
    stream = "text/event-stream" in request.headers.get("accept", "")
    return stream or (request.method in SAFE and "hx-request" in request.headers)


def _sign_in_first(request: Request) -> Problem:
    here = urlsplit(request.headers.get("hx-current-url") or str(request.url))
    back = here.path + (f"?{here.query}" if here.query else "")
    where = f"/login?{urlencode({'next': back})}"
    if "hx-request" in request.headers:
        return Unauthorized(code="sign_in", headers={"HX-Redirect": where})
    if request.method in SAFE and wants_page(request):
        return Problem(303, "sign_in", "Please sign in", headers={"Location": where})
    return Unauthorized(code="sign_in")


def _start_again(why: str) -> Problem:
    return BadRequest(
        why, code="sign_in_over", title="Please sign in again", remedy="Go to the first page and try again."
    )


def _settings(request: Request) -> SignInSettings:
    return cast("SignInSettings", service_of(request).settings)


def _client(request: Request) -> IssuerClient:
    settings = _settings(request)
    return IssuerClient(settings, redirect_uri(settings), request.app.state.verifier)


def _sessions(request: Request) -> StaffSessions:
    settings = _settings(request)
    return StaffSessions(timedelta(hours=settings.session_hours), timedelta(minutes=settings.session_idle_minutes))
