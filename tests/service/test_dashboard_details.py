"""Details, following no further, erasing: what the front desk and operations do on pages, and intake makes hold."""

from uuid import UUID, uuid4

import pytest

from shared.contracts.intake import LeadMerged
from tests.support.dashboard import Desk
from tests.support.intake import Intake
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def desk(world):
    async with world.start("dashboard") as running:
        yield Desk(running)


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


async def somebody(intake: Intake, desk: Desk, **said) -> str:
    """A patient whom the board knows."""
    patient = str((await intake.lead(**said)).json()["patient_id"])
    live = desk.running.service.state.live
    await eventually(lambda: UUID(patient) in live.people, timeout=30)
    return patient


async def known(intake: Intake, patient: str) -> dict:
    answer = await intake.http.get(f"/api/v1/patients/{patient}", headers=intake.running.as_staff("dana"))
    return answer.json()


def form(was: dict, **changed: str) -> dict[str, str]:
    """The page's form as it is sent: what was changed, and what each field held before."""
    fields = {name: str(was[name] or "") for name in ("name", "phone", "email", "date_of_birth", "language")}
    return {**fields, **{f"was_{name}": value for name, value in fields.items()}, **changed}


async def test_the_front_desk_corrects_what_was_misheard(intake, desk):
    patient = await somebody(intake, desk, name="Maya Rios", phone="+18015593001", email="maya.rios@example.org")
    async with await desk.as_staff("dana") as browser:
        path = f"/patients/{patient}/details"
        assert path in (await browser.get(f"/patients/{patient}")).text
        page = (await browser.get(path)).text
        assert all(value in page for value in ("Maya Rios", "+18015593001", "maya.rios@example.org"))
        told = form(await known(intake, patient), phone="801 559 3002", date_of_birth="1984-03-09", language="es")
        assert (await browser.post(path, data=told)).status_code == 303
        found = await known(intake, patient)
        assert (found["phone"], found["date_of_birth"], found["language"]) == ("+18015593002", "1984-03-09", "es")
        assert found["email"] == "maya.rios@example.org"
        emptied = await browser.post(path, data=form(found, email=""))
        assert (emptied.status_code, (await known(intake, patient))["email"]) == (303, None)


async def test_what_was_not_touched_is_not_sent(intake, desk):
    """Somebody else may have corrected it since the page was opened."""
    patient = await somebody(intake, desk, name="Nils Ek", phone="+18015593003")
    opened = await known(intake, patient)
    async with await desk.as_staff("dana") as browser:
        path = f"/patients/{patient}/details"
        assert (await browser.post(path, data=form(opened, name="Nils Ekman"))).status_code == 303
        assert (await browser.post(path, data=form(opened, phone="801 559 3004"))).status_code == 303
        found = await known(intake, patient)
        assert (found["name"], found["phone"]) == ("Nils Ekman", "+18015593004")
        before = await intake.names(patient)
        assert (await browser.post(path, data=form(found))).status_code == 303
        assert await intake.names(patient) == before


@pytest.mark.parametrize(
    ("field", "typed", "english", "spanish"),
    [
        ("phone", "12", "be called", "Revise las cifras"),
        ("email", "maya at home", "email address", "Revise si falta una @"),
        ("date_of_birth", "2199-01-01", "Nobody alive", "Nadie que viva"),
        ("language", "fr", "does not speak", "no habla este idioma"),
    ],
)
async def test_what_can_not_be_is_said_at_its_field(intake, desk, field, typed, english, spanish):
    patient = await somebody(intake, desk, name="Ada Wrong", email=f"ada.{uuid4().hex}@example.org")
    was = await known(intake, patient)
    async with await desk.as_staff("dana") as browser:
        for language, words in (("en", english), ("es", spanish)):
            refused = await browser.post(
                f"/patients/{patient}/details?lang={language}", data=form(was, **{field: typed})
            )
            assert refused.status_code == 422
            said = refused.text.partition(f'id="{field}-error">')[2].partition("</small>")[0]
            assert words in said
    assert await known(intake, patient) == was


async def test_an_address_of_another_patient_is_refused_at_its_field(intake, desk):
    await somebody(intake, desk, name="First Of Two", phone="+18015593010")
    patient = await somebody(intake, desk, name="Second Of Two", phone="+18015593011")
    async with await desk.as_staff("dana") as browser:
        told = form(await known(intake, patient), phone="+1 801 559 3010")
        refused = await browser.post(f"/patients/{patient}/details", data=told)
        assert (refused.status_code, "It belongs to another patient." in refused.text) == (409, True)
        assert 'id="phone-error"' in refused.text
        spanish = await browser.post(f"/patients/{patient}/details?lang=es", data=told)
        assert "Es de otro paciente." in spanish.text


async def test_a_contact_that_differs_leads_to_the_fields_and_says_what_is_new(intake, desk):
    email = f"lea.{uuid4().hex}@example.org"
    patient = await somebody(intake, desk, name="Lea Marin", phone="+18015593020", email=email)
    await intake.lead(name="Lea Marin", phone="+18015593021", email=email)
    live = desk.running.service.state.live
    work = await eventually(lambda: [it for it in live.work.values() if it.kind == "contact-differs"], timeout=30)
    async with await desk.as_staff("dana") as browser:
        path = f"/patients/{patient}/details"
        assert f'class="button primary" href="{path}"' in (await browser.get("/tasks")).text
        page = (await browser.get(path)).text
        assert "phone: +18015593021" in page
        assert f'href="{path}"' not in page.partition("<main")[2]
        ended = await browser.post(f"/tasks/{work[0].task_id}/close", data={"outcome": "done", "back": path})
        assert ended.headers["location"] == path


async def test_a_contact_that_came_to_nothing_is_closed_with_its_reason(intake, desk):
    patient = await somebody(intake, desk, name="Gone Quiet", phone="+18015593030")
    async with await desk.as_staff("dana") as browser:
        path = f"/patients/{patient}/close"
        assert "Gone Quiet" in (await browser.get(path)).text
        refused = await browser.post(path, data={"reason": "boredom"})
        assert (refused.status_code, 'id="reason-error"' in refused.text) == (422, True)
        assert "LeadClosed" not in await intake.names(patient)
        assert (await browser.post(path, data={"reason": "no_reply"})).status_code == 303
        assert dict(await intake.events(patient))["LeadClosed"]["reason"] == "no_reply"

        async def closed() -> bool:
            return "We follow them no further." in (await browser.get(f"/patients/{patient}/details")).text

        await eventually(closed, timeout=30)
        told = form(await known(intake, patient), name="Gone Quietly")
        assert (await browser.post(f"/patients/{patient}/details", data=told)).status_code == 303
        live = desk.running.service.state.live
        await eventually(lambda: live.people[UUID(patient)].name == "Gone Quietly", timeout=30)
        assert await closed()


async def test_operations_erase_and_the_front_desk_passes_the_address_on(world, intake, desk):
    patient = await somebody(intake, desk, name="Forget Mee", phone="+18015593040")
    path = f"/patients/{patient}/erase"
    async with world.start("scheduling"), await desk.as_staff("ops") as browser:
        assert "Forget Mee" in (await browser.get(path)).text

        async def erase() -> int:
            return (await browser.post(path)).status_code

        await eventually(erase, equals=303, timeout=30)  # until scheduling's news is fresh
        assert "PatientErased" in await intake.names(patient)
        assert (await browser.post(path)).status_code == 404
        live = desk.running.service.state.live
        await eventually(lambda: live.name(UUID(patient)), equals="", timeout=30)


async def test_what_is_erased_with_somebody_is_said_before(intake, desk):
    one = await somebody(intake, desk, name="Joined Jo", phone="+18015593060")
    other = await somebody(intake, desk, name="Joined J.", phone="+18015593061")
    path = f"/api/v1/patients/{one}/merge"
    answer = await intake.http.post(path, json={"absorbed_id": other}, headers=intake.running.as_staff("dana"))
    assert answer.status_code == 204, answer.text
    await eventually(lambda: UUID(other) in desk.running.service.state.live.family(UUID(one)), timeout=30)
    async with await desk.as_staff("ops") as browser:
        assert "joined with theirs is erased with it" in (await browser.get(f"/patients/{one}/erase")).text


async def test_a_treated_patients_chart_is_refused_with_the_date(intake, desk):
    patient = await somebody(intake, desk, name="Treated Tom", phone="+18015593050")
    await intake.rows("update patients set treated_at = '2026-11-02T12:00Z' where id = $1", UUID(patient))
    async with await desk.as_staff("ops") as browser:
        for language, title in (("en", "can&#39;t be erased yet"), ("es", "todavía no se puede borrar")):
            refused = await browser.post(f"/patients/{patient}/erase?lang={language}")
            assert refused.status_code == 409
            assert title in refused.text
            assert "kept by law until 20" in refused.text
    assert "PatientErased" not in await intake.names(patient)


async def test_nothing_is_done_to_a_merged_contact_under_the_name_of_who_they_are(intake, desk):
    patient = await somebody(intake, desk, name="Wei Zhang", email=f"wei.{uuid4().hex}@example.org")
    absorbed = await somebody(intake, desk, name="W. Zhang", email=f"w.{uuid4().hex}@example.org")
    async with intake.running.service.transaction(actor="staff:dana") as uow:
        uow.publish(LeadMerged(patient_id=UUID(patient), absorbed_id=UUID(absorbed), reason="same-person"))
    live = desk.running.service.state.live
    await eventually(lambda: live.survivor(UUID(absorbed)), equals=UUID(patient), timeout=30)
    before = await intake.names(absorbed)
    for person, page in (("dana", "details"), ("dana", "close"), ("ops", "erase")):
        async with await desk.as_staff(person) as browser:
            path = f"/patients/{absorbed}/{page}"
            sent = [await browser.get(path), await browser.post(path, data={"name": "W. Z.", "reason": "other"})]
            assert {it.headers["location"] for it in sent} == {f"/patients/{patient}/{page}"}
    assert await intake.names(absorbed) == before


@pytest.mark.parametrize(
    ("page", "person"),
    [("details", "tran"), ("details", "osei"), ("details", "ops"), ("close", "osei"), ("erase", "dana"),
     ("erase", "audit")],
)  # fmt: skip
async def test_others_are_told_that_it_is_not_theirs(intake, desk, page, person):
    patient = await somebody(intake, desk, name="Not Yours", email=f"not.{uuid4().hex}@example.org")
    async with await desk.as_staff(person) as browser:
        assert (await browser.get(f"/patients/{patient}/{page}")).status_code == 403
        assert (await browser.post(f"/patients/{patient}/{page}")).status_code == 403
        if page == "details" and person != "ops":
            assert "/details" not in (await browser.get(f"/patients/{patient}")).text


async def test_the_address_for_operations_stands_on_the_front_desks_page(intake, desk):
    patient = await somebody(intake, desk, name="Pass It On", email=f"pass.{uuid4().hex}@example.org")
    async with await desk.as_staff("dana") as browser:
        page = (await browser.get(f"/patients/{patient}/details")).text
    assert f"<code>{desk.running.service.settings.public_url}/patients/{patient}/erase</code>" in page
    async with await desk.as_staff("dana") as browser:
        assert (await browser.get(f"/patients/{uuid4()}/details")).status_code == 404
