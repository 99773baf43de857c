"""What happens when somebody signs in, and when a client exchanges what it got for tokens."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from authlib.oauth2.rfc6749.errors import OAuth2Error

from services.identity import repository
from services.identity.accounts import person_of, totp_secret_of
from services.identity.devices import Devices
from services.identity.domain import sign_in as rules
from services.identity.issuer import Issuer
from services.identity.provider import Answer, Request, Stored, User
from services.identity.repository import Account, Grant, Session, SignIn
from services.identity.second_factor import step_of
from shared.audit import audit
from shared.ids import new_id
from shared.security.tokens import new_secret
from shared.uow import UnitOfWork

Parameters = dict[str, str]


class Outcome(Enum):
    """How a step of signing in went."""

    ON = "on"
    WRONG = "wrong"
    LOCKED = "locked"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Begun:
    """The person has something to do: `token` is their browser's hold on the sign-in."""

    token: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password to be checked, outside any transaction. `name` is what the attempt was counted under."""

    outcome: Outcome
    account: Account | None = None
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class Done:
    """Signed in. `session_token` is new for the browser, or null when it keeps its session."""

    answer: Answer
    session_token: str | None
    person_id: str


async def authorize(uow: UnitOfWork, issuer: Issuer, given: Parameters, session_token: str | None) -> Answer | Begun:
    """A client sends a browser to sign in. Either it is enough that it is signed in, or the person has to do something.

    Raises:
        OAuth2Error: the client asked for what it may not have, and where to send the browser back to is not known.
    """
    provider = await issuer.provider(uow.conn)
    request = Request("GET", "/authorize", given, {})
    session = await repository.session(uow.conn, session_token) if session_token else None
    known = rules.SignedIn(session.person_id, session.auth_time) if session else None
    try:
        provider.get_consent_grant(request, end_user=_user(uow, session, rules.MFA))
        need = rules.need(given, known, datetime.now(UTC))
    except OAuth2Error as error:
        if not error.redirect_uri:
            raise
        return provider.handle_error_response(request, error)  # type: ignore[no-any-return]
    except rules.LoginRequired:
        refusal = OAuth2Error(error="login_required", redirect_uri=given["redirect_uri"], state=given.get("state"))
        return provider.handle_error_response(request, refusal)  # type: ignore[no-any-return]
    if need is None and session is not None:
        return await _grant_code(uow, issuer, given, session)
    token = new_secret()
    assert need is not None
    life = rules.INTERACTION
    await repository.begin(uow.conn, token, given, step_up=need.step_up, expected=need.expected, life=life)
    return Begun(token)


async def attempt(
    uow: UnitOfWork, issuer: Issuer, token: str, username: str | None, devices: Devices | None = None
) -> Attempt:
    """Count an attempt, before anything is checked. `username` is null when the sign-in knows whose turn it is.

    A browser in which the person has signed in before (`devices`) is counted by itself: nobody else can lock it out.
    """
    current = await repository.sign_in(uow.conn, token)
    if current is None:
        return Attempt(Outcome.OVER)
    known = current.person_id or current.expected
    if username is None:
        account = await repository.account_of(uow.conn, known) if known else None
        if account is None:
            return Attempt(Outcome.OVER)
        username = account.username
    else:
        account = await repository.account(uow.conn, username.strip().lower()[:200])
    lock = timedelta(minutes=issuer.settings.lock_minutes)
    device = (devices or {}).get(account.person_id) if account else None
    name = uow.lookup.hash("device", device) if device else _name(uow, username)
    if not await repository.attempt(uow.conn, name, issuer.settings.attempts, lock):
        await audit(uow, action="locked_out", what="account", subject=None, detail=_who(account))
        return Attempt(Outcome.LOCKED)
    return Attempt(Outcome.ON, account, name)


async def password_checked(uow: UnitOfWork, token: str, tried: Attempt, *, fits: bool) -> Outcome:
    """After the password was looked at: on to the second factor, or not."""
    account = tried.account
    if account is None or not fits or person_of(uow.clinic.people, account.person_id) is None:
        await audit(uow, action="sign_in_failed", what="account", subject=None, detail=_who(account))
        return Outcome.WRONG
    await repository.right(uow.conn, tried.name)
    await repository.person_known(uow.conn, token, account.person_id)
    return Outcome.ON


async def code_given(
    uow: UnitOfWork, issuer: Issuer, token: str, tried: Attempt, code: str, session_token: str | None
) -> Done | Outcome:
    """The second factor, for the person whose password was right."""
    account = tried.account
    if account is None:
        return tried.outcome
    current = await repository.sign_in(uow.conn, token)
    if current is None or current.person_id != account.person_id:
        return Outcome.OVER
    step = step_of(totp_secret_of(account, issuer.keyring), code)
    if step is None or not await repository.use_step(uow.conn, account.person_id, step):
        await audit(uow, action="second_factor_failed", what="account", subject=None, detail=_who(account))
        return Outcome.WRONG
    if not await repository.end_sign_in(uow.conn, token):
        return Outcome.OVER
    await repository.clear(uow.conn, tried.name)
    return await _sign_in(uow, issuer, current, account, session_token)


async def _sign_in(
    uow: UnitOfWork, issuer: Issuer, current: SignIn, account: Account, session_token: str | None
) -> Done:
    known = await repository.session(uow.conn, session_token) if session_token else None
    fresh: str | None = None
    if known is not None and known.person_id == account.person_id:
        session = await repository.renew_session(uow.conn, known)
    else:
        if known is not None:
            await repository.close_session(uow.conn, known.hash)
        fresh = new_secret()
        life = timedelta(hours=issuer.settings.session_hours)
        session = await repository.open_session(uow.conn, fresh, account.person_id, rules.AMR, life)
    action = "step_up" if current.step_up else "sign_in"
    await audit(uow, action=action, what="account", subject=None, detail=_who(account))
    return Done(await _grant_code(uow, issuer, current.request, session), fresh, account.person_id)


async def _grant_code(uow: UnitOfWork, issuer: Issuer, given: Parameters, session: Session) -> Answer:
    provider = await issuer.provider(uow.conn)
    request = Request("GET", "/authorize", given, {})
    user = _user(uow, session, rules.acr_of(given))
    grant = provider.get_authorization_grant(request)
    answer: Answer = provider.create_authorization_response(request, grant_user=user, grant=grant)
    if request.new_code is not None:
        await repository.add_code(uow.conn, request.new_code, _granted(given, issuer, session), rules.CODE_LIFE)
    return answer


def _granted(given: Parameters, issuer: Issuer, session: Session) -> Grant:
    return Grant(
        family=new_id(),
        session=session.hash,
        client_id=given["client_id"],
        person_id=session.person_id,
        scope=issuer.client.get_allowed_scope(given.get("scope")),
        auth_time=session.auth_time,
        amr=session.amr,
        acr=rules.acr_of(given),
        redirect_uri=given["redirect_uri"],
        nonce=given.get("nonce"),
        code_challenge=given["code_challenge"],
        code_challenge_method=given["code_challenge_method"],
    )


async def exchange(uow: UnitOfWork, issuer: Issuer, given: Parameters, headers: Parameters) -> Answer:
    """A code or a refresh token for fresh tokens. Commit also when it is refused: what was shown is used up."""
    provider = await issuer.provider(uow.conn)
    request = Request("POST", "/token", given, headers)
    grant = await _stored(uow, given)
    person = person_of(uow.clinic.people, grant.person_id) if grant else None
    if grant is not None:
        request.stored = Stored(grant)
        request.stored_user = User(person, grant.auth_time, grant.amr, grant.acr) if person else None
    answer: Answer = provider.create_token_response(request)
    if grant is not None and request.new_token is not None:
        await repository.add_refresh(uow.conn, request.new_token["refresh_token"], grant)
    return answer


async def _stored(uow: UnitOfWork, given: Parameters) -> Grant | None:
    match given.get("grant_type"):
        case "authorization_code" if given.get("code"):
            return await repository.take_code(uow.conn, given["code"])
        case "refresh_token" if given.get("refresh_token"):
            return await repository.take_refresh(uow.conn, given["refresh_token"], rules.REFRESH_GRACE)
        case _:
            return None


async def sign_out(uow: UnitOfWork, session_token: str) -> None:
    """The browser's session ends, and every refresh token that grew from it."""
    session = await repository.session(uow.conn, session_token)
    if session is not None:
        await repository.close_session(uow.conn, session.hash)
        await audit(uow, action="sign_out", what="account", subject=None, detail={"person": session.person_id})


def _user(uow: UnitOfWork, session: Session | None, acr: str) -> User | None:
    person = person_of(uow.clinic.people, session.person_id) if session else None
    return User(person, session.auth_time, session.amr, acr) if session and person else None


def _name(uow: UnitOfWork, username: str) -> bytes:
    return uow.lookup.hash("username", username.strip().lower())


def _who(account: Account | None) -> dict[str, str]:
    # Never what was typed: people type their password into the wrong field.
    return {"person": account.person_id} if account else {}
