"""Where the play takes place: the stack's doors, the staff who sign in to it, the days that it uses."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from passage.demo.conductor import Conductor
from passage.demo.outside import Outside
from passage.demo.staff import Colleague
from passage.demo.waiting import seen
from shared.clinic import Clinic, load

OPEN_DAYS = (0, 1, 3, 4, 7, 8, 9, 10, 11, 14, 15)
"""Days of the play, from its Monday on, on which somebody works."""


@dataclass
class Stage:
    """`facts` is what the stack says of itself (`stack.json`)."""

    facts: dict[str, Any]
    outside: Outside
    clinic: Clinic
    conductor: Conductor
    staff: dict[str, Colleague]
    monday: date
    _known: dict[str, str] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def open(cls, facts: dict[str, Any]) -> "Stage":
        """Ask the stack for its clinic and its time."""
        outside = Outside.at(facts["urls"]["sandbox"])
        clinic = load(Path(facts["clinic"]))
        secret = json.loads((Path(facts["secrets"]) / "secrets.json").read_text())["dashboard_secret"]
        staff = {one["id"]: Colleague(facts["urls"], one, secret) for one in facts["logins"]}
        today = (await outside.now()).astimezone(clinic.tz).date()
        return cls(facts, outside, clinic, Conductor(outside.now, outside.until), staff, first_day(clinic, today))

    async def close(self) -> None:
        """Everybody goes home."""
        for one in self.staff.values():
            await one.close()
        await self.outside.close()

    def url(self, name: str) -> str:
        """The address of a service."""
        found: str = self.facts["urls"][name]
        return found

    def at(self, day: int, hour: int, minute: int = 0) -> datetime:
        """A moment of the play by the clinic's wall clock; day 0 is its Monday."""
        return datetime.combine(self.monday + timedelta(days=day), time(hour, minute), self.clinic.tz)

    async def until(self, moment: datetime) -> None:
        """Wait for it; the clock goes on when nobody plays any more."""
        await self.conductor.until(moment)

    async def patient_at(self, point: str) -> str:
        """The id of the patient whose phone or mailbox this is, as the front desk finds it among the new contacts."""

        async def look() -> str:
            async with self._looking:
                if point not in self._known:
                    await self._read_new()
                return self._known.get(point, "")

        return await seen(look, f"a contact from {point}")

    async def _read_new(self) -> None:
        dana = self.staff["dana"]
        for task in (await dana.ask("intake", "GET", "/api/v1/tasks?role=front_desk"))["tasks"]:
            patient = task["patient_id"]
            if patient is None or patient in self._known.values():
                continue
            told = await dana.ask("intake", "GET", f"/api/v1/patients/{patient}")
            self._known |= {told[way]: patient for way in ("phone", "email") if told.get(way)}

    async def tasks(self, patient: str) -> list[dict[str, Any]]:
        """What people have to do about a patient, of all services."""
        found = []
        for service in ("intake", "assessment", "scheduling", "notifications"):
            told = await self.staff["ops"].ask(service, "GET", "/api/v1/tasks")
            found += [task for task in told["tasks"] if task["patient_id"] == patient]
        return found


def first_day(clinic: Clinic, today: date) -> date:
    """The next Monday after which the clinic is open on every day that the play needs."""
    monday = today + timedelta(days=7 - today.weekday())
    while any(clinic.hours.closed_because(monday + timedelta(days=day)) for day in OPEN_DAYS):
        monday += timedelta(days=7)
    return monday
