"""A patient: a browser, a phone, a mailbox, and what they do with them. No account, only links from messages."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from passage.demo.browser import NotSeen, Page, Person
from passage.demo.stage import Stage
from passage.demo.waiting import seen

KINDS = {"visit": "p", "booking": "b", "telling": "a", "escort": "e"}


@dataclass
class Patient:
    """`tell` hears in a sentence what happens to them now. `phone` is E.164."""

    stage: Stage
    name: str
    phone: str
    email: str
    tell: Callable[[str], None]
    language: str = "en"
    id: str = ""
    browser: Person = field(default_factory=Person)

    async def close(self) -> None:
        await self.browser.close()

    async def until(self, moment: datetime) -> None:
        """Let time pass, together with everybody else."""
        await self.stage.until(moment)

    async def after(self, **time: float) -> None:
        """Let so much time pass: `minutes=20`."""
        await self.until(await self.stage.outside.now() + timedelta(**time))

    async def writes(self, words: str) -> None:
        """Fill in the clinic's form and be known by it."""
        page = await self.browser.open(f"{self.stage.url('intake')}/?lang={self.language}")
        thanks = await self.browser.send(
            page, page.form(lang=self.language), name=self.name, phone=self.phone, email=self.email, message=words,
            consent_sms="yes", consent_email="yes",
        )  # fmt: skip
        _went_well(thanks)
        self.id = await self.stage.patient_at(self.phone)

    async def texts(self, words: str) -> None:
        """Text the clinic."""
        await self.stage.outside.say(self.phone, words)

    async def reads_text(self, words: str) -> str:
        """The first text with these words, as soon as it is there."""

        async def look() -> str:
            return next((text for text in await self.stage.outside.texts(self.phone) if words in text), "")

        return await seen(look, f"a text to {self.name} with {words!r}")

    async def reads_mail(self, subject: str) -> str:
        """The words of the newest mail whose subject holds these."""

        async def look() -> str:
            mails: list[dict[str, Any]] = await self.stage.outside.mails(self.email)
            return next((mail["text"] for mail in reversed(mails) if subject in mail["subject"]), "")

        return await seen(look, f"a mail to {self.name} about {subject!r}")

    async def tells(self, link: str, *, consent: str = "", tried: str = "", hopes: str, born: str) -> None:
        """History, goals and what was tried, on the page behind the link; with `consent` also that route's, signed."""
        await self._step(link, "about", born=born)
        await self._step(link, "medicines")
        outcome = {"trials-0-name": tried, "trials-0-dose": "100 mg", "trials-0-outcome": "none"} if tried else {}
        await self._step(link, "tried", **outcome)
        await self._step(link, "goals", hopes=hopes)
        if consent:
            await self._step(link, f"consent-{consent}", agreed="yes", name=self.name)

    async def _step(self, link: str, step: str, **said: Any) -> None:
        page = await self.browser.open(f"{link}?step={step}")
        _went_well(await self.browser.send(page, page.form(step=step), **said))

    async def names(self, escort: str, link: str, visit: str) -> Page:
        """Who takes them home from a visit."""
        page = await self.browser.open(f"{link}?visit={visit}")
        return _went_well(await self.browser.send(page, page.form("/ride"), escort=escort))

    async def answers(self, link: str, visit: str, **said: bool) -> None:
        """Points of the preparation: `solids=True` is "yes, kept"."""
        for item, kept in said.items():
            page = await self.browser.open(f"{link}?visit={visit}")
            form = next(form for form in page.forms if form.fields.get("item") == [item])
            _went_well(await self.browser.send(page, form, answer="yes" if kept else "no"))

    async def chooses(self, link: str, *, at_least: datetime, ending: str = "") -> datetime:
        """Press the button of the first free time from a moment on; the time."""
        page = await self.browser.open(f"{link}?ask=move" if ending else link)
        for _ in range(6):
            form = next((form for form in page.forms if form.choices.get("starts_at")), None)
            times = sorted(map(datetime.fromisoformat, form.choices["starts_at"])) if form else []
            wanted = next((time for time in times if time >= at_least), None)
            if form is not None and wanted is not None:
                offered = next(one for one in form.choices["starts_at"] if datetime.fromisoformat(one) == wanted)
                _went_well(await self.browser.send(page, form, starts_at=offered))
                return wanted
            later = re.search(r'href="(/b/[^"]*after=[^"]*)"', page.html)
            if later is None:
                break
            page = await self.browser.open(self.stage.url("scheduling") + later[1].replace("&amp;", "&"))
        raise NotSeen(f"no free time from {at_least:%a %H:%M} on behind {self.name}'s link")


def link_in(words: str, kind: str) -> str:
    """The first link of a kind of page.

    Raises:
        NotSeen: there is none.
    """
    found = re.search(rf"https?://[^\s\"<&]+/{KINDS[kind]}/[\w-]{{22}}", words)
    if found is None:
        raise NotSeen(f"no link to the {kind} page in {words[:200]!r}")
    return found.group(0)


def _went_well(page: Page) -> Page:
    if page.status != 200:
        raise NotSeen(f"{page.url} answered {page.status}: {page.text[:300]}")
    return page
