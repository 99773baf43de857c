"""What an authorization request asks of the person, and when it is satisfied."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

STEP_UP = "step-up"
MFA = "mfa"
AMR = ("pwd", "otp", "mfa")
"""How everybody signs in here: password and one-time code."""

INTERACTION = timedelta(minutes=10)
CODE_LIFE = timedelta(minutes=1)
ACCESS_SECONDS = 900
REFRESH_GRACE = timedelta(seconds=10)
"""A token just rotated may be shown again this long: two requests of one session can refresh at the same moment."""

SCOPES = ("openid", "profile", "email")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser that is signed in."""

    person_id: str
    auth_time: datetime


@dataclass(frozen=True, slots=True)
class Need:
    """What the person must do now. `expected` must be the one who does it."""

    step_up: bool
    expected: str | None


class LoginRequired(Exception):
    """`prompt=none`, but the person would have to do something."""


def acr_of(request: Mapping[str, str]) -> str:
    """The level that the client asked for."""
    return STEP_UP if STEP_UP in request.get("acr_values", "").split() else MFA


def need(request: Mapping[str, str], session: SignedIn | None, now: datetime) -> Need | None:
    """What has to happen before a code may be given; nothing when the session is enough.

    Raises:
        LoginRequired: something would have to, but the client forbade to ask.
    """
    step_up = acr_of(request) == STEP_UP
    prompts = request.get("prompt", "").split()
    asked = step_up or "login" in prompts or session is None or _too_old(request, session, now)
    if not asked:
        return None
    if "none" in prompts:
        raise LoginRequired
    return Need(step_up=step_up and session is not None, expected=session.person_id if session and step_up else None)


def _too_old(request: Mapping[str, str], session: SignedIn, now: datetime) -> bool:
    given = request.get("max_age", "")
    return given.isdecimal() and now - session.auth_time > timedelta(seconds=min(int(given), 10**8))
