"""Forms of staff come from our own pages only.

The promise: together with SameSite=Lax cookies, no other site can make a signed-in browser change anything. Browsers
say where a request comes from (`Sec-Fetch-Site`, or `Origin` in older ones); what says nothing is refused.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from shared.http.problems import Forbidden

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_cross_site(request: Request) -> None:
    """Usable as a dependency.

    Raises:
        Forbidden: the request changes something and doesn't come from a page of this very origin.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        own = site == "same-origin"
    else:
        origin = urlsplit(request.headers.get("origin") or request.headers.get("referer", ""))
        own = bool(origin.netloc) and origin.netloc in _addresses(request)
    if not own:
        raise Forbidden(
            "This form was not sent from our own page.",
            code="cross_site",
            remedy="Open the page again and send it there.",
        )


def _addresses(request: Request) -> set[str]:
    public = urlsplit(str(request.app.state.service.settings.public_url)).netloc
    return {address for address in (public, request.headers.get("host", "")) if address}
