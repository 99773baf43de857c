"""The chart and the decision as staff see them, in a browser without JavaScript, against the real services."""

import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from tests.support.dashboard import COOKIE, Desk
from tests.support.kernel import create_lead
from tests.support.sandbox import Sandbox, sandbox
from tests.support.waiting import eventually
from tests.support.world import Running, World

HIDDEN = re.compile(r'<input type="hidden" name="(assessment_\w+)" value="([^"]*)">')


@pytest.fixture(scope="module")
async def payer(world: World) -> AsyncIterator[Sandbox]:
    async with sandbox(world) as running:
        yield running


@pytest.fixture(scope="module")
async def assessment(world: World) -> AsyncIterator[Running]:
    async with world.start("assessment", eligibility_poll_seconds=0.05) as running:
        yield running


@pytest.fixture(scope="module")
async def desk(world: World, assessment: Running) -> AsyncIterator[Desk]:
    async with world.start("dashboard") as running:
        yield Desk(running)


@pytest.fixture(scope="module")
async def intake(world: World) -> AsyncIterator[Running]:
    async with world.start("intake") as running:
        yield running


@pytest.fixture
async def patient(desk: Desk, intake: Running) -> UUID:
    """A new lead whose chart is open."""
    patient = await create_lead(intake.service)
    async with await desk.as_staff("dana") as dana:
        await eventually(lambda: _answers(dana, f"/patients/{patient}/chart"))
        await eventually(lambda: _answers(dana, f"/patients/{patient}"))
    return patient


async def _answers(browser: httpx.AsyncClient, path: str) -> bool:
    return (await browser.get(path)).status_code == 200


async def signing(desk: Desk, person: str) -> httpx.AsyncClient:
    """A browser whose person has just given a fresh second factor."""
    headers = {"accept": "text/html", "sec-fetch-site": "same-origin"}
    cookies = {COOKIE: await desk.token(person, acr="step-up")}
    return httpx.AsyncClient(base_url=desk.running.url, cookies=cookies, headers=headers, timeout=15)


async def record(dana: httpx.AsyncClient, patient: UUID, kind: str, version: int = 0, **fields) -> httpx.Response:
    return await dana.post(f"/patients/{patient}/chart/{kind}", data={"version": version, **fields})


async def fill(dana: httpx.AsyncClient, patient: UUID, **history) -> None:
    rows = {"medications_name": ["Sertraline", ""], "medications_dose": ["100 mg", ""], "medications_since": ["", ""]}
    for kind, fields in (
        ("history", rows | {"born": "1980-04-02"} | history),
        ("goals", {"hopes": "To sleep <b>well</b>"}),
        ("tried", {}),
    ):
        saved = await record(dana, patient, kind, **fields)
        assert (saved.status_code, saved.headers.get("location")) == (303, f"/patients/{patient}/chart#{kind}")
    done = await dana.post(f"/patients/{patient}/chart/complete")
    assert done.status_code == 303, done.text


async def sheet(browser: httpx.AsyncClient, patient: UUID) -> dict[str, str]:
    """What the decision sheet binds a decision to."""
    page = await browser.get(f"/patients/{patient}/decision")
    assert page.status_code == 200, page.text
    return dict(HIDDEN.findall(page.text))


async def test_every_page_renders_in_both_languages(desk, patient):
    async with await desk.as_staff("osei") as osei:
        for language in ("en", "es"):
            for path in ("chart", "chart/history", "chart/goals", "chart/tried", "chart/insurance", "decision"):
                page = await osei.get(f"/patients/{patient}/{path}?lang={language}")
                assert page.status_code == 200, path
                assert f'<html lang="{language}"' in page.text


async def test_from_the_chart_to_the_signature(desk, patient):
    async with await desk.as_staff("dana") as dana, await signing(desk, "osei") as osei:
        page = (await dana.get(f"/patients/{patient}/chart")).text
        assert "Record history, goals, what was tried." in page
        await fill(dana, patient)
        page = (await dana.get(f"/patients/{patient}/chart")).text
        assert "A provider decides." in page
        assert "To sleep &lt;b&gt;well&lt;/b&gt;" in page
        assert "/decision" not in page

        bound = await sheet(osei, patient)
        assert set(bound) == {"assessment_id", "assessment_version", "assessment_hash"}
        choice = bound | {"action": "approve", "route": "im", "sessions": "6", "conditions": "BP under 140/90"}
        kept = await osei.post(f"/patients/{patient}/decision", data=choice)
        assert kept.status_code == 303
        once_more = await osei.get(kept.headers["location"])
        assert "6 sessions, intramuscular, are booked now" in once_more.text
        assert "BP under 140/90" in once_more.text
        signed = await osei.post(kept.headers["location"])
        assert (signed.status_code, signed.headers["location"]) == (303, f"/patients/{patient}")
        page = (await osei.get(f"/patients/{patient}/chart")).text
        assert "Approved: Intramuscular, 6 sessions" in page
        assert "signature holds" in page
        assert (await osei.post(kept.headers["location"])).status_code == 404


async def test_without_a_fresh_second_factor_the_signature_leads_to_one_and_nothing_is_lost(desk, patient):
    async with await desk.as_staff("dana") as dana, await desk.as_staff("osei") as osei:
        await fill(dana, patient)
        bound = await sheet(osei, patient)
        kept = await osei.post(
            f"/patients/{patient}/decision", data=bound | {"action": "decline", "reason": "heart failure, unstable"}
        )
        draft = kept.headers["location"]
        for answer in (await osei.get(draft), await osei.post(draft)):
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/auth/step-up?next=%2Fpatients%2F")
    async with await signing(desk, "osei") as osei:
        assert "heart failure, unstable" in (await osei.get(draft)).text
        assert (await osei.post(draft)).status_code == 303
        assert "heart failure, unstable" in (await osei.get(f"/patients/{patient}/chart")).text


async def test_what_was_written_belongs_to_its_writer_alone_and_is_sealed(desk, patient, world):
    async with await desk.as_staff("dana") as dana, await signing(desk, "osei") as osei:
        await fill(dana, patient)
        bound = await sheet(osei, patient)
        kept = await osei.post(
            f"/patients/{patient}/decision", data=bound | {"action": "decline", "reason": "xylophone"}
        )
    async with await signing(desk, "rios") as rios:
        assert (await rios.get(kept.headers["location"])).status_code == 404
        assert (await rios.post(kept.headers["location"])).status_code == 404
    async with world.connection("dashboard") as conn:
        assert "xylophone" not in str(await conn.fetch("select decision from drafts"))


@pytest.mark.parametrize("person", ["dana", "tran", "ops", "audit"])
async def test_the_decision_is_not_for_others(desk, patient, person):
    async with await signing(desk, person) as browser:
        assert (await browser.get(f"/patients/{patient}/decision")).status_code == 403
        assert (await browser.post(f"/patients/{patient}/decision", data={"action": "decline"})).status_code == 403
        chart = await browser.get(f"/patients/{patient}/chart")
        assert f'/patients/{patient}/decision"' not in chart.text


async def test_an_expired_licence_is_told_on_the_sheet_with_what_to_do(desk, patient):
    async with await desk.as_staff("dana") as dana, await signing(desk, "lang") as lang:
        await fill(dana, patient)
        bound = await sheet(lang, patient)
        kept = await lang.post(f"/patients/{patient}/decision", data=bound | {"action": "decline", "reason": "no"})
        refused = await lang.post(kept.headers["location"])
    assert refused.status_code == 403
    assert "Your licence is not valid today." in refused.text


async def test_hard_flags_are_answered_one_by_one(desk, patient):
    async with await desk.as_staff("dana") as dana, await signing(desk, "osei") as osei:
        await fill(dana, patient, condition=["CI_HTN_UNCTRL"], note_CI_HTN_UNCTRL="150/95 at home")
        page = (await osei.get(f"/patients/{patient}/decision")).text
        assert 'name="reason_CI_HTN_UNCTRL"' in page
        assert "150/95 at home" in page
        choice = dict(HIDDEN.findall(page)) | {"action": "approve", "route": "lozenge", "sessions": "5"}
        kept = await osei.post(f"/patients/{patient}/decision", data=choice)
        refused = await osei.post(kept.headers["location"])
        assert refused.status_code == 422
        assert "Not answered yet: CI_HTN_UNCTRL." in refused.text
        assert 'value="5"' in refused.text
        kept = await osei.post(f"/patients/{patient}/decision", data=choice | {"reason_CI_HTN_UNCTRL": "now 128/82"})
        assert (await osei.post(kept.headers["location"])).status_code == 303


async def test_a_safety_concern_is_cleared_by_a_provider_in_their_words(desk, patient):
    async with await desk.as_staff("dana") as dana, await signing(desk, "osei") as osei:
        await fill(dana, patient, condition=["CRISIS_SI"])
        assert "Safety concern:" in (await dana.get(f"/patients/{patient}/chart")).text
        page = (await osei.get(f"/patients/{patient}/chart")).text
        path = re.search(rf"/patients/{patient}/concerns/[0-9a-f-]+", page)
        assert path is not None
        assert (await osei.get(path[0])).status_code == 200
        assert (await osei.post(path[0], data={"reason": "  "})).status_code == 422
        assert (await osei.post(path[0], data={"reason": "plan made, sister stays"})).status_code == 303
        assert "Safety concern:" not in (await osei.get(f"/patients/{patient}/chart")).text
        assert (await osei.get(path[0])).status_code == 303


async def test_an_approval_is_taken_back_with_a_reason(desk, patient):
    async with await desk.as_staff("dana") as dana, await signing(desk, "osei") as osei:
        await fill(dana, patient)
        choice = await sheet(osei, patient) | {"action": "approve", "route": "im", "sessions": "6"}
        kept = await osei.post(f"/patients/{patient}/decision", data=choice)
        await osei.post(kept.headers["location"])
        path = f"/patients/{patient}/approval/revoke"
        assert "All sessions ahead are cancelled" in (await osei.get(path)).text
        assert (await osei.post(path, data={"reason": "new heart finding"})).status_code == 303
        assert "a provider took it back" in (await osei.get(f"/patients/{patient}/chart")).text


# — the payer, the patient's own page, elsewhere and back —


async def test_the_payers_answer_is_shown_in_words_a_front_desk_understands(desk, patient, payer):
    card = {"status": "unknown", "payer": "Acme Health", "payer_id": "60054", "holder": "Jo Doe"}
    async with await desk.as_staff("dana") as dana:
        assert 'value="Jo Doe"' in (await dana.get(f"/patients/{patient}/chart/insurance")).text
        await record(dana, patient, "insurance", member_id="W-1001", **card)
        await eventually(lambda: _says(dana, patient, "The plan is active. Whether it covers this treatment"))
        page = (await dana.get(f"/patients/{patient}/chart")).text
        assert "$40" in page
        assert "$1500" in page
        await record(dana, patient, "insurance", 1, member_id="W-AAA75", **card)
        await eventually(lambda: _says(dana, patient, "Ask the patient for the card"))
        page = (await dana.get(f"/patients/{patient}/chart?lang=es")).text
        assert "Pida la tarjeta al paciente" in page
        again = await dana.post(f"/patients/{patient}/chart/insurance/check")
        assert (again.status_code, again.headers["location"]) == (303, f"/patients/{patient}/chart#insurance")


async def _says(browser: httpx.AsyncClient, patient: UUID, words: str) -> bool:
    return words in (await browser.get(f"/patients/{patient}/chart")).text


async def test_the_patient_gets_a_link_and_what_they_wrote_is_marked_as_theirs(desk, patient, assessment):
    async with await desk.as_staff("dana") as dana:
        given = await dana.post(f"/patients/{patient}/chart/link")
        assert given.status_code == 200
        address = re.search(rf"{assessment.url}(/a/[A-Za-z0-9_-]{{22}})", given.text)
        assert address is not None
        told = {"step": "goals", "version": "0", "hopes": "To laugh", "support": "Sam"}
        assert (await assessment.http.post(address[1], data=told)).status_code == 303
        shown = await assessment.http.get(address[1], params={"step": "consent-im"})
        digest = re.search(r'name="shown" value="([0-9a-f]{64})"', shown.text)
        assert digest is not None
        signed = {"step": "consent-im", "shown": digest[1], "agreed": "yes", "name": "Jo Doe"}
        assert (await assessment.http.post(address[1], data=signed)).status_code == 303
        page = (await dana.get(f"/patients/{patient}/chart")).text
        assert "To laugh" in page
        assert "the patient, " in page
        assert "Jo Doe, " in page
        await eventually(lambda: _story_says(dana, patient, "They signed the consent to treatment by injection."))
        back = await dana.post(f"/patients/{patient}/chart/consents/im/withdraw")
        assert back.status_code == 303
        assert "taken back" in (await dana.get(f"/patients/{patient}/chart")).text
        assert (await dana.post(f"/patients/{patient}/chart/consents/im/withdraw")).status_code == 409
    async with await desk.as_staff("tran") as tran:
        assert "chart/link" not in (await tran.get(f"/patients/{patient}/chart")).text
        assert (await tran.post(f"/patients/{patient}/chart/link")).status_code == 403


async def _story_says(browser: httpx.AsyncClient, patient: UUID, words: str) -> bool:
    return words in (await browser.get(f"/patients/{patient}")).text


async def test_who_is_elsewhere_comes_back_with_one_press(desk, patient):
    async with await desk.as_staff("dana") as dana, await signing(desk, "osei") as osei:
        await fill(dana, patient)
        other = {"action": "alternative", "alternative": "emdr", "reason": "first", "referral": "", "follow_up_on": ""}
        kept = await osei.post(f"/patients/{patient}/decision", data=await sheet(osei, patient) | other)
        assert (await osei.post(kept.headers["location"])).status_code == 303
        page = (await dana.get(f"/patients/{patient}/chart")).text
        assert "Elsewhere for now: EMDR" in page
        assert "Complete the assessment" not in page
        assert (await dana.post(f"/patients/{patient}/chart/reopen")).status_code == 303
        assert "Complete the assessment" in (await dana.get(f"/patients/{patient}/chart")).text
        await eventually(lambda: _story_says(dana, patient, "They came back: the chart is open again."))
        assert (await dana.post(f"/patients/{patient}/chart/reopen")).status_code == 409


# — writing it down —


async def test_who_was_faster_is_named_and_what_was_typed_stays(desk, patient):
    async with await desk.as_staff("dana") as dana, await desk.as_staff("osei") as osei:
        assert (await record(osei, patient, "goals", hopes="first")).status_code == 303
        refused = await record(dana, patient, "goals", hopes="typed for ten minutes")
    assert refused.status_code == 409
    assert "Dr Amara Osei saved this section" in refused.text
    assert "typed for ten minutes" in refused.text


async def test_more_rows_keep_what_was_typed(desk, patient):
    trial = {
        "trials_name": ["Sertraline", "", "CBT"], "trials_kind": ["antidepressant", "antidepressant", "therapy"],
        "trials_dose": ["100 mg", "", "weekly"], "trials_adequate_dose": ["yes", "", ""],
        "trials_current_episode": ["yes", "yes", "no"], "trials_start": ["2025-01-01", "", ""],
        "trials_end": ["2025-06-01", "", ""], "trials_adherence": ["full", "unknown", "unknown"],
        "trials_outcome": ["none", "unknown", "partial"], "trials_note": ["", "", ""],
    }  # fmt: skip
    async with await desk.as_staff("dana") as dana:
        page = await record(dana, patient, "tried", more="1", **trial)
        assert page.status_code == 200
        assert page.text.count('name="trials_name"') == 6
        assert 'value="CBT"' in page.text
        assert (await record(dana, patient, "tried", **trial)).status_code == 303
        page = (await dana.get(f"/patients/{patient}/chart")).text
    assert "January 2025" in page
    assert "1 of 2 antidepressants count" in page
    assert "in an earlier episode" in page


async def test_a_field_that_cannot_be_is_named_in_words(desk, patient):
    trial = {
        "trials_name": ["Sertraline"], "trials_kind": ["antidepressant"], "trials_dose": [""],
        "trials_adequate_dose": [""], "trials_current_episode": ["yes"], "trials_start": ["2025-06-01"],
        "trials_end": ["2025-01-01"], "trials_adherence": ["unknown"], "trials_outcome": ["unknown"],
        "trials_note": [""],
    }  # fmt: skip
    async with await desk.as_staff("dana") as dana:
        refused = await record(dana, patient, "tried", **trial)
        assert refused.status_code == 422
        assert "the end lies before the start" in refused.text
        assert 'value="Sertraline"' in refused.text
        refused = await record(dana, patient, "insurance", status="active")
        assert "name the payer" in refused.text
        refused = await record(dana, patient, "history", born="2999-01-01")
        assert "The birth date lies in the future." in refused.text


@pytest.mark.parametrize(("person", "reads"), [("tran", True), ("audit", True), ("ops", False)])
async def test_who_only_reads_sees_no_forms(desk, patient, person, reads):
    async with await desk.as_staff(person) as browser:
        page = await browser.get(f"/patients/{patient}/chart")
        assert page.status_code == (200 if reads else 403)
        assert f"/patients/{patient}/chart/history" not in page.text
        assert (await browser.get(f"/patients/{patient}/chart/history")).status_code == 403
        assert (await record(browser, patient, "goals", hopes="x")).status_code == 403


async def test_a_form_from_elsewhere_changes_nothing(desk, patient):
    async with await desk.as_staff("dana") as dana:
        dana.headers["sec-fetch-site"] = "cross-site"
        assert (await record(dana, patient, "goals", hopes="x")).status_code == 403
