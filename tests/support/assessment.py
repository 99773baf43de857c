"""A patient's chart as people of a clinic work on it: intake and assessment, and short words for what is done there."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from tests.support.kernel import create_lead
from tests.support.waiting import eventually
from tests.support.world import Running, World

HISTORY = {"born": "1980-04-02", "medications": [{"name": "Sertraline", "dose": "100 mg"}]}
GOALS = {"hopes": "To get up in the morning and want to."}
TRIED = {
    "trials": [
        {"kind": "antidepressant", "name": name, "adequate_dose": True, "start": "2025-01-01", "end": "2025-06-01",
         "adherence": "full", "outcome": "none"}
        for name in ("Sertraline", "Venlafaxine")
    ]
}  # fmt: skip

MOVE = "update clock.state set offset_seconds = offset_seconds + $1"


class Clinic:
    """Two services of one clinic, and short words for what people do there."""

    def __init__(self, world: World, intake: Running, assessment: Running) -> None:
        self.world, self.intake, self.assessment = world, intake, assessment

    async def patient(self) -> UUID:
        """A new lead whose chart is open."""
        patient = await create_lead(self.intake.service)
        await eventually(lambda: self.get(patient, expect=200))
        return patient

    async def get(self, patient: UUID, person: str = "osei", *, expect: int = 200) -> dict[str, Any]:
        answer = await self.assessment.http.get(f"/api/v1/charts/{patient}", headers=self.assessment.as_staff(person))
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def save(
        self,
        patient: UUID,
        kind: str,
        content: dict[str, Any],
        version: int = 0,
        person: str = "dana",
        expect: int = 200,
    ) -> dict[str, Any]:
        answer = await self.assessment.http.put(
            f"/api/v1/charts/{patient}/{kind}",
            json={"version": version, "content": content},
            headers=self.assessment.as_staff(person),
        )
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def fill(self, patient: UUID, **sections: dict[str, Any]) -> None:
        for kind, content in ({"history": HISTORY, "goals": GOALS, "tried": TRIED} | sections).items():
            await self.save(patient, kind, content)

    async def complete(self, patient: UUID, expect: int = 201) -> dict[str, Any]:
        answer = await self.assessment.http.post(
            f"/api/v1/charts/{patient}/complete", headers=self.assessment.as_staff("dana")
        )
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def assessed(self, patient: UUID, **sections: dict[str, Any]) -> dict[str, Any]:
        """A complete chart; what a decision has to name."""
        await self.fill(patient, **sections)
        return bound(await self.complete(patient))

    async def post(
        self, patient: UUID, path: str, body: dict[str, Any], person: str = "osei", *, step_up: bool = True
    ) -> httpx.Response:
        return await self.assessment.http.post(
            f"/api/v1/charts/{patient}/{path}", json=body, headers=self.assessment.as_staff(person, step_up=step_up)
        )

    async def decide(self, patient: UUID, body: dict[str, Any], expect: int = 201, **who: Any) -> dict[str, Any]:
        answer = await self.post(patient, "decision", body, **who)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def approved(self, patient: UUID, **sections: dict[str, Any]) -> None:
        await self.decide(patient, approve(await self.assessed(patient, **sections)))

    async def facts(self, patient: UUID) -> list[str]:
        """The names of what was published about this patient, tasks aside."""
        return [name for name, _ in await self.log(patient) if not name.startswith("Task")]

    async def log(self, patient: UUID) -> list[tuple[str, dict[str, Any]]]:
        async with self.world.connection("assessment") as conn:
            rows = await conn.fetch("select type, body from event_log where subject = $1 order by sequence", patient)
        return [(row["type"].split(".")[2], json.loads(row["body"])) for row in rows]

    async def tasks(self, patient: UUID) -> set[str]:
        """The kinds of open tasks."""
        async with self.world.connection("assessment") as conn:
            rows = await conn.fetch("select kind from tasks where subject = $1 and closed_at is null", patient)
        return {row["kind"] for row in rows}

    async def unsealed(self, patient: UUID, sealed: str) -> Any:
        async with self.assessment.service.reading() as uow:
            return (await uow.keys.box(patient)).open(sealed)

    async def later(self, **by: float) -> None:
        """Let business time pass."""
        async with self.world.connection() as conn:
            await conn.execute(MOVE, timedelta(**by).total_seconds())
            await conn.execute("notify clock")
            offset = await conn.fetchval("select offset_seconds from clock.state")
        await eventually(lambda: self.assessment.service.clock.offset.total_seconds(), equals=offset)


def bound(completed: dict[str, Any]) -> dict[str, Any]:
    return {
        "assessment_id": completed["assessment_id"],
        "assessment_version": completed["version"],
        "assessment_hash": completed["hash"],
    }


def approve(about: dict[str, Any], **over: Any) -> dict[str, Any]:
    return about | {"action": "approve", "route": "im", "sessions": 6} | over
