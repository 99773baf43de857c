"""Staff at their browsers: what the demo's people do, and signing in, and what they typed."""

from dataclasses import dataclass, field
from typing import Any

from passage.demo import browser
from passage.demo.browser import Authenticator, Form, Page


@dataclass
class Person(browser.Person):
    """One browser, and the authenticator of whoever signed in with it."""

    authenticator: Authenticator | None = None
    typed: list[tuple[str, str]] = field(default_factory=list)
    """Field and words of everything that they typed; what is only chosen is not among it."""

    async def send(self, page: Page, form: Form, **values: Any) -> Page:
        """Fill a form in and send it, as everybody does."""
        self.typed += [(name, said) for name, said in values.items() if said and said not in form.choices.get(name, [])]
        return await super().send(page, form, **values)

    async def sign_in(self, dashboard: str, login: dict[str, str]) -> Page:
        """User name, password and code on the issuer's pages; ends on the board."""
        self.authenticator = Authenticator(login["totp_secret"])
        page = await self.open(dashboard)
        page = await self.send(page, page.form("/password"), username=login["id"], password=login["password"])
        return await self.confirm(page)

    async def confirm(self, page: Page, **also: str) -> Page:
        """Give the authenticator's code where it is asked for."""
        assert self.authenticator is not None
        form = next(form for form in page.forms if "code" in form.fields)
        return await self.send(page, form, code=self.authenticator.code(), **also)
