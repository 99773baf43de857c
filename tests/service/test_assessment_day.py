"""The day of a session at assessment's door: vitals with the clinic's limits, side effects, who is called."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.assessment import Clinic, approve
from tests.support.world import World


@pytest.fixture(scope="module")
async def clinic(world: World) -> AsyncIterator[Clinic]:
    async with world.start("intake") as intake, world.start("assessment") as assessment:
        yield Clinic(world, intake, assessment)


async def measure(clinic: Clinic, patient: UUID, person: str = "tran", *, expect: int = 201, **body: Any) -> Any:
    answer = await clinic.post(patient, "vitals", {"phase": "baseline"} | body, person)
    assert answer.status_code == expect, answer.text
    return answer.json()


async def report(clinic: Clinic, patient: UUID, person: str = "tran", *, expect: int = 201, **body: Any) -> Any:
    answer = await clinic.post(patient, "side-effects", body, person)
    assert answer.status_code == expect, answer.text
    return answer.json()


async def test_a_reading_is_a_fact_with_the_clinic_s_word_on_it(clinic: Clinic):
    patient, session = await clinic.patient(), str(uuid4())
    said = await measure(clinic, patient, systolic=128, diastolic=82, heart_rate=71, spo2=98, appointment_id=session)
    assert (said["hold"], said["flags"], said["urgent"]) == ("none", [], False)
    ((name, event),) = await clinic.log(patient)
    assert name == "VitalsRecorded"
    assert (event["systolic"], event["phase"], event["appointment_id"]) == (128, "baseline", session)
    assert await clinic.tasks(patient) == set()


async def test_pressure_that_stays_high_is_the_provider_s_to_decide(clinic: Clinic):
    patient, session = await clinic.patient(), str(uuid4())
    said = [await measure(clinic, patient, systolic=150, diastolic=88, appointment_id=session) for _ in range(4)]
    assert [each["hold"] for each in said] == ["soft"] * 4
    assert [each["repeats_left"] for each in said] == [3, 2, 1, 0]
    assert said[0]["repeat_at"]
    assert said[3]["provider_decides"]
    assert await clinic.tasks(patient) == {"vitals-review"}


async def test_danger_after_the_dose_calls_a_provider_at_once(clinic: Clinic):
    patient = await clinic.patient()
    said = await measure(clinic, patient, phase="observation", systolic=184, diastolic=96)
    assert said["urgent"]
    assert "BP_ESCALATE" in said["flags"]
    raised = [body for name, body in await clinic.log(patient) if name == "TaskRaised"]
    assert [(task["kind"], task["role"]) for task in raised] == [("vitals-review", "provider")]


async def test_the_same_reading_sent_twice_is_one(clinic: Clinic):
    patient, reading = await clinic.patient(), str(uuid4())
    said = [await measure(clinic, patient, id=reading, systolic=150) for _ in range(2)]
    assert [(each["vitals_id"], each["repeats_left"]) for each in said] == [(reading, 3)] * 2
    assert await clinic.facts(patient) == ["VitalsRecorded"]


async def test_another_reading_under_the_same_id_is_refused_and_not_taken_for_kept(clinic: Clinic):
    patient, reading = await clinic.patient(), str(uuid4())
    await measure(clinic, patient, id=reading, systolic=120, diastolic=80)
    for who, other in (
        (patient, {"systolic": 190, "diastolic": 112}),
        (await clinic.patient(), {"systolic": 120, "diastolic": 80}),
    ):
        refused = await measure(clinic, who, expect=409, id=reading, **other)
        assert refused["code"] == "id_reused"
        assert refused["remedy"]
    felt = {"id": str(uuid4()), "effect": "nausea", "severity": "mild"}
    await report(clinic, patient, **felt)
    await report(clinic, patient, **felt)
    assert (await report(clinic, patient, expect=409, **felt | {"severity": "severe"}))["code"] == "id_reused"
    assert await clinic.facts(patient) == ["VitalsRecorded", "SideEffectReported"]


async def test_what_cannot_be_is_refused_with_a_remedy(clinic: Clinic):
    patient = await clinic.patient()
    assert (await measure(clinic, patient, expect=422))["code"] == "nothing_measured"
    assert (await measure(clinic, patient, expect=422, systolic=80, diastolic=120))["code"] == "pressure_swapped"
    ahead = await measure(clinic, patient, expect=422, systolic=120, taken_at="2099-01-01T10:00:00Z")
    assert ahead["code"] == "in_future"


async def test_only_who_attends_measures_and_the_reading_is_audited(clinic: Clinic):
    patient = await clinic.patient()
    await measure(clinic, patient, "dana", expect=403, systolic=120)
    await measure(clinic, patient, "osei", systolic=120)
    url = f"/api/v1/charts/{patient}/observations"
    seen = await clinic.assessment.http.get(url, headers=clinic.assessment.as_staff("dana"))
    assert [each["by"]["name"] for each in seen.json()["vitals"]] == ["Dr Amara Osei"]


@pytest.mark.parametrize(("effect", "called"), [("chest_pain", True), ("breathing", True), ("nausea", False)])
async def test_a_danger_sign_calls_a_provider_however_mild(clinic: Clinic, effect: str, called: bool):
    patient = await clinic.patient()
    await report(clinic, patient, effect=effect, severity="mild")
    assert await clinic.tasks(patient) == ({"severe-side-effect"} if called else set())


async def test_whoever_attends_reads_the_conditions_of_the_approval_until_it_ends(clinic: Clinic):
    patient = await clinic.patient()
    url = f"/api/v1/charts/{patient}/observations"

    async def conditions() -> str | None:
        return (await clinic.assessment.http.get(url, headers=clinic.assessment.as_staff("tran"))).json()["conditions"]

    about = await clinic.assessed(patient)
    assert await conditions() is None
    await clinic.decide(patient, approve(about, conditions="Only with an ECG of this week"))
    assert await conditions() == "Only with an ECG of this week"
    await clinic.post(patient, "approval/revoke", {"reason": "heart failure found"})
    assert await conditions() is None


async def test_a_side_effect_is_kept_with_time_and_severity_and_a_severe_one_calls_at_once(clinic: Clinic):
    patient, session = await clinic.patient(), str(uuid4())
    await report(clinic, patient, effect="nausea", severity="mild", appointment_id=session)
    assert await clinic.tasks(patient) == set()
    await report(clinic, patient, effect="chest_pain", severity="severe", note="since the dose", appointment_id=session)
    assert await clinic.tasks(patient) == {"severe-side-effect"}
    log = await clinic.log(patient)
    assert [name for name, _ in log] == ["SideEffectReported", "SideEffectReported", "TaskRaised"]
    assert (log[2][1]["role"], log[2][1]["appointment_id"]) == ("provider", session)
    assert await clinic.unsealed(patient, log[1][1]["note"]) == "since the dose"
    assert "since the dose" not in json.dumps([body for _, body in log])
    url = f"/api/v1/charts/{patient}/observations?appointment_id={session}"
    seen = (await clinic.assessment.http.get(url, headers=clinic.assessment.as_staff("tran"))).json()
    assert [each["note"] for each in seen["side_effects"]] == ["since the dose", ""]
