"""People at their browsers, over HTTP: they open pages, fill in the forms that are there and press what is offered."""

import re
import time
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pyotp


class NotSeen(AssertionError):
    """What should be there isn't, or isn't yet."""


TYPING_SECONDS = 15
"""A code of the last half minute is taken until this one has lasted so long: then as long is left to type it."""


@dataclass
class Authenticator:
    """Gives codes that were not used yet: from the last half minute while that is young enough to be typed, this one,
    the next one.
    """

    secret: str
    last: int = 0

    def code(self) -> str:
        step = max(int(time.time() - TYPING_SECONDS) // 30, self.last + 1)
        self.last = step
        return str(pyotp.TOTP(self.secret).generate_otp(step))


@dataclass
class Form:
    """A form as the page shows it: where it goes and what stands in it."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    """What can be pressed or chosen, by name: buttons, radios, check boxes, options."""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select: str | None = None
        self._options = 0
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        if not self.forms:
            return
        form, name = self.forms[-1], given.get("name", "")
        if tag == "input" and name:
            if given.get("type") in ("radio", "checkbox"):
                form.choices.setdefault(name, []).append(given.get("value", "on"))
                if "checked" in given:
                    form.fields.setdefault(name, []).append(given.get("value", "on"))
            else:
                form.fields.setdefault(name, []).append(given.get("value", ""))
        elif tag == "button" and name:
            form.choices.setdefault(name, []).append(given.get("value", ""))
        elif tag == "select":
            self._select, self._options = name, 0
        elif tag == "option" and self._select:
            form.choices.setdefault(self._select, []).append(given.get("value", ""))
            chosen = form.fields.setdefault(self._select, [])
            if self._options == 0:
                chosen.append(given.get("value", ""))
            elif "selected" in given:
                chosen[-1] = given.get("value", "")
            self._options += 1
        elif tag == "textarea":
            self._area = name
            form.fields.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None and self.forms:
            self.forms[-1].fields[self._area][-1] = data.strip()


@dataclass
class Page:
    """What a person sees: an address, a status, words and forms."""

    url: str
    status: int
    html: str
    forms: list[Form]

    @property
    def text(self) -> str:
        """The words on it, without tags."""
        bare = re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style).*?</\1>", " ", self.html))
        return " ".join(unescape(bare).split())

    def form(self, ending: str = "", **has: str) -> Form:
        """The form whose action ends so, and in which these fields stand."""
        for form in self.forms:
            if form.action.split("?")[0].endswith(ending) and all(
                value in form.fields.get(name, []) + form.choices.get(name, []) for name, value in has.items()
            ):
                return form
        raise NotSeen(f"no form to {ending!r} {has} on {self.url}; there are {self.forms}\n{self.text[:2000]}")


@dataclass
class Person:
    """One browser."""

    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=30, follow_redirects=True))

    async def open(self, url: str) -> Page:
        """Go to an address."""
        return page_of(await self.http.get(url, headers={"accept": "text/html"}))

    async def send(self, page: Page, form: Form, **values: Any) -> Page:
        """Fill a form in and send it from its page; what is not named stays as it was."""
        filled: dict[str, Any] = {name: value for name, value in form.fields.items() if value}
        filled.update({name: value for name, value in values.items() if value is not None})
        target = urljoin(page.url, form.action or page.url)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        headers = {"accept": "text/html", "origin": origin, "referer": page.url}
        return page_of(await self.http.post(target, data=filled, headers=headers))

    async def close(self) -> None:
        """Close the browser."""
        await self.http.aclose()


def page_of(answer: httpx.Response) -> Page:
    """What a browser makes of an answer."""
    parser = _Forms()
    parser.feed(answer.text)
    return Page(str(answer.url), answer.status_code, answer.text, parser.forms)
