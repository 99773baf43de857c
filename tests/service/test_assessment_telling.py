"""The patient's own page, over its link, as a phone without JavaScript sends it; and what becomes of it."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.intake import PatientErased
from tests.support.assessment import Clinic, approve, bound
from tests.support.waiting import eventually
from tests.support.world import World

HIDDEN = re.compile(r'name="(version|shown)" value="([^"]*)"')


@pytest.fixture(scope="module")
async def clinic(world: World) -> AsyncIterator[Clinic]:
    async with world.start("intake") as intake, world.start("assessment") as assessment:
        yield Clinic(world, intake, assessment)


async def link(clinic: Clinic, patient: UUID, person: str = "dana") -> str:
    answer = await clinic.post(patient, "link", {}, person)
    assert answer.status_code == 201, answer.text
    address: str = answer.json()["url"]
    assert re.fullmatch(rf"{clinic.assessment.url}/a/[A-Za-z0-9_-]{{22}}", address)
    return address.removeprefix(clinic.assessment.url)


class Phone:
    """A browser that follows the page's own forms."""

    def __init__(self, clinic: Clinic, path: str, language: str = "en") -> None:
        self.http = clinic.assessment.http
        self.headers = {"accept": "text/html", "accept-language": language}
        self.path = path

    async def look(self, path: str = "", **query: str) -> httpx.Response:
        return await self.http.get(path or self.path, params=query, headers=self.headers)

    async def post(self, **fields: Any) -> httpx.Response:
        return await self.http.post(self.path, data=fields, headers=self.headers)

    async def open(self, step: str = "", status: int = 200) -> str:
        answer = await self.look(**({"step": step} if step else {}))
        assert answer.status_code == status, answer.text
        return answer.text

    async def send(self, step: str, status: int = 303, **fields: Any) -> str:
        """Fill a step as it is shown and send it; where it leads, or what came back."""
        hidden = dict(HIDDEN.findall(await self.open(step)))
        answer = await self.post(step=step, **hidden, **fields)
        assert answer.status_code == status, answer.text
        return str(answer.headers.get("location", answer.text))


async def test_history_goals_and_what_was_tried_are_told_on_a_phone_and_kept_page_by_page(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    assert "988" in await phone.open()
    to = await phone.send("about", born="1980-04-02", ticked=["REL_CV", "REL_BLADDER"])
    assert "step=medicines" in to
    assert (await clinic.get(patient))["sections"]["history"]["content"]["born"] == "1980-04-02"
    medicine = {"medications-0-name": "Lithium", "medications-0-dose": "300 mg", "allergies-0-substance": "Latex"}
    await phone.send("medicines", **medicine)
    trial = {"name": "Sertraline", "kind": "antidepressant", "dose": "100 mg", "start": "2025-01-01",
             "end": "2025-06-01", "outcome": "none"}  # fmt: skip
    await phone.send("tried", **{f"trials-0-{field}": value for field, value in trial.items()})
    await phone.send("goals", hopes="To sleep <b>well</b>", support="Sam, my brother", ticked="depression")

    chart = await clinic.get(patient)
    history, tried, goals = (chart["sections"][kind] for kind in ("history", "tried", "goals"))
    assert {each["code"] for each in history["content"]["conditions"]} == {"REL_CV", "REL_BLADDER"}
    assert history["content"]["medications"][0]["name"] == "Lithium"
    assert history["by"]["id"] == "patient"
    assert {name: tried["content"]["trials"][0][name] for name in trial} == trial
    assert (goals["content"]["support"], goals["content"]["reasons"]) == ("Sam, my brother", ["depression"])
    assert sorted(chart["told"]) == ["about", "goals", "medicines", "tried"]
    assert chart["missing"] == []
    assert {flag["code"] for flag in chart["flags"]} >= {"REL_CV", "REL_BLADDER"}
    assert "To sleep &lt;b&gt;well&lt;/b&gt;" in await phone.open("goals")


async def test_what_staff_added_to_the_patient_s_words_stays(clinic: Clinic):
    patient = await clinic.patient()
    trial = {"kind": "antidepressant", "name": "Sertraline", "adequate_dose": True, "adherence": "full"}
    await clinic.save(patient, "tried", {"trials": [trial]})
    await clinic.save(patient, "history", {"conditions": [{"code": "CI_CAPACITY", "note": "seen"}], "notes": "for us"})
    phone = Phone(clinic, await link(clinic, patient))
    await phone.send("tried", **{"trials-0-name": "sertraline", "trials-0-kind": "antidepressant",
                                 "trials-0-outcome": "none", "trials-1-name": "CBT", "trials-1-kind": "therapy",
                                 "trials-1-outcome": "partial"})  # fmt: skip
    await phone.send("about", born="1980-04-02")
    await phone.send("medicines", own_words="I sleep badly")
    assert "for us" not in await phone.open("medicines")
    chart = await clinic.get(patient)
    history = chart["sections"]["history"]["content"]
    assert (history["notes"], history["own_words"]) == ("for us", "I sleep badly")
    trials = chart["sections"]["tried"]["content"]["trials"]
    assert [(each["name"], each["adequate_dose"], each["outcome"]) for each in trials] == [
        ("sertraline", True, "none"), ("CBT", None, "partial"),
    ]  # fmt: skip
    assert chart["sections"]["history"]["content"]["conditions"] == [{"code": "CI_CAPACITY", "note": "seen"}]
    assert "CI_CAPACITY" not in await phone.open("about")


async def test_what_cannot_be_kept_comes_back_as_it_was_typed(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    back = await phone.send("tried", 422, **{"trials-0-name": "Zolpidem", "trials-0-kind": "medication",
                            "trials-0-outcome": "none", "trials-0-start": "not a day"})  # fmt: skip
    assert "Zolpidem" in back
    assert "Please check the date." in back
    assert "Please write a few words." in await phone.send("goals", 422, hopes=" ", support="Sam")
    assert "lies in the" not in await phone.send("about", 422, born="2199-01-01")
    assert (await clinic.get(patient))["state"] == "new"


async def test_who_wrote_meanwhile_is_not_overwritten(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    await phone.open("goals")
    await clinic.save(patient, "goals", {"hopes": "what staff heard"})
    answer = await phone.post(step="goals", version="0", hopes="mine")
    assert answer.status_code == 409
    assert "The clinic wrote on this page" in answer.text
    assert "mine" in answer.text
    await phone.send("goals", hopes="mine, after all")
    assert (await clinic.get(patient))["sections"]["goals"]["version"] == 2


async def test_who_wrote_meanwhile_is_shown_beside_what_was_typed(clinic: Clinic):
    """What the clinic added is on the page that comes back, so sending it again takes nothing away."""
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    await phone.send("medicines", **{"medications-0-name": "Lithium"})
    history = {"medications": [{"name": "Lithium"}, {"name": "Tramadol", "dose": "50 mg"}],
               "conditions": [{"code": "REL_CV", "note": "AF"}]}  # fmt: skip
    await clinic.save(patient, "history", history, version=1)
    mine = {"medications-0-name": "Lithium", "medications-1-name": "Zinc"}
    back = (await phone.post(step="medicines", version="1", **mine)).text
    assert [name in back for name in ("Lithium", "Zinc", "Tramadol")] == [True] * 3
    assert back.count('value="Lithium"') == 1
    back = (await phone.post(step="about", version="1", born="1980-04-02", ticked="REL_BLADDER")).text
    ticked = set(re.findall(r'value="(\w+)" checked', back))
    assert ticked == {"REL_CV", "REL_BLADDER"}


async def test_an_end_before_its_beginning_is_named_beside_its_field(clinic: Clinic):
    patient = await clinic.patient()
    for language, words in (("en", "It lies before the beginning."), ("es", "Es anterior al comienzo.")):
        phone = Phone(clinic, await link(clinic, patient), language)
        trial = {
            "name": "Zolpidem",
            "kind": "medication",
            "outcome": "none",
            "start": "2025-06-01",
            "end": "2025-01-01",
        }
        back = await phone.send("tried", 422, **{f"trials-1-{field}": value for field, value in trial.items()})
        beside = re.search(r'id="trials-0-end-error">([^<]*)<', back)
        assert beside is not None
        assert words in beside[1]


async def test_a_crisis_is_answered_at_once_and_calls_a_provider(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    to = await phone.send("about", born="1980-04-02", ticked="CRISIS_SI")
    assert "said=crisis" in to
    shown = await phone.http.get(to, headers=phone.headers)
    assert 'role="alert"' in shown.text
    assert "Please talk to somebody now." in shown.text
    assert "safety-concern" in await clinic.tasks(patient)


async def test_a_crisis_that_is_told_again_after_it_was_cleared_calls_a_provider_again(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    await phone.send("about", born="1980-04-02", ticked="CRISIS_SI")
    await phone.send("about", born="1980-04-02", ticked="CRISIS_SI")
    (concern,) = (await clinic.get(patient))["concerns"]
    cleared = await clinic.post(patient, f"concerns/{concern['id']}/clear", {"reason": "spoke, plan made"})
    assert cleared.status_code == 200
    assert "safety-concern" not in await clinic.tasks(patient)
    for born in ("1980-04-02", "1980-04-20"):
        assert "said=crisis" in await phone.send("about", born=born, ticked=["CRISIS_SI"])
    assert "safety-concern" in await clinic.tasks(patient)
    assert [each["cleared_at"] is None for each in (await clinic.get(patient))["concerns"]] == [True, False]
    await clinic.save(patient, "history", {"conditions": [{"code": "CRISIS_SI", "note": "seen"}]}, version=2)
    assert len((await clinic.get(patient))["concerns"]) == 2


@pytest.mark.parametrize("version", ["0", "7"])
async def test_a_crisis_is_answered_also_where_the_page_cannot_be_kept(clinic: Clinic, version):
    """A wrong date, or somebody who wrote meanwhile, must not stand between a patient and help."""
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient), "es")
    born = "2199-01-01" if version == "0" else "1980-04-02"
    answer = await phone.post(step="about", version=version, born=born, ticked="CRISIS_SI")
    assert answer.status_code in {409, 422}
    assert 'role="alert"' in answer.text
    assert "Por favor, hable con alguien ahora." in answer.text
    assert "safety-concern" in await clinic.tasks(patient)
    assert (await clinic.get(patient))["sections"]["history"] is None


async def test_something_changed_is_read_by_a_person(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    answer = await phone.post(step="changed", words="I moved house")
    assert answer.status_code == 303
    assert await clinic.tasks(patient) == {"something-changed"}
    assert (await phone.post(step="changed", words=" ")).status_code == 422
    raised = [body for name, body in await clinic.log(patient) if name == "TaskRaised"]
    assert await clinic.unsealed(patient, raised[0]["detail"]) == "I moved house"


async def test_what_is_told_under_an_approval_that_goes_on_is_read_by_a_person(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient, history={"born": "1980-04-02"})
    phone = Phone(clinic, await link(clinic, patient))
    await phone.send("medicines", own_words="My heart races at night")
    assert (await clinic.get(patient))["approval"] is not None
    assert await clinic.tasks(patient) == {"something-changed"}
    raised = [body for name, body in await clinic.log(patient) if name == "TaskRaised"][-1]
    assert await clinic.unsealed(patient, raised["detail"]) == "My heart races at night"
    await phone.send("medicines", own_words="My heart races at night")
    assert [body for name, body in await clinic.log(patient) if name == "TaskRaised"][-1] == raised


async def test_every_page_speaks_both_languages_and_carries_the_emergency_numbers(clinic: Clinic):
    patient = await clinic.patient()
    path = await link(clinic, patient)
    for language in ("en", "es"):
        phone = Phone(clinic, path, language)
        for step in ("", "about", "medicines", "tried", "goals", "consent-im", "consent-lozenge"):
            page = await phone.open(step)
            assert f'<html lang="{language}"' in page
            assert "tel:911" in page
            assert "<script" not in page


async def test_a_link_is_one_person_s_and_ends(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient))
    assert (await phone.look("/a/" + "x" * 22)).status_code == 404
    refused = await clinic.post(patient, "link", {}, "tran")
    assert refused.status_code == 403
    async with clinic.intake.service.transaction(actor="staff:ops") as uow:
        uow.publish(PatientErased(patient_id=patient, requested_at=uow.now))
    await eventually(lambda: _status(phone), equals=404)


async def _status(phone: Phone) -> int:
    return (await phone.look()).status_code


# — consents —


async def test_a_consent_is_signed_as_text_with_its_hash_and_taken_back(clinic: Clinic):
    patient = await clinic.patient()
    await clinic.approved(patient)
    phone = Phone(clinic, await link(clinic, patient))
    page = await phone.open("consent-im")
    assert "off-label" in page
    assert "compounded" not in page
    assert not re.search(r'name="agreed"[^>]*checked', page)
    assert "The box is not ticked." in await phone.send("consent-im", 422, name="Jo Doe")
    assert "Please type your full name." in await phone.send("consent-im", 422, agreed="yes", name=" ")
    assert "said=signed" in await phone.send("consent-im", agreed="yes", name="Jo  Doe")

    name, event = (await clinic.log(patient))[-1]
    assert (name, event["route"], event["language"]) == ("TreatmentConsentSigned", "im", "en")
    assert "Jo" not in json.dumps(event)
    (consent,) = (await clinic.get(patient))["consents"]
    assert (consent["name"], consent["verified"], consent["ended"]) == ("Jo Doe", True, None)
    assert consent["text_hash"] == event["text_hash"]
    async with clinic.world.connection("assessment") as conn:
        body = await conn.fetchval("select body from consent_texts where hash = $1", event["text_hash"])
    assert "off-label" in body

    answer = await phone.post(step="withdraw-im")
    assert answer.status_code == 303
    assert (await clinic.log(patient))[-1][0] == "TreatmentConsentWithdrawn"
    assert (await clinic.get(patient))["consents"][0]["ended"] == "withdrawn"


async def test_a_lozenge_s_consent_says_compounded_and_other_words_are_not_signed(clinic: Clinic):
    patient = await clinic.patient()
    phone = Phone(clinic, await link(clinic, patient), "es")
    page = await phone.open("consent-lozenge")
    assert "fuera de indicación" in page
    assert "La FDA no ha evaluado" in page
    forged = {"step": "consent-lozenge", "shown": "ab" * 32, "agreed": "yes", "name": "Ana Ruiz"}
    assert (await phone.post(**forged)).status_code == 409
    await phone.send("consent-lozenge", agreed="yes", name="Ana Ruiz")
    await phone.send("consent-im", agreed="yes", name="Ana Ruiz")
    signed = [body for name, body in await clinic.log(patient) if name == "TreatmentConsentSigned"]
    assert [(each["route"], each["language"]) for each in signed] == [("lozenge", "es"), ("im", "es")]
    assert (await clinic.post(patient, "consents/im/withdraw", {}, "dana")).status_code == 200
    assert (await clinic.post(patient, "consents/im/withdraw", {}, "dana")).status_code == 409


# — elsewhere, and back —


async def test_who_was_elsewhere_comes_back_in_one_action(clinic: Clinic):
    patient = await clinic.patient()
    about = await clinic.assessed(patient)
    day = (clinic.assessment.service.clock.now() + timedelta(days=60)).date().isoformat()
    other = {"action": "alternative", "alternative": "emdr", "reason": "first", "referral": "Dr Who",
             "follow_up_on": day}  # fmt: skip
    await clinic.decide(patient, about | other)
    assert (await clinic.get(patient))["state"] == "decided"
    assert (await clinic.post(patient, "reopen", {}, "tran")).status_code == 403
    assert (await clinic.post(patient, "reopen", {}, "dana")).status_code == 200
    chart = await clinic.get(patient)
    assert (chart["state"], chart["decisions"][0]["action"]) == ("gathering", "alternative")
    assert await clinic.tasks(patient) == {"complete-assessment"}
    assert (await clinic.facts(patient))[-1] == "ChartReopened"
    async with clinic.world.connection("assessment") as conn:
        assert await conn.fetchval("select count(*) from timers where subject = $1", patient) == 0
    assert (await clinic.post(patient, "reopen", {}, "dana")).json()["code"] == "not_elsewhere"
    await clinic.decide(patient, approve(bound(await clinic.complete(patient))))
