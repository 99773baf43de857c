"""The two cookies of the issuer: the browser's session, and its hold on a sign-in that is under way."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from services.identity.domain.sign_in import INTERACTION

SESSION = "identity"
SIGN_IN = "sign_in"


def read(request: Request, name: str) -> str | None:
    """What the browser holds."""
    return request.cookies.get(_full(request, name))


def give(request: Request, response: Response, name: str, token: str, life: timedelta = INTERACTION) -> None:
    """Hand it to the browser; scripts can't read it."""
    secure = request.app.state.service.settings.secure
    seconds = int(life.total_seconds())
    response.set_cookie(_full(request, name), token, max_age=seconds, httponly=True, secure=secure, samesite="lax")


def take(request: Request, response: Response, name: str) -> None:
    """Take it back."""
    secure = request.app.state.service.settings.secure
    response.delete_cookie(_full(request, name), httponly=True, secure=secure, samesite="lax")


def _full(request: Request, name: str) -> str:
    # The __Host- prefix needs TLS, which a development stack doesn't have.
    return f"__Host-passage-{name}" if request.app.state.service.settings.secure else f"passage_{name}"
