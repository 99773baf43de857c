"""The payer is asked over Stedi's protocol, in the sandbox; nobody waits for it."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.intake import PatientErased
from tests.support.assessment import Clinic
from tests.support.sandbox import Sandbox, sandbox
from tests.support.waiting import eventually
from tests.support.world import World

QUICK: dict[str, Any] = {"eligibility_poll_seconds": 0.05, "eligibility_back_off_seconds": [0.05, 0.05, 0.05]}
OPEN_FOR_LONG = """
select count(*) from pg_stat_activity
 where datname = current_database() and state = 'idle in transaction' and now() - xact_start > interval '1 second'
"""


@pytest.fixture(scope="module")
async def payer(world: World) -> AsyncIterator[Sandbox]:
    async with sandbox(world, payer_slow_seconds=1.5) as running:
        yield running


@pytest.fixture(scope="module")
async def clinic(world: World, payer: Sandbox) -> AsyncIterator[Clinic]:

    async with world.start("intake") as intake, world.start("assessment", **QUICK) as assessment:
        yield Clinic(world, intake, assessment)


async def card(clinic: Clinic, patient: UUID, member_id: str, version: int = 0) -> None:
    content = {"status": "unknown", "payer": "Acme Health", "payer_id": "60054", "member_id": member_id}
    await clinic.save(patient, "insurance", content | {"holder": "Jo Doe"}, version)


async def verified(clinic: Clinic, patient: UUID) -> list[dict[str, Any]]:
    """What the payer is on record as having said."""
    log = await clinic.log(patient)
    return [body for name, body in log if name == "InsuranceVerified" and body["by"] == "payer"]


async def calls(clinic: Clinic, patient: UUID) -> set[str]:
    """The open tasks about insurance."""
    return await clinic.tasks(patient) - {"complete-assessment", "sign-decision"}


async def answer(clinic: Clinic, patient: UUID) -> dict[str, Any]:
    await eventually(lambda: verified(clinic, patient))
    return (await verified(clinic, patient))[-1]


async def test_an_active_plan_is_told_with_its_figures_and_never_as_coverage(clinic: Clinic):
    patient = await clinic.patient()
    await card(clinic, patient, "W-1001")
    event = await answer(clinic, patient)
    assert (event["status"], event["codes"]) == ("active", ["ACTIVE_COVERAGE"])
    details = json.loads(await clinic.unsealed(patient, event["details"]))
    assert (details["copay"], details["deductible"], details["prior_authorisation"]) == ("40", "1500", "not_required")
    assert details["advice"] == ["coverage_unknown"]
    shown = (await clinic.get(patient))["eligibility"]
    assert (shown["state"], shown["status"], shown["plan"]) == ("answered", "active", "Silver PPO")
    assert "Acme" not in json.dumps(event)
    assert await calls(clinic, patient) == set()


@pytest.mark.parametrize(
    ("member", "status", "codes", "advice"),
    [
        ("W-INACTIVE", "inactive", ["INACTIVE"], ["ask_for_new_plan"]),
        ("W-AAA75", "rejected", ["AAA:75"], ["ask_for_card"]),
        ("W-AAA79", "rejected", ["AAA:79"], ["enrolment"]),
        ("W-SILENT", "unknown", [], ["call_payer"]),
    ],
)
async def test_what_is_not_active_is_a_task_with_what_to_do(clinic: Clinic, member, status, codes, advice):
    patient = await clinic.patient()
    await card(clinic, patient, member)
    event = await answer(clinic, patient)
    assert (event["status"], event["codes"]) == (status, codes)
    assert (await clinic.get(patient))["eligibility"]["advice"] == advice
    assert await calls(clinic, patient) == {"check-insurance"}


async def test_of_several_answers_one_call_is_open(clinic: Clinic):
    patient = await clinic.patient()
    await card(clinic, patient, "W-AAA75")
    await answer(clinic, patient)
    await card(clinic, patient, "W-INACTIVE", version=1)
    await eventually(lambda: said(clinic, patient), equals=["rejected", "inactive"])
    async with clinic.world.connection("assessment") as conn:
        rows = await conn.fetch(
            "select detail from tasks where kind = 'check-insurance' and subject = $1 and closed_at is null", patient
        )
    assert [await clinic.unsealed(patient, row["detail"]) for row in rows] == ["INACTIVE"]


async def said(clinic: Clinic, patient: UUID) -> list[str]:
    return [each["status"] for each in await verified(clinic, patient)]


async def test_a_payer_that_is_away_is_asked_again_and_the_answer_comes(clinic: Clinic, payer: Sandbox):
    patient = await clinic.patient()
    for fault in ("down", "busy"):
        await payer.break_(payer=fault)
        await card(clinic, patient, f"W-{fault}-1", version=0 if fault == "down" else 1)
        await eventually(lambda: _asked(clinic, patient, 2))
        assert (await clinic.get(patient))["eligibility"]["state"] in {"waiting", "gave_up"}
    await payer.break_()
    again = await clinic.post(patient, "insurance/check", {}, "dana")
    assert again.status_code == 202
    assert (await answer(clinic, patient))["status"] == "active"
    await eventually(lambda: calls(clinic, patient), equals=set())


async def _asked(clinic: Clinic, patient: UUID, times: int) -> bool:
    return bool((await clinic.get(patient))["eligibility"]["attempts"] >= times)


async def test_after_the_last_try_a_person_is_asked_and_nothing_is_claimed(clinic: Clinic):
    patient = await clinic.patient()
    await card(clinic, patient, "W-DOWN")
    await eventually(lambda: calls(clinic, patient), equals={"check-insurance"})
    shown = (await clinic.get(patient))["eligibility"]
    assert (shown["state"], shown["attempts"], shown["problem"]) == ("gave_up", 4, "http-503")
    assert await verified(clinic, patient) == []


async def test_a_slow_payer_holds_up_neither_the_chart_nor_the_next_patient(clinic: Clinic):
    slow, quick = await clinic.patient(), await clinic.patient()
    await card(clinic, slow, "W-SLOW")
    await clinic.fill(slow)
    await clinic.complete(slow)
    async with clinic.world.connection() as conn:
        held = await conn.fetchval(OPEN_FOR_LONG)
    assert held == 0
    await card(clinic, quick, "W-2")
    assert (await answer(clinic, quick))["status"] == "active"
    assert (await answer(clinic, slow))["status"] == "active"


async def test_who_is_erased_while_the_payer_thinks_is_asked_about_no_more(clinic: Clinic):
    patient = await clinic.patient()
    await card(clinic, patient, "W-SLOW")
    await eventually(lambda: _asked(clinic, patient, 1))
    async with clinic.intake.service.transaction(actor="staff:ops") as uow:
        uow.publish(PatientErased(patient_id=patient, requested_at=uow.now))
    await eventually(lambda: _problem(clinic, patient), equals=("gave_up", "erased"))
    assert await verified(clinic, patient) == []


async def _problem(clinic: Clinic, patient: UUID) -> tuple[str, str | None]:
    async with clinic.world.connection("assessment") as conn:
        row = await conn.fetchrow("select state, problem from eligibility_checks where patient_id = $1", patient)
    return row["state"], row["problem"]


async def test_without_payer_or_member_id_nobody_is_asked(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.save(patient, "insurance", {"status": "self_pay"})
    assert (await clinic.get(patient))["eligibility"] is None
    refused = await clinic.post(patient, "insurance/check", {}, "dana")
    assert (refused.status_code, refused.json()["code"]) == (422, "nothing_to_ask")


async def test_without_a_payer_s_address_the_clinic_is_told_to_call(world: World, clinic: Clinic):
    async with world.start("assessment", eligibility_url="") as alone:
        answer = await alone.http.post(
            f"/api/v1/charts/{await clinic.patient()}/insurance/check", headers=alone.as_staff("dana")
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "no_payer_connection")
