"""What a browser remembers while its person signs in: a sealed cookie of ten minutes, one per attempt."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

from shared.security.keyring import Keyring
from shared.security.sealing import Unsealable, open_record, seal_record
from shared.security.tokens import digest, new_secret, new_token

SECONDS = 600
PURPOSE = "sign-in"


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """`expected` is who must come back, when somebody was signed in already."""

    state: str
    nonce: str
    verifier: str
    return_to: str
    expected: str | None

    @classmethod
    def begin(cls, return_to: str, expected: str | None) -> Self:
        """Fresh random state, nonce and PKCE verifier."""
        return cls(new_token(), new_token(), new_secret(), return_to, expected)


def is_local(path: str) -> bool:
    """Whether it is a path of our own, and not another site in disguise."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and len(path) < 2_000


def remember(request: Request, response: Response, keyring: Keyring, pending: PendingSignIn) -> None:
    sealed = seal_record(keyring, json.dumps(asdict(pending)).encode(), purpose=PURPOSE)
    secure = request.app.state.service.settings.secure
    name = _name(pending.state)
    response.set_cookie(name, sealed, max_age=SECONDS, httponly=True, secure=secure, samesite="lax", path="/auth")


def recall(request: Request, keyring: Keyring, state: str) -> PendingSignIn | None:
    """What was remembered for this state, in this browser."""
    try:
        found = PendingSignIn(
            **json.loads(open_record(keyring, request.cookies.get(_name(state), ""), purpose=PURPOSE))
        )
    except (Unsealable, ValueError, TypeError):
        return None
    return found if found.state == state else None


def forget(request: Request, response: Response, state: str) -> None:
    secure = request.app.state.service.settings.secure
    response.delete_cookie(_name(state), httponly=True, secure=secure, samesite="lax", path="/auth")


def _name(state: str) -> str:
    return f"passage_login_{digest(state).hex()[:8]}"
