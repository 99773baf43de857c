"""The page: a phone and a mailbox side by side, the clock, and the staff's authenticator codes."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import phonenumbers
from fastapi import APIRouter, Form, HTTPException, Request
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from deploy.sandbox.api import moving
from deploy.sandbox.carrier import Carrier, Refused
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.staff import codes
from deploy.sandbox.stepping import Stepping
from deploy.sandbox.vagaro import Said, Sent, Vagaro
from deploy.sandbox.voice import Telephone
from deploy.sandbox.world import Mail, Text, World
from shared.clinic import Clinic
from shared.clock import Clock
from shared.web import pages as shared_pages
from shared.web.assets import assets

HERE = Path(__file__).parent
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
_BEAT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Phone:
    """A patient's number with what was said on it."""

    number: str
    texts: list[Text]


@dataclass(frozen=True, slots=True)
class Outside:
    """Who else reaches the clinic."""

    telephone: Telephone
    vagaro: Vagaro


class Sandbox:
    """The page's parts, and how they are written."""

    def __init__(
        self,
        world: World,
        clinic: Clinic,
        settings: SandboxSettings,
        clock: Clock,
        stepping: Stepping | None,
        outside: Outside,
    ) -> None:
        self.outside = outside
        self._world, self._clinic, self._settings = world, clinic, settings
        self._clock, self._stepping = clock, stepping
        folders = [FileSystemLoader(HERE / "templates"), FileSystemLoader(shared_pages.HERE / "templates")]
        self._env = Environment(
            loader=ChoiceLoader(folders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals["asset"] = lambda name: assets().url(name)
        self._env.filters.update(
            linked=linked, day=self._day, hour=self._hour, number=_readable, days=self._by_day, moment=self._moment
        )

    async def page(self, phone: str | None, mail: str | None, note: str = "") -> str:
        """The whole page; without a choice it shows what came last."""
        phones = _newest_first(self._world.texts, lambda text: text.patient)
        boxes = _newest_first(self._world.mails, lambda one: one.to.lower())
        chosen_phone = phone or next(iter(phones), "")
        chosen_mail = (mail or next(iter(boxes), "")).lower()
        due = await self._stepping.next_due() if self._stepping is not None else None
        return self._env.get_template("sandbox.html").render(
            clinic=self._clinic,
            phones=phones,
            boxes=boxes,
            phone=chosen_phone,
            mail=chosen_mail,
            texts=phones.get(chosen_phone, []),
            mails=boxes.get(chosen_mail, []),
            opted_out=chosen_phone in self._world.opted_out,
            clinic_number=self._settings.clinic_number,
            codes=codes(self._settings.staff_file),
            now=self._clock.now(),
            next_due=due,
            movable=self._stepping is not None,
            faults=self._world.faults,
            heard=self.outside.telephone.last,
            calls=bool(self._settings.voice_url),
            vagaro=self.outside.vagaro if self._settings.vagaro_url else None,
            here=address(chosen_phone, chosen_mail),
            address=address,
            note=note,
        )

    def html_of(self, mail_id: str) -> str | None:
        """A mail's HTML form."""
        return next((one.html for one in self._world.mails if one.id == mail_id), None)

    def at_ten(self, days: int) -> datetime:
        """Ten o'clock at the clinic, in so many days."""
        day = self._local(self._clock.now()) + timedelta(days=days)
        return day.replace(hour=10, minute=0, second=0, microsecond=0)

    def _by_day(self, items: list[Any]) -> list[tuple[str, list[Any]]]:
        return [(day, list(some)) for day, some in groupby(items, key=lambda item: self._day(_time_of(item)))]

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self._clinic.tz)

    def _day(self, at: datetime) -> str:
        local, today = self._local(at), self._local(self._clock.now())
        return "Today" if local.date() == today.date() else f"{local:%A} {local.day} {local:%B}"

    def _hour(self, at: datetime) -> str:
        local = self._local(at)
        return f"{local.hour}:{local:%M}"

    def _moment(self, at: datetime) -> str:
        local = self._local(at)
        return f"{local:%A} {local.day} {local:%B} {local.year}, {self._hour(at)}"


def router(sandbox: Sandbox, world: World, carrier: Carrier, stepping: Stepping | None) -> APIRouter:
    """The page's routes. Forms answer with a redirect, so that a reload repeats nothing."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def show(phone: str | None = None, mail: str | None = None, note: str = "") -> HTMLResponse:
        return HTMLResponse(await sandbox.page(phone, mail, note))

    @routes.post("/texts")
    async def send(
        phone: Annotated[str, Form()], body: Annotated[str, Form()] = "", mail: Annotated[str, Form()] = ""
    ) -> RedirectResponse:
        number = _international(phone)
        try:
            await carrier.receive(sender=number, body=body)
        except Refused as error:
            return _back(number, mail, error.message)
        return _back(number, mail)

    @routes.post("/clock")
    async def move(
        move: Annotated[str, Form()], phone: Annotated[str, Form()] = "", mail: Annotated[str, Form()] = ""
    ) -> RedirectResponse:
        seconds = None if move == "next" else float(move) if move.isdecimal() else 0.0
        moved = await moving(stepping, seconds, None)
        await world.touch()
        stuck = f"Still waiting to happen: {', '.join(moved.stuck)}." if moved.stuck else ""
        return _back(phone, mail, stuck)

    @routes.get("/changes")
    async def live() -> StreamingResponse:
        return StreamingResponse(_stream(world), media_type="text/event-stream", headers={"cache-control": "no-store"})

    @routes.get("/mails/{mail_id}/html")
    async def as_sent(mail_id: str) -> HTMLResponse:
        found = sandbox.html_of(mail_id)
        if found is None:
            raise HTTPException(404, "no such mail, or it has no HTML form")
        # The mail's own styles may show; nothing of it may run or load.
        policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"
        return HTMLResponse(found, headers={"content-security-policy": policy})

    @routes.get("/static/{name}")
    async def static(name: str) -> Response:
        if name != "sandbox.css":
            raise HTTPException(404, "no such file")
        return Response(
            (HERE / "static" / name).read_bytes(), media_type="text/css", headers={"cache-control": "no-cache"}
        )

    _reach(routes, sandbox, world)

    @routes.get("/ready")
    async def ready(_request: Request) -> dict[str, str]:
        return {"status": "ready"}

    return routes


def _reach(routes: APIRouter, sandbox: Sandbox, world: World) -> None:
    """The other ways to the clinic."""

    @routes.post("/calls")
    async def call(
        caller: Annotated[str, Form()] = "", seconds: Annotated[int, Form(ge=0, le=180)] = 0
    ) -> RedirectResponse:
        number = _international(caller) if caller.strip() else "anonymous"
        await sandbox.outside.telephone.call(number, seconds)
        await world.touch()
        return _back(number if number != "anonymous" else "", "")

    @routes.post("/vagaro")
    async def book(
        booker: Annotated[str, Form()] = "", mobile: Annotated[str, Form()] = "", days: Annotated[int, Form()] = 3
    ) -> RedirectResponse:
        sent = await sandbox.outside.vagaro.happen(
            Said(name=booker or "Rosa Delgado", phone=mobile, starts_at=sandbox.at_ten(days), appointment_first=True)
        )
        return _back(_international(mobile), "", _told(sent))

    @routes.post("/vagaro/{appointment_id}")
    async def rebook(appointment_id: str, move: Annotated[str, Form()]) -> RedirectResponse:
        if appointment_id not in sandbox.outside.vagaro.booked:
            raise HTTPException(404, "no such booking")
        sent = await sandbox.outside.vagaro.change(appointment_id, hours=None if move == "cancel" else int(move))
        return _back("", "", _told(sent))


async def _stream(world: World) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for changed in world.changes(_BEAT_SECONDS):
        yield "event: changed\ndata: .\n\n" if changed else ": still here\n\n"


def address(phone: str, mail: str, note: str = "") -> str:
    """The page's address for a choice of phone and mailbox."""
    chosen = {"phone": phone, "mail": mail, "note": note}
    return "/?" + urlencode({name: value for name, value in chosen.items() if value})


def linked(text: str) -> Markup:
    """Plain text whose web addresses can be followed; everything else is escaped."""
    parts: list[Markup] = []
    end = 0
    for found in _LINK.finditer(text):
        url = escape(found.group())
        parts += [escape(text[end : found.start()]), Markup('<a href="{}">{}</a>').format(url, url)]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _told(sent: Sent) -> str:
    failed = [status for status in sent.answers if not 200 <= status < 300]
    return f"The clinic answered Vagaro with {failed[0] or 'nothing'}." if failed else ""


def _back(phone: str, mail: str, note: str = "") -> RedirectResponse:
    return RedirectResponse(address(phone, mail, note), status_code=303)


def _newest_first(items: list[Any], owner: Any) -> dict[str, list[Any]]:
    """Items by owner, each oldest first; the owner of the newest item comes first."""
    found: dict[str, list[Any]] = {}
    for item in reversed(items):
        found.setdefault(owner(item), []).insert(0, item)
    return found


def _time_of(item: Text | Mail) -> datetime:
    return item.at if isinstance(item, Mail) else item.created_at


def _readable(number: str) -> str:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _international(number: str) -> str:
    """A number as somebody types it, read as a US number where it has no prefix."""
    try:
        return phonenumbers.format_number(phonenumbers.parse(number, "US"), phonenumbers.PhoneNumberFormat.E164)
    except phonenumbers.NumberParseException:
        return number.strip()
