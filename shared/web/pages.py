"""Rendering of pages: a service's `templates/` over the shared ones, autoescaped, undefined names are errors."""

from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import phonenumbers
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from shared.clinic import Clinic
from shared.web.assets import assets
from shared.web.dates import Dates
from shared.web.i18n import Texts

HERE = Path(__file__).parent
LANGUAGE_COOKIE = "lang"
YEAR = 31_536_000


class Pages:
    """The pages of one service, for its patients, or with `staff` for people who work here.

    Templates get: `clinic`, `lang`, `languages`, `t(key, **values)`, `dates` (see `Dates`), `as_phone(number)`,
    `asset(name)`, `for_staff`, `path`, `language_url(other)`, `request`, and what `render` is given.
    `base.html` is for patients and for signing in, `staff.html` for staff, `components.html` holds the macros.
    """

    def __init__(self, package: str, *, staff: bool = False) -> None:
        root = Path(str(files(package)))
        self.texts = Texts((HERE / "texts", root / "texts"))
        self.env = Environment(
            loader=ChoiceLoader([FileSystemLoader(root / "templates"), FileSystemLoader(HERE / "templates")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.env.globals["asset"] = lambda name: assets().url(name)
        self.env.globals["for_staff"] = staff

    def render(self, request: Request, name: str, /, status: int = 200, **context: Any) -> HTMLResponse:
        """A page in the reader's language; `?lang=` chooses it and is remembered in a cookie."""
        clinic = request.app.state.service.clinic
        language = self.language(request)
        page = self.fragment(
            name,
            clinic,
            self.dates(request),
            request=request,
            languages=clinic.languages,
            path=request.url.path,
            language_url=lambda other: "?" + urlencode({**request.query_params, "lang": other}),
            **context,
        )
        response = HTMLResponse(page, status_code=status)
        if request.query_params.get("lang") == language:
            secure = request.url.scheme == "https"
            response.set_cookie(
                LANGUAGE_COOKIE, language, max_age=YEAR, samesite="lax", httponly=True, secure=secure, path="/"
            )
        return response

    def fragment(self, name: str, /, clinic: Clinic, dates: Dates, **context: Any) -> str:
        """A part of a page that is the same for all who read the language of `dates`; nobody has asked for it yet."""
        language = dates.language
        return self.env.get_template(name).render(
            clinic=clinic,
            lang=language,
            t=partial(self.texts.get, language),
            has_text=partial(self.texts.has, language),
            dates=dates,
            as_phone=partial(as_phone, clinic.country),
            **context,
        )

    def language(self, request: Request) -> str:
        """`?lang=`, then the cookie, then the browser's wish, then the clinic's first language."""
        known: tuple[str, ...] = tuple(request.app.state.service.clinic.languages)
        asked = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), *_accepted(request))
        return next((language for language in asked if language in known), known[0])

    def dates(self, request: Request) -> Dates:
        """The formatter of this request: the reader's language, the clinic's zone, business time."""
        service = request.app.state.service
        return Dates(self.language(request), service.clinic.tz, service.clock.now(), self.texts)

    def t(self, request: Request, key: str, /, **values: object) -> str:
        """A text for code outside templates."""
        return self.texts.get(self.language(request), key, **values)


def as_phone(country: str, number: str) -> str:
    """A number as people there write it: `(801) 555-0148`, with its prefix when it is another country's."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return number
    near = phonenumbers.region_code_for_number(parsed) == country
    style = phonenumbers.PhoneNumberFormat.NATIONAL if near else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(parsed, style)


def _accepted(request: Request) -> list[str]:
    wishes: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "")[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wishes.append((-float(quality or 1), tag[:2].lower()))
        except ValueError:
            continue
    return [language for _, language in sorted(wishes, key=lambda wish: wish[0])]
