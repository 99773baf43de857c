"""A chart from the first contact to the signature, over HTTP, a real broker and a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from shared.contracts.intake import LeadMerged, LeadUnmerged, PatientErased
from tests.support.assessment import GOALS, HISTORY, Clinic, approve, bound
from tests.support.waiting import eventually
from tests.support.world import World


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
    await clinic.approved(patient, goals={"hopes": "xylophone-hope"}, history=HISTORY | {"notes": "xylophone-note"})
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


async def test_a_concern_that_is_open_stays_open_after_a_merge(clinic: Clinic):
    old, new = await clinic.patient(), await clinic.patient()
    await clinic.save(old, "history", {"conditions": [{"code": "CRISIS_SI"}]})
    await clinic.save(new, "history", {"born": "1980-04-02"})
    async with clinic.intake.service.transaction(actor="staff:dana") as uow:
        uow.publish(LeadMerged(patient_id=new, absorbed_id=old, reason="same_phone"))
    await eventually(lambda: _leads_to(clinic, old, new))
    assert await clinic.tasks(new) == {"complete-assessment", "compare-charts", "safety-concern"}
    assert [each["kind"] for each in (await clinic.get(new))["concerns"]] == ["CRISIS_SI"]


async def merged(clinic: Clinic, survivor: UUID, absorbed: UUID) -> None:
    async with clinic.intake.service.transaction(actor="staff:dana") as uow:
        uow.publish(LeadMerged(patient_id=survivor, absorbed_id=absorbed, reason="same_phone"))
    await eventually(lambda: _leads_to(clinic, absorbed, survivor))


async def unmerged(clinic: Clinic, survivor: UUID, absorbed: UUID) -> None:
    async with clinic.intake.service.transaction(actor="staff:dana") as uow:
        uow.publish(LeadUnmerged(patient_id=survivor, absorbed_id=absorbed, reason="mistake"))
    await eventually(lambda: _leads_to(clinic, absorbed, absorbed))


async def test_who_was_merged_into_a_third_since_stays_so_whichever_is_heard_first(clinic: Clinic):
    wrong, right, absorbed = await clinic.patient(), await clinic.patient(), await clinic.patient()
    await merged(clinic, wrong, absorbed)
    await merged(clinic, right, absorbed)
    async with clinic.intake.service.transaction(actor="staff:dana") as uow:
        uow.publish(LeadUnmerged(patient_id=wrong, absorbed_id=absorbed, reason="mistake"))
        uow.publish(LeadMerged(patient_id=wrong, absorbed_id=(other := await clinic.patient()), reason="same_phone"))
    await eventually(lambda: _leads_to(clinic, other, wrong))
    assert await _leads_to(clinic, absorbed, right)


async def test_clearing_a_concern_clears_the_one_that_a_merge_brought_along(clinic: Clinic):
    old, new = await clinic.patient(), await clinic.patient()
    await clinic.save(old, "history", {"conditions": [{"code": "CRISIS_SI"}]})
    await merged(clinic, new, old)
    concern = (await clinic.get(new))["concerns"][0]
    assert (await clinic.post(new, f"concerns/{concern['id']}/clear", {"reason": "spoke at length"})).status_code == 200
    assert (await clinic.facts(old))[-1] == "SafetyConcernCleared"
    cleared = next(body for name, body in await clinic.log(old) if name == "SafetyConcernCleared")
    assert await clinic.unsealed(old, cleared["reason"]) == "spoke at length"
    await unmerged(clinic, new, old)
    assert [each["cleared_at"] is None for each in (await clinic.get(old))["concerns"]] == [True, False]
    assert await clinic.tasks(old) == {"complete-assessment", "safety-concern"}


@pytest.mark.parametrize(
    ("theirs", "approved"),
    [
        ({"conditions": [{"code": "CI_PREGNANCY"}]}, False),
        ({"diagnoses": [{"name": "Schizophrenia", "code": "F20.0"}]}, False),
        ({"medications": [{"name": "Phenelzine"}]}, False),
        ({"born": "1980-04-02", "medications": [{"name": "sertraline"}]}, True),
    ],
)
async def test_an_approval_ends_when_the_merged_chart_says_what_no_provider_saw(clinic: Clinic, theirs, approved):
    old, new = await clinic.patient(), await clinic.patient()
    await clinic.approved(new)
    await clinic.save(old, "history", theirs)
    await merged(clinic, new, old)
    chart = await clinic.get(new)
    assert (chart["approval"] is not None) is approved
    if not approved:
        assert chart["approvals"][0]["reason"] == "merged"
        assert await clinic.tasks(new) == {"complete-assessment", "compare-charts"}


async def test_what_waits_for_a_decision_waits_no_more_when_a_merge_adds_to_it(clinic: Clinic):
    old, new = await clinic.patient(), await clinic.patient()
    about = await clinic.assessed(new)
    await clinic.save(old, "history", {"conditions": [{"code": "CI_ANEURYSM"}]})
    await merged(clinic, new, old)
    assert (await clinic.decide(new, approve(about), expect=409))["code"] == "nothing_to_decide"
    assert await clinic.tasks(new) == {"complete-assessment", "compare-charts"}


async def test_what_was_to_be_done_outlives_a_merge_and_its_undoing(clinic: Clinic):
    old, new = await clinic.patient(), await clinic.patient()
    await clinic.assessed(old, history={"conditions": [{"code": "CRISIS_SI"}]})
    effect = {"effect": "chest_pain", "severity": "severe"}
    assert (await clinic.post(old, "side-effects", effect, "tran")).status_code == 201
    await merged(clinic, new, old)
    assert await clinic.tasks(old) == {"severe-side-effect"}
    await unmerged(clinic, new, old)
    assert await clinic.tasks(old) == {"severe-side-effect", "sign-decision", "safety-concern"}
    concern = (await clinic.get(old))["concerns"][0]
    assert (await clinic.post(old, f"concerns/{concern['id']}/clear", {"reason": "spoke"})).status_code == 200
    assert await clinic.tasks(old) == {"severe-side-effect", "sign-decision"}


async def test_the_day_to_ask_about_an_alternative_outlives_a_merge_that_was_a_mistake(clinic: Clinic):
    old, new = await clinic.patient(), await clinic.patient()
    about = await clinic.assessed(old)
    day = (clinic.assessment.service.clock.now() + timedelta(days=30)).date().isoformat()
    body = about | {"action": "alternative", "alternative": "emdr", "reason": "first", "follow_up_on": day}
    await clinic.decide(old, body)
    await merged(clinic, new, old)
    await unmerged(clinic, new, old)
    async with clinic.world.connection("assessment") as conn:
        due = await conn.fetchval(
            "select due_at from timers where subject = $1 and kind = 'follow-up-alternative'", old
        )
    assert due.astimezone(clinic.assessment.service.clinic.tz).date().isoformat() == day


async def test_nothing_new_is_done_for_who_was_erased(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    await clinic.decide(patient, about | {"action": "decline", "reason": "not here"})
    async with clinic.intake.service.transaction(actor="staff:ops") as uow:
        uow.publish(PatientErased(patient_id=patient, requested_at=uow.now))
    await eventually(lambda: clinic.get(patient, expect=410))
    before = await clinic.log(patient)
    for path, body, who in (
        ("reopen", {}, "dana"), ("link", {}, "dana"), ("vitals", {"phase": "baseline", "systolic": 120}, "tran"),
        ("side-effects", {"effect": "nausea", "severity": "severe"}, "tran"),
    ):  # fmt: skip
        answer = await clinic.post(patient, path, body, who)
        assert (answer.status_code, answer.json()["code"]) == (410, "erased"), path
    assert await clinic.log(patient) == before
    assert await clinic.tasks(patient) == set()


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
