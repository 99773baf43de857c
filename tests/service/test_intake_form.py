"""The public form: works without JavaScript, says what is wrong beside the field, takes a double click once."""

import asyncio
import re

import pytest

from tests.support.intake import Intake


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def number(last: int) -> str:
    return f"(801) 557-{last:04d}"


async def fill(intake, *, lang="en", **fields):
    page = (await intake.http.get(f"/?lang={lang}")).text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    return {**hidden, **fields}


async def send(intake, form):
    return await intake.http.post("/", data=form, headers={"accept": "text/html"})


async def test_the_form_promises_an_honest_time_and_ticks_nothing(intake):
    page = await intake.http.get("/?lang=en", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "A person answers" in page.text
    assert " checked" not in page.text
    assert "911" in page.text
    assert "988" in page.text
    assert "<script" not in page.text


async def test_it_speaks_spanish(intake):
    moved = await intake.http.get("/es")
    assert moved.headers["location"] == "./?lang=es"
    page = (await intake.http.get("/?lang=es")).text
    assert '<html lang="es">' in page
    assert "¿Qué le trae por aquí?" in page


async def test_sending_it_makes_a_patient_and_says_when_a_person_answers(intake):
    form = await fill(intake, name="Maya", phone=number(1), message="Hi", consent_sms="yes", lang="es")
    answer = await send(intake, form)
    assert answer.status_code == 303
    thanks = await intake.http.get(answer.headers["location"])
    assert "Gracias" in thanks.text
    assert "Una persona le responde" in thanks.text
    patient = await intake.patient_of("+18015570001")
    created = dict(await intake.events(patient))["LeadCreated"]
    assert (created["channel"], created["language"], created["consents"]) == ("web", "es", ["sms"])


async def test_a_double_click_is_one_contact(intake):
    form = await fill(intake, phone=number(2), message="Hi")
    answers = await asyncio.gather(*(send(intake, form) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await intake.names(await intake.patient_of("+18015570002")) == ["LeadCreated", "TaskRaised"]


async def test_going_back_and_correcting_adds_to_the_same_person(intake):
    form = await fill(intake, phone=number(3), message="Hi")
    await send(intake, form)
    await send(intake, {**form, "message": "I forgot to say something"})
    names = await intake.names(await intake.patient_of("+18015570003"))
    assert names == ["LeadCreated", "TaskRaised", "LeadUpdated", "MessageReceived"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": "Maya"}, "phone", "We need a phone number or an email address"),
        ({"phone": "12"}, "phone", "look like a phone number"),
        ({"email": "nowhere"}, "email", "look like an email address"),
        ({"phone": number(4), "name": "x" * 500}, "name", "too long"),
        ({"phone": number(4), "message": "x" * 9000}, "message", "longer than we can take"),
    ],
)
async def test_a_mistake_is_explained_beside_its_field_and_nothing_typed_is_lost(intake, fields, field, words):
    answer = await send(intake, await fill(intake, consent_sms="yes", **fields))
    assert answer.status_code == 422
    beside = re.search(rf'id="{field}-error">([^<]*)<', answer.text)
    assert beside is not None
    assert words in beside[1].replace("&#39;", "'")
    for value in fields.values():
        assert value[:200] in answer.text
    assert answer.text.count(" checked") == 1


async def test_what_was_typed_is_shown_as_text_never_as_markup(intake):
    answer = await send(intake, await fill(intake, name="<script>alert(1)</script>", phone="12"))
    assert "<script>" not in answer.text


async def test_a_hidden_field_that_is_filled_is_thanked_and_kept_for_a_person(intake):
    before = await intake.patients()
    answer = await send(intake, await fill(intake, name="Robot", phone=number(5), reference="buy now"))
    assert answer.status_code == 303
    assert (await intake.http.get(answer.headers["location"])).status_code == 200
    assert await intake.patients() == before
    assert [kept["reason"] for kept in await intake.kept() if "Robot" in kept["text"]] == ["hidden-field-filled"]
    assert len(await intake.open_tasks("contact-suspect")) == 1


async def test_a_form_without_its_token_is_still_a_contact(intake):
    assert (await send(intake, {"phone": number(6)})).status_code == 303
    assert await intake.patient_of("+18015570006") is not None


@pytest.mark.parametrize("reference", ["", "x", "0" * 64, "../../etc"])
async def test_a_wrong_reference_gets_thanks_without_a_time(intake, reference):
    page = await intake.http.get("/thanks", params={"r": reference, "lang": "en"})
    assert page.status_code == 200
    assert "as soon as we can" in page.text


async def test_a_file_or_a_flood_of_fields_is_refused(intake):
    assert (await intake.http.post("/", files={"phone": ("a.txt", b"x")})).status_code == 422
    assert (await intake.http.post("/", data={f"f{n}": "x" for n in range(2000)})).status_code in {303, 400, 422}


async def test_within_the_clinics_site_it_stays_there_without_cookies(world):
    async with world.start(
        "intake", frame_ancestors=["https://harbor.example", "https://www.harbor.example"]
    ) as running:
        intake = await Intake.of(running, world)
        page = await intake.http.get("/?embed=1&lang=es")
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors https://harbor.example https://www.harbor.example" in policy
        assert "x-frame-options" not in page.headers
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        intake.http.cookies.clear()
        wrong = await intake.http.post("/?lang=es&embed=1", data={**hidden, "phone": "12"})
        assert (wrong.status_code, 'class="patient embedded"' in wrong.text) == (422, True)
        moved = await intake.http.post("/?lang=es&embed=1", data={**hidden, "phone": number(900)})
        assert moved.headers["location"].endswith("&lang=es&embed=1")
        intake.http.cookies.clear()
        thanks = (await intake.http.get(moved.headers["location"])).text
        assert 'href="./?lang=es&amp;embed=1"' in thanks
        assert await intake.patient_of("+18015570900") is not None


async def test_without_leave_nobody_shows_it_in_a_frame(intake):
    page = await intake.http.get("/?embed=1")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
