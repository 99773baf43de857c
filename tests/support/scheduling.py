"""What scheduling's tests share: producers of other services' events, and short words for what staff do."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.assessment import CandidateApproved, Route
from shared.contracts.base import Event, Source
from shared.ids import new_id
from shared.service import Service
from shared.settings import ServiceSettings
from tests.support.kernel import publish_lead, running
from tests.support.waiting import eventually
from tests.support.world import Running, World

HASH = "ab" * 32
NOW = timedelta(0)
MOVE = "update clock.state set offset_seconds = offset_seconds + $1"


class Calendar:
    """A running scheduling service, between producers that say what a test wants said."""

    def __init__(self, world: World, scheduling: Running, producers: dict[str, Service]) -> None:
        self.world, self.scheduling, self.producers = world, scheduling, producers
        self.clinic = scheduling.service.clinic

    @property
    def now(self) -> datetime:
        """Business time."""
        now: datetime = self.scheduling.service.clock.now()
        return now

    async def say(self, source: Source, *events: Event) -> None:
        """Publish these as that service, through its event log and its relay."""
        async with self.producers[source].transaction(actor="system:tests") as uow:
            uow.publish(*events)

    async def patients(self, count: int, *given: UUID) -> list[UUID]:
        """New leads whom scheduling knows."""
        made = [*given, *(new_id() for _ in range(count - len(given)))]
        async with self.producers["intake"].transaction(actor="patient") as uow:
            for patient in made:
                await publish_lead(uow, patient)
        await eventually(lambda: self.count("patients where patient_id = any($1)", made), equals=count)
        return made

    async def patient(self) -> UUID:
        return (await self.patients(1))[0]

    async def approve(
        self, patient: UUID, *, days: float = 90, sessions: int = 6, route: Route = Route.IM, ago: timedelta = NOW
    ) -> UUID:
        """A signature by Dr Osei, so long ago; returns its id."""
        approval = new_id()
        now = self.now - ago
        signed = CandidateApproved(
            patient_id=patient,
            approval_id=approval,
            assessment_id=new_id(),
            assessment_version=1,
            assessment_hash=HASH,
            route=route,
            sessions=sessions,
            provider_id="osei",
            licence="UT-1048831",
            signed_at=now,
            valid_until=now + timedelta(days=days),
            policy_hash=HASH,
        )
        await self.say("assessment", signed)
        return approval

    async def course(self, patient: UUID, **more: Any) -> list[dict[str, Any]]:
        """An approved patient's sessions, once they are planned."""
        await self.approve(patient, **more)
        count = more.get("sessions", 6)
        await eventually(lambda: self.count("appointments where patient_id = $1", patient), equals=count)
        return await self.sessions(patient)

    async def sessions(self, patient: UUID) -> list[dict[str, Any]]:
        answer = await self.get(f"/api/v1/patients/{patient}/appointments")
        found: list[dict[str, Any]] = [one for one in answer["appointments"] if one["session"]]
        return found

    async def offers(self, **query: Any) -> list[dict[str, Any]]:
        """Free times; a week from tomorrow on unless said otherwise."""
        tomorrow = (self.now.astimezone(self.clinic.tz) + timedelta(days=1)).date()
        answer = await self.get("/api/v1/offers", **({"from": tomorrow.isoformat()} | query))
        found: list[dict[str, Any]] = answer["offers"]
        return found

    def weekday(self, ahead: int, and_after: Sequence[int] = ()) -> date:
        """The first day, from so many days on, at which everybody is there, and so many days after it too."""
        first = self.now.astimezone(self.clinic.tz).date() + timedelta(days=ahead)
        hours = self.clinic.hours
        return next(
            day
            for day in (first + timedelta(days=more) for more in range(60))
            if all(
                one.weekday() < 5 and hours.closed_because(one) is None
                for one in (day, *(day + timedelta(days=after) for after in and_after))
            )
        )

    async def some_that_can_move(self, sessions: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], str]:
        """One of these that has another time between its neighbours, and that time: some stand as close as they may."""
        for one in sessions:
            day = one["starts_at"][:10]
            for offer in await self.offers(kind="session", appointment_id=one["id"], days=7, **{"from": day}):
                if offer["starts_at"] != one["starts_at"]:
                    return one, offer["starts_at"]
        raise AssertionError("none of them can be moved")

    async def get(self, path: str, person: str = "dana", **query: Any) -> dict[str, Any]:
        answer = await self.scheduling.http.get(path, params=query, headers=self.scheduling.as_staff(person))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def post(
        self, path: str, body: dict[str, Any] | None = None, person: str = "dana", **headers: str
    ) -> httpx.Response:
        return await self.scheduling.http.post(path, json=body, headers=self.scheduling.as_staff(person) | headers)

    async def book(self, patient: UUID, starts_at: str, *, expect: int = 201, **more: Any) -> dict[str, Any]:
        body = {"patient_id": str(patient), "starts_at": starts_at, "mode": "video"} | more
        answer = await self.post("/api/v1/consultations", body)
        assert answer.status_code == expect, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def change(self, appointment: str, how: str, expect: int = 200, person: str = "dana", **body: Any) -> Any:
        answer = await self.post(f"/api/v1/appointments/{appointment}/{how}", body, person)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def count(self, what: str, *arguments: Any) -> int:
        async with self.world.connection("scheduling") as conn:
            number: int = await conn.fetchval("select count(*) from " + what, *arguments)
        return number

    async def deadlocks(self) -> int:
        """How many PostgreSQL has broken up in this world so far."""
        async with self.world.connection() as conn:
            await conn.execute("select pg_stat_force_next_flush()")
            number: int = await conn.fetchval(
                "select deadlocks from pg_stat_database where datname = current_database()"
            )
        return number

    async def log(self, patient: UUID) -> list[tuple[str, dict[str, Any]]]:
        """What was published about this patient, in order."""
        async with self.world.connection("scheduling") as conn:
            rows = await conn.fetch("select type, body from event_log where subject = $1 order by sequence", patient)
        return [(row["type"].split(".")[2], json.loads(row["body"])) for row in rows]

    async def names(self, patient: UUID) -> list[str]:
        return [name for name, _ in await self.log(patient)]

    async def later(self, moment: datetime) -> None:
        """Let business time pass until then."""
        async with self.world.connection() as conn:
            await conn.execute(MOVE, (moment - self.now).total_seconds())
            await conn.execute("notify clock")
        await eventually(lambda: self.now >= moment)

    async def state(self, appointment: str) -> str:
        found: str = (await self.get(f"/api/v1/appointments/{appointment}"))["state"]
        return found


def on_weekdays(sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those at which everybody is there and the clinic is open all day: Dr Ríos works from Monday to Friday."""
    return [one for one in sessions if datetime.fromisoformat(one["starts_at"]).weekday() < 5]


@asynccontextmanager
async def calendar_of(world: World) -> AsyncIterator[Calendar]:
    """Scheduling and its neighbours, running."""
    async with AsyncExitStack() as stack:
        scheduling = await stack.enter_async_context(world.start("scheduling"))
        producers = {
            name: await stack.enter_async_context(
                running(Service(name, ServiceSettings(**world.wiring.settings(name))))
            )
            for name in ("intake", "assessment", "notifications")
        }
        yield Calendar(world, scheduling, producers)
