"""What a provider decides on a chart: on which version, with which answers, and when an approval ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from tests.support.assessment import HISTORY, Clinic, approve, bound
from tests.support.waiting import eventually
from tests.support.world import World


@pytest.fixture(scope="module")
async def clinic(world: World) -> AsyncIterator[Clinic]:
    async with world.start("intake") as intake, world.start("assessment") as assessment:
        yield Clinic(world, intake, assessment)


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
    assert (await clinic.facts(patient))[-1] == "ChartReopened"
    await clinic.save(patient, "goals", {"hopes": "back for good"}, version=2)
    assert (await clinic.facts(patient)).count("ChartReopened") == 1


async def test_who_is_assessed_anew_is_not_asked_about_the_alternative(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    day = (clinic.assessment.service.clock.now() + timedelta(days=30)).date()
    body = about | {"action": "alternative", "alternative": "cbt", "reason": "first", "follow_up_on": day.isoformat()}
    await clinic.decide(patient, body)
    await clinic.decide(patient, approve(bound(await clinic.complete(patient))))
    async with clinic.world.connection("assessment") as conn:
        kinds = await conn.fetch("select kind from timers where subject = $1", patient)
    assert [row["kind"] for row in kinds] == ["approval-expires"]


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


async def test_nobody_whose_age_is_unknown_is_approved_without_a_word_about_it(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient, history={"medications": []})
    (flag,) = (await clinic.get(patient))["flags"]
    assert (flag["code"], flag["severity"], flag["label"]) == ("AGE_UNKNOWN", "hard", "Date of birth unknown")
    refused = await clinic.decide(patient, approve(about), expect=422)
    assert (refused["code"], "AGE_UNKNOWN" in json.dumps(refused)) == ("flags_not_acknowledged", True)
    await clinic.decide(patient, approve(about, acknowledged={"AGE_UNKNOWN": "42 by the passport that I saw"}))
    other = await clinic.patient()
    await clinic.approved(other, history={"born": "1984-04-02"})
    assert (await clinic.get(other))["flags"] == [], "answered, it is gone"


async def test_each_hard_flag_is_answered_by_the_provider(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient, history=HISTORY | {"conditions": [{"code": "CI_HTN_UNCTRL"}]})
    refused = await clinic.decide(patient, approve(about), expect=422)
    assert "CI_HTN_UNCTRL" in refused["detail"]
    await clinic.decide(patient, approve(about, acknowledged={"CI_HTN_UNCTRL": "controlled since May"}))


async def test_a_safety_concern_stands_before_every_approval_until_a_clinician_clears_it(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient, history=HISTORY | {"conditions": [{"code": "CRISIS_SI"}]})
    assert "safety-concern" in await clinic.tasks(patient)
    body = approve(about, acknowledged={"CRISIS_SI": "spoke with her"})
    assert (await clinic.decide(patient, body, expect=409))["code"] == "safety_concern_open"
    concern = (await clinic.get(patient))["concerns"][0]
    path = f"concerns/{concern['id']}/clear"
    assert (await clinic.post(patient, path, {"reason": "x"}, "dana")).status_code == 403
    assert (await clinic.post(patient, path, {"reason": "x"}, "lang")).status_code == 403
    assert (await clinic.post(patient, path, {"reason": "x"}, step_up=False)).status_code == 401
    async with clinic.world.connection("assessment") as conn:
        task = await conn.fetchval("select id from tasks where subject = $1 and kind = 'safety-concern'", patient)
    for who in ("osei", "ops"):
        ticked = await clinic.assessment.http.post(
            f"/api/v1/tasks/{task}/close", json={}, headers=clinic.assessment.as_staff(who)
        )
        assert (ticked.status_code, ticked.json()["code"]) == (409, "settled_elsewhere")
    assert (await clinic.post(patient, path, {"reason": "plan made, sister stays"})).status_code == 200
    assert (await clinic.post(patient, path, {"reason": "twice"})).status_code == 404
    assert "safety-concern" not in await clinic.tasks(patient)
    await clinic.decide(patient, body)
    raised_and_cleared = [name for name in await clinic.facts(patient) if name.startswith("Safety")]
    assert raised_and_cleared == ["SafetyConcernRaised", "SafetyConcernCleared"]
