"""The pages on which staff sign in, confirm that it is them, and sign out."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.identity import cookies, devices, handlers, repository
from services.identity.accounts import person_of
from services.identity.api import ANONYMOUS, issuer_of, redirect
from services.identity.handlers import Outcome
from services.identity.repository import SignIn
from services.identity.second_factor import password_fits
from shared.http.access import PUBLIC
from shared.http.cross_site import refuse_cross_site
from shared.http.deps import ServiceDep
from shared.http.problems import BadRequest, Problem
from shared.http.ratelimit import limit
from shared.service import Service
from shared.web.pages import Pages

pages = Pages("services.identity", staff=True)
router = APIRouter(include_in_schema=False, dependencies=[Depends(PUBLIC), Depends(refuse_cross_site)])
guarded = [Depends(limit("sign-in", per_minute=30))]

Word = Annotated[str, Form(max_length=200)]
Code = Annotated[str, Form(max_length=20)]


@router.get("/")
async def home(request: Request) -> Response:
    return pages.render(request, "home.html", dashboard=issuer_of(request).settings.dashboard_url)


@router.get("/sign-in")
async def sign_in(request: Request, service: ServiceDep) -> Response:
    """The step at which this browser's sign-in is."""
    async with service.reading() as uow:
        current = await repository.sign_in(uow.conn, _token(request))
    if current is None:
        raise _over()
    return _page(request, service, current)


@router.post("/sign-in/password", dependencies=guarded)
async def password(request: Request, service: ServiceDep, username: Word, password: Word) -> Response:
    outcome = await _check_password(request, service, username, password)
    if outcome is Outcome.ON:
        return RedirectResponse("/sign-in", 303)
    return await _again(request, service, outcome, username=username)


@router.post("/sign-in/code", dependencies=guarded)
async def code(request: Request, service: ServiceDep, code: Code) -> Response:
    return await _finish(request, service, code)


@router.post("/sign-in/confirm", dependencies=guarded)
async def confirm(request: Request, service: ServiceDep, password: Word, code: Code) -> Response:
    """Both factors at once, by whoever is signed in."""
    outcome = await _check_password(request, service, None, password)
    if outcome is not Outcome.ON:
        return await _again(request, service, outcome)
    return await _finish(request, service, code)


@router.get("/sign-out")
async def ask_sign_out(request: Request) -> Response:
    return pages.render(request, "sign_out.html")


@router.post("/sign-out")
async def sign_out(request: Request, service: ServiceDep) -> Response:
    session = cookies.read(request, cookies.SESSION)
    if session:
        async with service.transaction(actor=ANONYMOUS) as uow:
            await handlers.sign_out(uow, session)
    response = RedirectResponse("/signed-out", 303)
    cookies.take(request, response, cookies.SESSION)
    return response


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    return pages.render(request, "signed_out.html", dashboard=issuer_of(request).settings.dashboard_url)


async def _check_password(request: Request, service: Service, username: str | None, password: str) -> Outcome:
    # Three steps, because checking a password is slow on purpose and no transaction may wait for it.
    async with service.transaction(actor=ANONYMOUS) as uow:
        who = devices.known(request, service.keyring)
        attempt = await handlers.attempt(uow, issuer_of(request), _token(request), username, who)
    if attempt.outcome is not Outcome.ON:
        return attempt.outcome
    fits = await password_fits(password, attempt.account.password_hash if attempt.account else None)
    async with service.transaction(actor=ANONYMOUS) as uow:
        return await handlers.password_checked(uow, _token(request), attempt, fits=fits)


async def _finish(request: Request, service: Service, code: str) -> Response:
    issuer = issuer_of(request)
    token = _token(request)
    async with service.transaction(actor=ANONYMOUS) as uow:
        attempt = await handlers.attempt(uow, issuer, token, None, devices.known(request, service.keyring))
        session = cookies.read(request, cookies.SESSION)
        result = await handlers.code_given(uow, issuer, token, attempt, code, session)
    if isinstance(result, Outcome):
        return await _again(request, service, result)
    response = redirect(result.answer)
    cookies.take(request, response, cookies.SIGN_IN)
    devices.remember(request, response, service.keyring, result.person_id)
    if result.session_token is not None:
        life = timedelta(hours=issuer.settings.session_hours)
        cookies.give(request, response, cookies.SESSION, result.session_token, life)
    return response


async def _again(request: Request, service: Service, outcome: Outcome, *, username: str = "") -> Response:
    async with service.reading() as uow:
        current = await repository.sign_in(uow.conn, _token(request))
    if current is None or outcome is Outcome.OVER:
        raise _over()
    minutes = issuer_of(request).settings.lock_minutes
    return _page(request, service, current, wrong=outcome.value, minutes=minutes, username=username)


def _page(
    request: Request,
    service: Service,
    current: SignIn,
    *,
    wrong: str | None = None,
    minutes: int = 0,
    username: str = "",
) -> Response:
    known = current.expected if current.step_up else current.person_id
    person = person_of(service.clinic.people, known) if known else None
    stage = "confirm" if current.step_up else "code" if current.person_id else "password"
    status = {None: 200, "locked": 429}.get(wrong, 422)
    return pages.render(
        request,
        "sign_in.html",
        status=status,
        stage=stage,
        wrong=wrong,
        minutes=minutes,
        person=person,
        username=username,
    )


def _token(request: Request) -> str:
    token = cookies.read(request, cookies.SIGN_IN)
    if not token:
        raise _over()
    return token


def _over() -> Problem:
    return BadRequest(
        "This sign-in has ended, or your browser keeps no cookies.",
        code="sign_in_over",
        title="Please start again",
        remedy="Go back to the dashboard and sign in there.",
    )
