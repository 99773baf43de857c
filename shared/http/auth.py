"""Who of the staff asks, by a bearer token of the clinic's issuer.

The promise: a route that asks for `staff(...)` runs only for a person who is in the clinic file today, holds one of
the named roles there, and shows an unexpired token made by the issuer for this very service. Licences are not a
token's to tell: who needs one looks into the clinic file.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request

from shared.clinic import Clinic
from shared.http.access import Access, asks
from shared.http.deps import ServiceDep
from shared.http.problems import Forbidden, Unauthorized
from shared.security.bearer import BadToken, Verifier

ROLES = frozenset({"front_desk", "provider", "monitor", "operations", "auditor"})
STEP_UP = "step-up"
STEP_UP_SECONDS = 300
"""How long a fresh second factor counts for signing."""
CLOCK_SKEW_SECONDS = 30

__all__ = ["ROLES", "STEP_UP", "STEP_UP_SECONDS", "Staff", "Verifier", "staff"]


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff who asks. `auth_time` is when they last proved who they are (epoch seconds)."""

    id: str
    name: str
    roles: frozenset[str]
    auth_time: int
    amr: frozenset[str]
    acr: str
    token: str

    @property
    def actor(self) -> str:
        return f"staff:{self.id}"

    def stepped_up(self, now: float) -> bool:
        """Whether they gave a fresh second factor for signing within the last five minutes (`now`: epoch seconds)."""
        fresh = -CLOCK_SKEW_SECONDS <= now - self.auth_time <= STEP_UP_SECONDS
        return fresh and self.acr == STEP_UP and "otp" in self.amr


def staff(*roles: str, step_up: bool = False) -> Callable[..., Awaitable[Staff]]:
    """A dependency: the asking member of staff, who has one of `roles` (any role, when none is named).

    Raises (inside a request):
        Unauthorized: no token, or not a good one; with `step_up`, also when no fresh second factor was given.
        Forbidden: none of the roles.
    """
    unknown = set(roles) - ROLES
    if unknown:
        raise ValueError(f"no such role: {', '.join(sorted(unknown))}")

    @asks(Access("staff", frozenset(roles), step_up=step_up))
    async def asking(request: Request, service: ServiceDep) -> Staff:
        who = await identify(cast("Verifier", request.app.state.verifier), service.clinic, bearer(request))
        if roles and not who.roles & set(roles):
            raise Forbidden(f"This is for: {', '.join(role.replace('_', ' ') for role in roles)}.", code="wrong_role")
        if step_up and not who.stepped_up(time.time()):
            raise step_up_required()
        return who

    return asking


def step_up_required() -> Unauthorized:
    """RFC 9470: signing needs a fresh second factor."""
    challenge = f'Bearer error="insufficient_user_authentication", acr_values="{STEP_UP}", max_age="{STEP_UP_SECONDS}"'
    return Unauthorized(
        code="step_up_required",
        title="Confirm that it is you",
        remedy="Enter a fresh code from your authenticator, then sign.",
        headers={"WWW-Authenticate": challenge},
    )


def bearer(request: Request) -> str:
    """The token of the Authorization header.

    Raises:
        Unauthorized: there is none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


async def identify(verifier: Verifier, clinic: Clinic, token: str) -> Staff:
    """Who a token speaks for, by today's clinic file.

    Raises:
        Unauthorized: the token is not good. Forbidden: its person is not in the clinic file.
    """
    try:
        claims = await verifier.verify(token)
    except BadToken as error:
        challenge = 'Bearer error="invalid_token"'
        raise Unauthorized(error.reason, code="bad_token", headers={"WWW-Authenticate": challenge}) from error
    return from_claims(clinic, claims, token)


def from_claims(clinic: Clinic, claims: dict[str, Any], token: str) -> Staff:
    """The person of the clinic file whom verified claims mean: by `sub`, or by a verified e-mail address.

    Raises:
        Forbidden: nobody there.
    """
    email = str(claims.get("email", "")).lower() if claims.get("email_verified") is True else None
    for person in clinic.people:
        if person.id == claims["sub"] or (email and person.email and person.email.lower() == email):
            return Staff(
                id=person.id,
                name=person.name,
                roles=frozenset(str(role) for role in person.roles),
                auth_time=_seconds(claims.get("auth_time")),
                amr=frozenset(map(str, amr)) if isinstance(amr := claims.get("amr"), list) else frozenset(),
                acr=str(claims.get("acr", "")),
                token=token,
            )
    raise Forbidden("You are not on this clinic's staff list.", code="not_staff", remedy="Ask the clinic's manager.")


def _seconds(claim: object) -> int:
    """Epoch seconds; what an issuer writes in another way says of no moment that somebody proved who they are."""
    return int(claim) if isinstance(claim, int | float) and math.isfinite(claim) else 0
