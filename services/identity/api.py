"""The OpenID Connect endpoints."""

from typing import Any, cast

import structlog
from authlib.oauth2.rfc6749.errors import OAuth2Error
from fastapi import APIRouter, Depends
from joserfc import jwt
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.identity import cookies, handlers, repository
from services.identity.accounts import person_of
from services.identity.domain.sign_in import MFA, SCOPES, STEP_UP
from services.identity.issuer import Issuer
from services.identity.keys import ALGORITHM
from services.identity.provider import AUDIENCES, Answer
from shared.http.access import CLIENT, PUBLIC
from shared.http.auth import bearer
from shared.http.deps import ServiceDep
from shared.http.problems import BadRequest, Unauthorized
from shared.http.ratelimit import limit

router = APIRouter()
open_to_all = Depends(PUBLIC)
log = structlog.get_logger()
ANONYMOUS = "anonymous"


def issuer_of(request: Request) -> Issuer:
    """The issuer of this process."""
    return cast("Issuer", request.app.state.service.state)


@router.get("/.well-known/openid-configuration", dependencies=[open_to_all])
async def discovery(request: Request) -> dict[str, Any]:
    url = issuer_of(request).url
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "userinfo_endpoint": f"{url}/userinfo",
        "jwks_uri": f"{url}/jwks",
        "end_session_endpoint": f"{url}/end-session",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": [MFA, STEP_UP],
        "scopes_supported": list(SCOPES),
        "claims_supported": ["sub", "name", "email", "roles", "auth_time", "amr", "acr"],
    }


@router.get("/jwks", dependencies=[open_to_all])
async def jwks(request: Request, service: ServiceDep) -> dict[str, Any]:
    async with service.transaction(actor="system:identity") as uow:
        provider = await issuer_of(request).provider(uow.conn)
    return provider.keys.jwks()


@router.get("/authorize", dependencies=[open_to_all, Depends(limit("authorize", per_minute=120))])
async def authorize(request: Request, service: ServiceDep) -> Response:
    """A client sends a browser here. It goes back with a code at once, or the person signs in first."""
    given = dict(request.query_params)
    if len(given) != len(request.query_params.multi_items()):
        raise BadRequest("A parameter was given twice.", code="oauth_invalid_request")
    try:
        async with service.transaction(actor=ANONYMOUS) as uow:
            session = cookies.read(request, cookies.SESSION)
            result = await handlers.authorize(uow, issuer_of(request), given, session)
    except OAuth2Error as error:
        raise BadRequest(error.description or "", code=f"oauth_{error.error}") from error
    if isinstance(result, Answer):
        return redirect(result)
    response = RedirectResponse("/sign-in", 303)
    cookies.give(request, response, cookies.SIGN_IN, result.token)
    return response


def redirect(answer: Answer) -> Response:
    """Back to the client. 303, so that a form's POST becomes a GET."""
    location = answer.headers.get("Location")
    if location is None:
        raise BadRequest(code="oauth_refused")
    return RedirectResponse(location, 303)


@router.post("/token", dependencies=[Depends(CLIENT), Depends(limit("token", per_minute=600))])
async def token(request: Request, service: ServiceDep) -> Response:
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    headers = {"Authorization": request.headers.get("authorization", "")}
    async with service.transaction(actor="client") as uow:
        answer = await handlers.exchange(uow, issuer_of(request), form, headers)
    return JSONResponse(_body(answer.body), answer.status, headers={"Cache-Control": "no-store"})


def _body(body: Any) -> Any:
    return dict(body) if isinstance(body, list | tuple | dict) else {"error": "server_error"}


@router.get("/userinfo", dependencies=[Depends(CLIENT)])
@router.post("/userinfo", dependencies=[Depends(CLIENT)])
async def userinfo(request: Request, service: ServiceDep) -> dict[str, Any]:
    async with service.transaction(actor="client") as uow:
        provider = await issuer_of(request).provider(uow.conn)
    try:
        decoded = jwt.decode(bearer(request), provider.keys.all(), algorithms=[ALGORITHM])
        registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": AUDIENCES[0]},
            exp={"essential": True},
            sub={"essential": True},
        )
        registry.validate(decoded.claims)
    except (JoseError, ValueError) as error:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Unauthorized("The token is not valid.", code="bad_token", headers=challenge) from error
    person = person_of(service.clinic.people, decoded.claims["sub"])
    if person is None:
        raise Unauthorized("This person is not on the staff list any more.", code="not_staff")
    roles = [str(role) for role in person.roles]
    return {"sub": person.id, "name": person.name, "email": person.email, "email_verified": True, "roles": roles}


@router.get("/end-session", dependencies=[open_to_all])
async def end_session(request: Request, service: ServiceDep) -> Response:
    """RP-initiated logout. The hint is what makes a link of another site harmless: it must be this very person's."""
    issuer = issuer_of(request)
    asked = request.query_params
    async with service.transaction(actor=ANONYMOUS) as uow:
        provider = await issuer.provider(uow.conn)
        person = _hinted(asked.get("id_token_hint", ""), provider.keys.all(), issuer)
        token = cookies.read(request, cookies.SESSION)
        session = await repository.session(uow.conn, token) if token else None
        hinted = person is not None and (session is None or session.person_id == person)
        if hinted and token:
            await handlers.sign_out(uow, token)
    back = asked.get("post_logout_redirect_uri")
    if not hinted:
        return RedirectResponse("/sign-out", 303)
    response = RedirectResponse(back if back in issuer.client.after_logout else "/signed-out", 303)
    cookies.take(request, response, cookies.SESSION)
    return response


def _hinted(hint: str, keys: Any, issuer: Issuer) -> str | None:
    """Whose ID token it is, made here for our client; also one that has expired meanwhile."""
    try:
        claims = jwt.decode(hint, keys, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError):
        return None
    ours = claims.get("iss") == issuer.url and issuer.client.client_id in claims.get("aud", ())
    return str(claims.get("sub")) if ours else None
