"""A patient's story through the processes that `make up` starts: who is in it, and what they can do."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from deploy.embedded.stack import Stack
from passage.demo.browser import Page
from tests.support.collector import Collector
from tests.support.person import Person
from tests.support.waiting import eventually

PHONE, MAILBOX = "+18015550148", "jonah@example.org"


@dataclass
class Story:
    """The stack, who is in the story, and what the patient's phone and mailbox show."""

    stack: Stack
    sandbox: httpx.AsyncClient
    traces: Collector
    patient: Person = field(default_factory=Person)
    people: dict[str, Person] = field(default_factory=dict)
    id: str = ""

    @property
    def desk(self) -> str:
        return self.stack.url("dashboard")

    @property
    def card(self) -> str:
        return f"{self.desk}/patients/{self.id}"

    def login(self, person: str) -> dict[str, str]:
        return next(one for one in self.stack.facts["logins"] if one["id"] == person)

    async def signed_in(self, person: str) -> Person:
        if person not in self.people:
            self.people[person] = Person()
            board = await self.people[person].sign_in(self.desk, self.login(person))
            assert board.url.rstrip("/") == self.desk
        return self.people[person]

    async def texts(self) -> list[str]:
        answer = await self.sandbox.get("/api/messages", params={"to": PHONE})
        return [message["body"] for message in answer.json() if message["direction"] != "inbound"]

    async def mails(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.sandbox.get("/api/mails", params={"to": MAILBOX})).json()
        return found

    async def mail_about(self, subject: str) -> dict[str, Any]:
        """The first mail whose subject holds these words; empty when there is none."""
        return next((mail for mail in await self.mails() if subject in mail["subject"]), {})

    async def say(self, words: str) -> None:
        answer = await self.sandbox.post("/api/texts", json={"from": PHONE, "body": words})
        assert answer.is_success, answer.text

    async def now(self) -> datetime:
        return datetime.fromisoformat((await self.sandbox.get("/api/clock")).json()["now"])

    async def until(self, moment: datetime) -> None:
        """Let business time pass, from due time to due time."""
        answer = await self.sandbox.post("/api/clock", json={"to": moment.isoformat()})
        assert answer.is_success, answer.text
        assert not answer.json().get("stuck"), answer.text

    async def page(self, person: str, path: str = "") -> Page:
        return await (await self.signed_in(person)).open(self.card + path)

    async def shows(self, words: str, person: str = "dana", path: str = "") -> Page:
        """The patient's page, as soon as it says so."""
        seen: list[Page] = []

        async def look() -> bool:
            seen[:] = [await self.page(person, path)]
            assert seen[0].status == 200
            assert words in seen[0].text, seen[0].text
            return True

        await eventually(look)
        return seen[0]

    async def decide(self, person: str, route: str = "im", sessions: int = 6) -> Page:
        """Choose on the decision sheet, confirm who one is, read the consequence, sign."""
        provider = await self.signed_in(person)
        sheet = await self.page(person, "/decision")
        form = next(form for form in sheet.forms if form.fields.get("action") == ["approve"])
        asked = await provider.send(sheet, form, route=route, sessions=str(sessions))
        if any("code" in form.fields for form in asked.forms):
            asked = await provider.confirm(asked, password=self.login(person)["password"])
        if not any("/decision/" in form.action for form in asked.forms):
            return asked
        assert f"{sessions} sessions" in asked.text
        return await provider.send(asked, next(form for form in asked.forms if "/decision/" in form.action))
