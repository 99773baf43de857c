"""A chart from the first contact to the signature, over HTTP, a real broker and a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from shared.contracts.intake import LeadMerged, LeadUnmerged, PatientErased
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


@pytest.fixture(scope="module")
async def clinic(world: World) -> AsyncIterator[Clinic]:
    async with world.start("intake") as intake, world.start("assessment") as assessment:
        yield Clinic(world, intake, assessment)


async def test_a_lead_becomes_a_signed_approval(clinic: Clinic):
    patient = await clinic.patient()
    assert (await clinic.get(patient))["state"] == "new"
    await clinic.fill(patient)
    await clinic.save(patient, "insurance", {"status": "active", "payer": "Acme", "member_id": "M-77"})
    assert (await clinic.get(patient))["state"] == "gathering"
    assert await clinic.tasks(patient) == {"complete-assessment"}

    about = bound(await clinic.complete(patient))
    assert await clinic.tasks(patient) == {"sign-decision"}
    chart = await clinic.get(patient)
    assert chart["state"] == "complete"
    assert chart["assessment"]["current"] is True
    assert chart["resistance"] == {"counted": ["Sertraline", "Venlafaxine"], "needed": 2, "met": True}
    assert [flag["code"] for flag in chart["flags"]] == ["IX_ANTIDEPRESSANT"]

    await clinic.decide(patient, approve(about, conditions="BP under 140/90 each time"))
    chart = await clinic.get(patient)
    assert chart["state"] == "decided"
    assert chart["approval"]["sessions"] == 6
    assert chart["decisions"][0]["verified"] is True
    assert chart["decisions"][0]["provider"]["name"] == "Dr Amara Osei"
    assert chart["decisions"][0]["decision"]["conditions"] == "BP under 140/90 each time"
    assert await clinic.tasks(patient) == set()

    assert await clinic.facts(patient) == ["InsuranceVerified", "AssessmentCompleted", "CandidateApproved"]
    events = dict(await clinic.log(patient))
    assert events["InsuranceVerified"]["by"] == "staff"
    assert json.loads(await clinic.unsealed(patient, events["InsuranceVerified"]["details"]))["member_id"] == "M-77"
    approved = events["CandidateApproved"]
    assert approved["assessment_hash"] == about["assessment_hash"]
    assert approved["licence"]
    assert await clinic.unsealed(patient, approved["conditions"]) == "BP under 140/90 each time"


async def test_nothing_that_was_written_lies_readable_in_the_database(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient, goals={"hopes": "xylophone-hope"}, history={"notes": "xylophone-note"})
    async with clinic.world.connection() as conn:
        tables = await conn.fetch("select tablename from pg_tables where schemaname = 'assessment'")
        for table in tables:
            rows = await conn.fetch(f'select t::text as row from assessment."{table["tablename"]}" t')
            assert not [row["row"] for row in rows if "xylophone" in row["row"]], table["tablename"]


async def test_the_same_content_again_is_no_new_version(clinic: Clinic):
    patient = await clinic.patient()
    assert (await clinic.save(patient, "goals", GOALS))["version"] == 1
    assert (await clinic.save(patient, "goals", GOALS))["version"] == 1
    assert (await clinic.save(patient, "goals", GOALS | {"support": "Sam"}, version=1))["version"] == 2
    versions = (await clinic.get(patient))["versions"]
    assert [(each["version"], each["by"]["id"]) for each in versions] == [(2, "staff:dana"), (1, "staff:dana")]


async def test_who_was_faster_is_named(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.save(patient, "goals", GOALS, person="osei")
    refused = await clinic.save(patient, "goals", {"hopes": "something else"}, expect=409)
    assert refused["code"] == "changed_meanwhile"
    assert "Dr Amara Osei" in refused["detail"]
    assert refused["remedy"]


async def test_two_who_save_at_once_do_not_overwrite_each_other(clinic: Clinic):
    patient = await clinic.patient()
    answers = await asyncio.gather(
        *(
            clinic.assessment.http.put(
                f"/api/v1/charts/{patient}/goals",
                json={"version": 0, "content": {"hopes": f"hope {n}"}},
                headers=clinic.assessment.as_staff("dana"),
            )
            for n in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


async def test_an_earlier_version_can_be_read(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.save(patient, "goals", GOALS)
    await clinic.save(patient, "goals", {"hopes": "new"}, version=1)
    old = await clinic.assessment.http.get(
        f"/api/v1/charts/{patient}/sections/goals/1", headers=clinic.assessment.as_staff("audit")
    )
    assert old.json()["content"]["hopes"] == GOALS["hopes"]


async def test_what_is_missing_is_named(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.save(patient, "goals", GOALS)
    refused = await clinic.complete(patient, expect=422)
    assert "history" in refused["detail"]
    assert "tried" in refused["detail"]


async def test_a_change_takes_a_waiting_assessment_back(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    await clinic.save(patient, "goals", {"hopes": "another"}, version=1)
    assert (await clinic.get(patient))["state"] == "gathering"
    assert await clinic.tasks(patient) == {"complete-assessment"}
    refused = await clinic.decide(patient, approve(about), expect=409)
    assert refused["code"] == "nothing_to_decide"
    again = bound(await clinic.complete(patient))
    assert again["assessment_version"] == 2
    refused = await clinic.decide(patient, approve(about), expect=409)
    assert refused["code"] == "assessment_changed"
    await clinic.decide(patient, approve(again))


@pytest.mark.parametrize(
    "wrong", [{"assessment_hash": "ab" * 32}, {"assessment_version": 2}, {"assessment_id": str(UUID(int=7))}]
)
async def test_a_decision_names_exactly_the_current_version(clinic: Clinic, wrong):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    assert (await clinic.decide(patient, approve(about | wrong), expect=409))["code"] == "assessment_changed"
    assert "CandidateApproved" not in await clinic.facts(patient)


async def test_one_decision_per_version_whoever_clicks_at_once(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    bodies = [approve(about), about | {"action": "decline", "reason": "no"}] * 3
    people = ["osei", "rios"] * 3
    answers = await asyncio.gather(
        *(clinic.post(patient, "decision", body, who) for body, who in zip(bodies, people, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    decided = [name for name in await clinic.facts(patient) if name in ("CandidateApproved", "CandidateDeclined")]
    assert len(decided) == 1


# — an approval ends —


async def test_a_change_of_medication_revokes_the_approval(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    await clinic.save(patient, "goals", {"hopes": "more sleep"}, version=1)
    assert (await clinic.get(patient))["approval"] is not None
    await clinic.save(patient, "history", HISTORY | {"medications": [{"name": "Lithium"}]}, version=1)
    chart = await clinic.get(patient)
    assert chart["approval"] is None
    assert chart["approvals"][0]["reason"] == "changed:medication"
    assert chart["state"] == "gathering"
    assert (await clinic.facts(patient))[-1] == "ApprovalRevoked"
    assert await clinic.tasks(patient) == {"complete-assessment"}


async def test_a_hard_flag_nobody_has_seen_revokes_whatever_the_clinic_named(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    await clinic.save(patient, "history", HISTORY | {"allergies": [{"substance": "Ketamine"}]}, version=1)
    assert (await clinic.get(patient))["approvals"][0]["reason"] == "flag:CI_ALLERGY"


async def test_an_approval_in_force_is_not_assessed_over(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    assert (await clinic.complete(patient, expect=409))["code"] == "approval_in_force"


async def test_a_provider_takes_an_approval_back_with_a_reason(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    assert (await clinic.post(patient, "approval/revoke", {"reason": "heart failure found"})).status_code == 200
    event = (await clinic.log(patient))[-2:]
    revoked = next(body for name, body in event if name == "ApprovalRevoked")
    assert revoked["reason"] == "provider"
    assert await clinic.unsealed(patient, revoked["detail"]) == "heart failure found"
    assert (await clinic.post(patient, "approval/revoke", {"reason": "again"})).status_code == 409


async def test_an_approval_expires_when_its_days_have_passed(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    await clinic.later(days=89)
    assert (await clinic.get(patient))["approval"] is not None
    await clinic.later(days=1, minutes=1)
    await eventually(
        lambda: clinic.facts(patient), equals=["AssessmentCompleted", "CandidateApproved", "ApprovalExpired"]
    )
    assert (await clinic.get(patient))["state"] == "gathering"


# — the other decisions —


async def test_an_alternative_is_asked_about_on_its_day(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    day = (clinic.assessment.service.clock.now() + timedelta(days=30)).date()
    body = about | {"action": "alternative", "alternative": "cbt", "reason": "not tried", "referral": "L. Hughes"}
    await clinic.decide(patient, body | {"follow_up_on": day.isoformat()})
    events = dict(await clinic.log(patient))
    assert events["AlternativeRecommended"]["alternative"] == "cbt"
    assert await clinic.unsealed(patient, events["AlternativeRecommended"]["referral"]) == "L. Hughes"
    assert await clinic.tasks(patient) == set()
    await clinic.later(days=31)
    await eventually(lambda: clinic.tasks(patient), equals={"follow-up-alternative"})
    await clinic.save(patient, "goals", {"hopes": "back again"}, version=1)
    assert await clinic.tasks(patient) == {"complete-assessment"}


async def test_a_question_goes_to_the_front_desk_and_is_settled_by_completing_again(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    await clinic.decide(patient, about | {"action": "more_information", "question": "ECG?", "wanted": ["history"]})
    assert (await clinic.get(patient))["state"] == "gathering"
    assert "more-information" in await clinic.tasks(patient)
    again = bound(await clinic.complete(patient))
    assert await clinic.tasks(patient) == {"sign-decision"}
    await clinic.decide(patient, again | {"action": "decline", "reason": "not safe here"})
    assert (await clinic.facts(patient))[-1] == "CandidateDeclined"


async def test_beyond_the_clinics_course_is_refused_by_field(clinic: Clinic):
    patient = await clinic.patient()
    refused = await clinic.decide(patient, approve(await clinic.assessed(patient), sessions=12), expect=422)
    assert refused["fields"][0]["name"] == "sessions"
    assert refused["fields"][0]["remedy"]


async def test_each_hard_flag_is_answered_by_the_provider(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient, history={"conditions": [{"code": "CI_HTN_UNCTRL"}]})
    refused = await clinic.decide(patient, approve(about), expect=422)
    assert "CI_HTN_UNCTRL" in refused["detail"]
    await clinic.decide(patient, approve(about, acknowledged={"CI_HTN_UNCTRL": "controlled since May"}))


async def test_a_safety_concern_stands_before_every_approval_until_a_clinician_clears_it(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient, history={"conditions": [{"code": "CRISIS_SI"}]})
    assert "safety-concern" in await clinic.tasks(patient)
    body = approve(about, acknowledged={"CRISIS_SI": "spoke with her"})
    assert (await clinic.decide(patient, body, expect=409))["code"] == "safety_concern_open"
    concern = (await clinic.get(patient))["concerns"][0]
    path = f"concerns/{concern['id']}/clear"
    assert (await clinic.post(patient, path, {"reason": "x"}, "dana")).status_code == 403
    assert (await clinic.post(patient, path, {"reason": "x"}, "lang")).status_code == 403
    assert (await clinic.post(patient, path, {"reason": "x"}, step_up=False)).status_code == 401
    assert (await clinic.post(patient, path, {"reason": "plan made, sister stays"})).status_code == 200
    assert (await clinic.post(patient, path, {"reason": "twice"})).status_code == 404
    assert "safety-concern" not in await clinic.tasks(patient)
    await clinic.decide(patient, body)
    raised_and_cleared = [name for name in await clinic.facts(patient) if name.startswith("Safety")]
    assert raised_and_cleared == ["SafetyConcernRaised", "SafetyConcernCleared"]


# — one person, two contacts; and nobody —


async def test_after_a_merge_both_ids_lead_to_one_chart(clinic: Clinic):
    old, new = await clinic.patient(), await clinic.patient()
    await clinic.approved(old)
    async with clinic.intake.service.transaction(actor="staff:dana") as uow:
        uow.publish(LeadMerged(patient_id=new, absorbed_id=old, reason="same_phone"))
    await eventually(lambda: _leads_to(clinic, old, new))
    chart = await clinic.get(new)
    assert chart["sections"]["goals"]["content"]["hopes"] == GOALS["hopes"]
    assert chart["approval"] is None
    assert (await clinic.facts(old))[-1] == "ApprovalRevoked"
    assert await clinic.tasks(old) == set()
    async with clinic.intake.service.transaction(actor="staff:dana") as uow:
        uow.publish(LeadUnmerged(patient_id=new, absorbed_id=old, reason="mistake"))
    await eventually(lambda: _leads_to(clinic, old, old))


async def _leads_to(clinic: Clinic, asked: UUID, found: UUID) -> bool:
    return (await clinic.get(asked))["patient_id"] == str(found)


async def test_an_erased_patients_chart_is_gone(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    async with clinic.intake.service.transaction(actor="staff:ops") as uow:
        uow.publish(PatientErased(patient_id=patient, requested_at=uow.now))
    await eventually(lambda: clinic.get(patient, expect=410))
    async with clinic.world.connection("assessment") as conn:
        assert await conn.fetchval("select count(*) from timers where subject = $1", patient) == 0


# — the record —


async def test_what_was_signed_cannot_be_changed_by_the_service(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    statements = (
        "update decisions set action = 'decline'",
        "delete from decisions",
        "update assessments set content_hash = 'x'",
        "delete from section_versions",
    )
    async with clinic.world.connection("assessment") as conn:
        for statement in statements:
            with pytest.raises(asyncpg.PostgresError, match="append-only"):
                await conn.execute(statement)


async def test_a_forged_record_is_seen(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    async with clinic.world.connection() as conn:
        await conn.execute("alter table assessment.decisions disable trigger all")
        await conn.execute("update assessment.decisions set digest = repeat('0', 64) where patient_id = $1", patient)
        await conn.execute("alter table assessment.decisions enable trigger all")
    assert (await clinic.get(patient))["decisions"][0]["verified"] is False


async def test_reading_leaves_a_trace(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.get(patient, "tran")
    async with clinic.world.connection("assessment") as conn:
        rows = await conn.fetch("select actor, action, what from audit where subject = $1", patient)
    assert ("staff:tran", "read", "chart") in [tuple(row) for row in rows]
