"""The day after a session: asked only where it took place, answered on a page or by text, severe ones at once."""

import re
from datetime import timedelta

import pytest

from services.notifications.domain.wellbeing import EFFECTS, Wellbeing, alarming, says_well
from shared.contracts.scheduling import AppointmentNoShow, SessionCompleted
from tests.support.notifications import NOON, Desk, desk, kind_of
from tests.support.told import told

DAY = timedelta(days=1)
FIRST = NOON + 14 * DAY
HTML = {"accept": "text/html"}


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


@pytest.fixture(scope="module")
async def stack(world):
    async with told(world) as made:
        yield made


def over(session) -> SessionCompleted:
    return SessionCompleted(
        patient_id=session.patient_id, appointment_id=session.appointment_id, number=session.number, of=session.of,
        discharged_at=session.ends_at + timedelta(minutes=10), escort_present=True,
    )  # fmt: skip


async def went_home(at_desk: Desk, **lead):
    """A patient whose only session took place."""
    patient = await at_desk.lead(**lead)
    [session] = await at_desk.course(patient, FIRST, sessions=1)
    await at_desk.until(session.ends_at + timedelta(minutes=10))
    await at_desk.hear(over(session))
    return patient, session


async def test_the_day_after_a_session_they_are_asked_how_they_are(at_desk):
    patient, session = await went_home(at_desk)
    await at_desk.until(session.ends_at + DAY + timedelta(hours=1))
    words = dict(await at_desk.said(patient))["check_in"]
    assert "/s/" in words
    assert "STOP" in words
    assert "/s/" in dict(await at_desk.said(patient, "email"))["check_in"]


async def test_who_did_not_come_or_is_not_known_to_have_gone_home_is_not_asked(at_desk):
    missed, never = await at_desk.lead(), await at_desk.lead()
    [one] = await at_desk.course(missed, FIRST, sessions=1)
    [other] = await at_desk.course(never, FIRST, sessions=1)
    await at_desk.until(FIRST + timedelta(hours=1))
    await at_desk.hear(
        AppointmentNoShow(
            patient_id=missed, appointment_id=one.appointment_id, kind=kind_of(one), starts_at=one.starts_at
        )
    )
    await at_desk.until(other.ends_at + 3 * DAY)
    assert "check_in" not in dict(await at_desk.said(missed))
    assert "check_in" not in dict(await at_desk.said(never))


async def test_well_by_text_is_noted_and_nobody_has_to_call(at_desk):
    patient, session = await went_home(at_desk)
    before = await at_desk.tasks(patient)
    await at_desk.until(session.ends_at + DAY + timedelta(hours=1))
    await at_desk.texts_in(patient, "Good, thank you")
    await at_desk.deliver()
    assert (await at_desk.said(patient))[-1][0] == "check_in_thanks"
    assert "QuestionAnswered" in await at_desk.events(patient)
    assert await at_desk.tasks(patient) == before


async def test_what_is_not_plainly_well_is_read_by_a_provider_and_an_alarm_at_once(at_desk):
    patient, session = await went_home(at_desk)
    await at_desk.until(session.ends_at + DAY + timedelta(hours=1))
    await at_desk.texts_in(patient, "not good, still dizzy")
    assert "side-effect" in await at_desk.tasks(patient)
    await at_desk.texts_in(patient, "now my chest hurts")
    await at_desk.deliver()
    assert "side-effect-severe" in await at_desk.tasks(patient)
    assert "911" in dict(await at_desk.said(patient))["read_by_person"]


async def test_with_the_next_ride_open_too_each_answer_finds_its_question(at_desk):
    patient = await at_desk.lead()
    first, second = await at_desk.course(patient, FIRST, sessions=2, gap_days=3)
    await at_desk.until(first.ends_at)
    await at_desk.hear(over(first).model_copy(update={"discharged_at": first.ends_at}))
    await at_desk.until(first.ends_at + DAY + timedelta(hours=1))

    async def standing() -> tuple[str, int]:
        async with at_desk.service.reading() as uow:
            ride = await uow.conn.fetchval("select transport from visits where id = $1", second.appointment_id)
        return ride, (await at_desk.tasks(patient)).count("side-effect")

    assert await standing() == ("open", 0)
    await at_desk.texts_in(patient, "ok")
    assert await standing() == ("open", 0), "a ride is not confirmed by a word that says they are well"
    await at_desk.texts_in(patient, "Karin, my wife")
    assert await standing() == ("confirmed", 0)


@pytest.mark.parametrize(("words", "task"), [("Shaken", "side-effect"), ("Suicidal", "side-effect-severe")])
async def test_how_they_are_is_never_taken_for_who_takes_them_home(at_desk, words, task):
    patient = await at_desk.lead()
    first, second = await at_desk.course(patient, FIRST, sessions=2, gap_days=3)
    await at_desk.until(first.ends_at)
    await at_desk.hear(over(first).model_copy(update={"discharged_at": first.ends_at}))
    await at_desk.until(first.ends_at + DAY + timedelta(hours=1))
    await at_desk.texts_in(patient, words)
    async with at_desk.service.reading() as uow:
        ride = await uow.conn.fetchval("select transport from visits where id = $1", second.appointment_id)
    assert ride == "open"
    assert task in await at_desk.tasks(patient)


async def test_the_list_is_told_beforehand_and_asked_the_next_day(stack, eventually):
    patient, booked, page = await stack.approved()
    for language, title, call in (("en", "What you may feel", "At home: call"), ("es", "Qué puede sentir", "En casa")):
        before = await stack.http.get(f"{page}?lang={language}", headers=HTML)
        assert title in before.text
        assert call in before.text
        assert "911" in before.text
    stack.http.cookies.clear()
    session = booked[0]
    await stack.outside.forward(to=session.ends_at.isoformat())
    await stack.producers.say("scheduling", over(session))

    async def completed():
        ledger = await stack.ledger(patient)
        [mail] = [it for it in ledger["messages"] if it["kind"] == "check_in"
                  and it["channel"] == "email" and it["appointment_id"] == str(session.appointment_id)]  # fmt: skip
        assert mail["due_at"] > (session.ends_at + DAY + timedelta(minutes=5)).isoformat()[:16]
        return mail

    await eventually(completed)
    await stack.outside.forward(to=(session.ends_at + DAY + timedelta(hours=1)).isoformat())

    async def asked():
        mail = await completed()
        assert mail["body"]
        found = re.search(r"http://[^/]+(/s/[\w-]{22})", mail["body"])
        assert found
        return found[1]

    link = await eventually(asked)
    shown = await stack.http.get(link, headers=HTML)
    assert shown.text.count("<select") == len(EFFECTS) + 1
    assert (await stack.http.post(link, data={}, headers=HTML)).status_code == 422
    mild = await stack.http.post(link, data={"how": "well", "dizziness": "mild", "since": "night"})
    assert "If it grows stronger" in (await stack.http.get(mild.headers["location"], headers=HTML)).text
    assert await tasks(stack, patient, "osei") == {}
    severe = await stack.http.post(link, data={"how": "unwell", "heart_rate": "severe", "since": "today", "words": "x"})
    answer = await stack.http.get(severe.headers["location"], headers=HTML)
    assert 'role="alert"' in answer.text
    assert "call 911 at once" in answer.text
    raised = await tasks(stack, patient, "osei")
    assert "heart rate: severe" in raised["side-effect-severe"]["detail"]
    assert raised["side-effect-severe"]["role"] == "provider"
    async with stack.running.service.reading() as uow:
        rows = await uow.conn.fetch(
            "select type, body::text as body from event_log where subject = $1 and type like '%QuestionAnswered%'",
            patient,
        )
    assert len(rows) == 2
    assert all("heart" not in row["body"] and "dizz" not in row["body"] for row in rows), "answers are sealed"


async def tasks(stack, patient, person):
    found = (await stack.http.get("/api/v1/tasks", headers=stack.running.as_staff(person))).json()["tasks"]
    mine = {task["kind"]: task for task in found if task["patient_id"] == str(patient)}
    return {kind: task for kind, task in mine.items() if kind.startswith("side-effect")}


@pytest.mark.parametrize(("body", "well"), [
    ("1", False), ("Good!", True), ("I'm fine, thanks", True), ("Muy bien, gracias", True), ("sí", False),
    ("not good", False), ("fine but dizzy", False), ("2", False), ("", False), ("am I ok?", False), ("gracias", False),
])  # fmt: skip
def test_only_what_is_plain_counts_as_well(body, well):
    assert says_well(body) is well


def test_how_grave_an_answer_is():
    assert Wellbeing(well=True).meaning == "well"
    assert Wellbeing(well=True, felt={"nausea": "mild"}).meaning == "mild"
    assert Wellbeing(well=True, felt={"nausea": "moderate"}).meaning == "unwell"
    assert Wellbeing(well=False).meaning == "unwell"
    assert Wellbeing(well=True, felt={"nausea": "severe"}).meaning == "severe"
    assert Wellbeing(well=True, words="I fainted twice").meaning == "severe"
    assert alarming("me desmayé")
    assert not alarming("I slept well")
