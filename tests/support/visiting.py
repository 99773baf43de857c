"""What people do at a composed stack, through its one origin."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import httpx

from tests.support.composed import Composed, browser
from tests.support.person import Person
from tests.support.waiting import eventually


async def enquire(stack: Composed, name: str, phone: str) -> None:
    """A patient writes an enquiry."""
    patient = Person(browser())
    page = await patient.open(f"{stack.origin}/enquiry")
    thanks = await patient.send(page, page.form(lang="en"), name=name, phone=phone, consent_sms="yes")
    assert thanks.status == 200, thanks.text
    assert thanks.url.startswith(f"{stack.origin}/enquiry/thanks"), thanks.url
    await patient.close()


async def texts(stack: Composed, phone: str | None = None) -> list[dict]:
    """What was sent to that phone, or to all, oldest first."""
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{stack.sandbox}/api/messages", params={"to": phone} if phone else {})).json()


@asynccontextmanager
async def signed_in(stack: Composed, person: str) -> AsyncIterator[Person]:
    """Somebody of the clinic, at the board."""
    found = Person(browser())
    await found.sign_in(stack.origin, stack.login(person))
    try:
        yield found
    finally:
        await found.close()


async def front_desk_finds(stack: Composed, *names: str) -> None:
    """The front desk looks for these people by their names, and finds each."""
    async with signed_in(stack, "dana") as dana:
        for name in names:

            async def there(name: str = name) -> bool:
                board = await dana.open(f"{stack.origin}/")
                page = await dana.send(board, board.form("/patients"), q=name)
                return bool(re.search(rf'href="/patients/[0-9a-f-]{{36}}"[^>]*>{name}<', page.html))

            await eventually(there, timeout=60, every=1)


async def book_talks(stack: Composed, patients: Iterable[UUID]) -> datetime:
    """The front desk books a first talk for each, at the last time that the page offers; gives the latest of them."""
    booked = []
    async with signed_in(stack, "dana") as dana:
        for patient in patients:
            offers = await dana.open(f"{stack.origin}/patients/{patient}/book")
            form = next(form for form in offers.forms if form.choices.get("starts_at"))
            chosen = form.choices["starts_at"][-1]
            shown = await dana.send(offers, form, starts_at=chosen)
            assert shown.status == 200, shown.text
            booked.append(datetime.fromisoformat(chosen))
    return max(booked)
