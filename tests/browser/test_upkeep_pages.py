"""What was set aside and what was not understood: read, decided and gone, by people of the right role."""

import json

import pytest
from aiokafka import AIOKafkaProducer
from playwright.async_api import expect

from shared.contracts.envelope import Envelope, to_headers
from shared.contracts.topics import SUBMISSIONS
from shared.eventlog.log import partition_of
from shared.ids import new_id
from shared.service import Service
from tests.support.browser import picture, pressed, violations
from tests.support.intake import Intake
from tests.support.waiting import eventually

OPEN = "select id from dead_letters where resolved_at is null"


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


@pytest.fixture(scope="module")
async def calendar(world):
    async with world.start("scheduling") as running:
        yield running


@pytest.fixture
async def send(world):
    async with AIOKafkaProducer(bootstrap_servers=world.kafka) as producer:

        async def put(topic: str, value: bytes, **how) -> None:
            await producer.send_and_wait(world.kafka_prefix + topic, value, **how)

        yield put


async def rows(service: Service, sql: str, *args):
    async with service.reading() as uow:
        return list(await uow.conn.fetch(sql, *args))


async def broken_event(intake, calendar, desk, send):
    """A patient whose next event breaks its contract, at the calendar and at the board."""
    patient = (await intake.lead(name="Ana Villa", email=f"ana.{new_id().hex}@example.org")).json()["patient_id"]
    [last] = await intake.rows("select sequence from streams where subject = $1", patient)
    known = "select from inbox where source = 1 and subject = $1 and sequence = $2"
    for service in (calendar.service, desk.running.service):
        await eventually(lambda: rows(service, known, patient, last["sequence"]), timeout=30)  # noqa: B023
    body = {"patient_id": patient, "absorbed_id": 7, "name": "s1.c2VjcmV0", "key": {"kid": "k1", "wrapped": "w" * 20}}
    envelope = Envelope(
        id=new_id(),
        type="passage.intake.LeadMerged.v1",
        source="intake",
        subject=patient,
        sequence=last["sequence"] + 1,
        time=intake.running.service.clock.now(),
        actor="system:test",
        correlationid=new_id(),
    )
    value = json.dumps(body).encode()
    where = {"partition": partition_of(patient), "key": str(patient).encode(), "headers": to_headers(envelope)}
    await send("passage.intake.v1", value, **where)
    [letter] = await eventually(lambda: rows(calendar.service, OPEN), timeout=30)
    return letter["id"]


async def test_operations_try_a_letter_again_and_let_it_go(window, desk, intake, calendar, send):
    letter = await broken_event(intake, calendar, desk, send)
    await eventually(lambda: rows(desk.running.service, OPEN), timeout=30)
    page = await window.open("/letters", "ops")
    await expect(page.locator("main li")).to_have_count(2)
    await picture(page, "letters")
    assert await violations(page) == []
    await pressed(page.locator(f"main a.button[href$='{letter}']"))
    content = page.locator("pre")
    await expect(content).to_contain_text('"name": "(sealed)"')
    await expect(content).to_contain_text("(a patient's key)")
    assert "c2VjcmV0" not in await page.content()
    await picture(page, "letter")
    assert await violations(page) == []
    again = page.get_by_role("button", name="Try again")
    await again.focus()
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    refused = "select note from dead_letters where note = 'failed again'"
    await eventually(lambda: rows(calendar.service, refused), timeout=20)
    await page.reload()
    await expect(page.get_by_text("It was tried again and failed again.")).to_be_visible()
    await pressed(page.get_by_role("link", name="Let it go, because …"))
    await pressed(page.get_by_role("button", name="Let it go for good"))
    await expect(page.locator("#reason-error")).to_be_visible()
    assert await violations(page) == []
    await picture(page, "letter-drop")
    await expect(page.locator("#reason")).to_be_focused()
    await page.keyboard.type("A test wrote it.")
    await pressed(page.get_by_role("button", name="Let it go for good"))
    await eventually(lambda: rows(calendar.service, OPEN), equals=[], timeout=20)
    await page.reload()
    await expect(page.get_by_text("was let go")).to_be_visible()
    await expect(page.locator("q")).to_have_text("A test wrote it.")
    decided = "select action, actor, what from audit where action in ('replay', 'drop') order by id"
    assert [tuple(row) for row in await rows(calendar.service, decided)] == [
        ("replay", "staff:ops", "dead-letter"),
        ("drop", "staff:ops", "dead-letter"),
    ]
    [kept] = await rows(calendar.service, "select because from dead_letters")
    assert "test" not in kept["because"]


async def test_the_boards_own_letters_are_decided_in_spanish_on_a_phone(window, desk, intake, calendar, send):
    await eventually(lambda: rows(desk.running.service, OPEN), timeout=30)
    page = await window.open("/letters?lang=es", "ops", phone=True)
    await picture(page, "letters-es")
    assert await violations(page) == []
    await pressed(page.locator("main a.button").first)
    assert await violations(page) == []
    await pressed(page.get_by_role("link", name="Dejarlo ir, porque …"))
    await page.locator("#reason").fill("Lo escribió una prueba.")
    await pressed(page.get_by_role("button", name="Dejarlo ir para siempre"))
    await eventually(lambda: rows(desk.running.service, OPEN), equals=[], timeout=20)
    await page.goto(desk.running.url + "/letters")
    await expect(page.get_by_role("alert").first).to_contain_text("Ahora no se puede mostrar lo apartado en")
    await expect(page.locator("main li")).to_have_count(0)


@pytest.mark.parametrize(("path", "person"), [("/letters", "dana"), ("/letters", "osei"), ("/contacts", "ops")])
async def test_others_are_told_kindly_that_it_is_not_theirs(desk, path, person):
    async with await desk.as_staff(person) as browser:
        assert (await browser.get(path)).status_code == 403


async def test_operations_alone_may_ask_a_service(calendar):
    for person, status in (("dana", 403), ("audit", 403), ("ops", 200)):
        answer = await calendar.http.get("/api/v1/dead-letters", headers=calendar.as_staff(person))
        assert answer.status_code == status
    nothing = f"/api/v1/dead-letters/{new_id()}"
    asked = {"headers": calendar.as_staff("ops")}
    assert (await calendar.http.get(nothing, **asked)).status_code == 404
    assert (await calendar.http.post(f"{nothing}/replay", **asked)).status_code == 409
    assert (await calendar.http.post(f"{nothing}/drop", json={"reason": " "}, **asked)).status_code == 422


async def test_a_contact_that_was_not_understood_becomes_a_patient(window, intake, send):
    await send(SUBMISSIONS, b"hola, soy Rosa, 801 555 0744")
    [kept] = await eventually(intake.kept, timeout=30)
    page = await window.open("/contacts")
    await expect(page.locator("main li")).to_contain_text("soy Rosa")
    await picture(page, "contacts")
    assert await violations(page) == []
    await pressed(page.locator("main li a.button"))
    await expect(page.locator("#message")).to_have_value("hola, soy Rosa, 801 555 0744")
    await page.locator("#phone").fill("12")
    await pressed(page.get_by_role("button", name="Put on the board"))
    await expect(page.locator("#phone-error")).to_be_visible()
    await expect(page.locator("#phone")).to_be_focused()
    await picture(page, "contact")
    assert await violations(page) == []
    await page.locator("#phone").fill("801 555 0744")
    await page.locator("#phone").press("Enter")
    await page.wait_for_url("**/patients/*")
    patient = await intake.patient_of("+18015550744")
    assert patient is not None
    assert await intake.kept() == []
    assert (
        await intake.http.get(f"/api/v1/contacts/{kept['id']}", headers=intake.running.as_staff("dana"))
    ).status_code == 404


async def test_a_contact_that_nobody_wrote_is_let_go_after_one_question(window, intake, send):
    await send(SUBMISSIONS, b"\x00\xff robot")
    [kept] = await eventually(intake.kept, timeout=30)
    page = await window.open(f"/contacts/{kept['id']}?lang=es")
    assert await violations(page) == []
    await page.locator("#outcome").select_option("robot")
    await page.get_by_role("button", name="Dejarlo ir").focus()
    await page.keyboard.press("Enter")
    question = page.get_by_role("dialog")
    await expect(question).to_contain_text("no se contesta a nadie")
    await pressed(question.get_by_role("button", name="Sí"))
    await page.wait_for_url("**/contacts")
    await eventually(intake.kept, equals=[], timeout=15)
    [settled] = await intake.rows("select outcome, resolved_by from kept_contacts where id = $1", kept["id"])
    assert tuple(settled) == ("robot", "staff:dana")
