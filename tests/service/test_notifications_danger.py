"""Words that name a danger to life are answered at once, at any hour, and are a provider's at once."""

from datetime import timedelta
from uuid import UUID

import pytest

from shared.contracts.intake import Channel, MessageReceived
from shared.ids import new_id
from shared.tasks import open_tasks
from tests.support.notifications import NOON, Desk, desk

NIGHT = NOON + timedelta(hours=15)
SAID = "I can't go on, I want to kill myself"


@pytest.fixture
async def at_desk(world):
    async with desk(world, at=NIGHT) as made:
        yield made


async def read_at_once(at_desk: Desk, patient: UUID) -> bool:
    async with at_desk.service.reading() as uow:
        [task] = [one for one in await open_tasks(uow.conn) if one.patient_id == patient and one.kind == "read-answer"]
    assert task.deadline is not None
    return task.role == "provider" and task.deadline <= at_desk.clock.now() + timedelta(minutes=15)


@pytest.mark.parametrize(("language", "said"), [("en", SAID), ("es", "Ya no puedo más, quiero morirme")])
async def test_a_patient_in_danger_hears_where_help_is_also_at_night(at_desk, language, said):
    patient = await at_desk.lead(email=None, language=language)
    await at_desk.texts_in(patient, said)
    await at_desk.texts_in(patient, "ok")
    await at_desk.deliver()
    words = dict(await at_desk.said(patient))["crisis"]
    assert "911" in words
    assert "988" in words
    assert "STOP" not in words


async def test_it_is_read_by_a_provider_at_once_and_others_by_the_front_desk_in_the_morning(at_desk):
    danger, calm = await at_desk.lead(), await at_desk.lead()
    await at_desk.texts_in(danger, SAID)
    await at_desk.texts_in(calm, "Can I come a little later?")
    assert await read_at_once(at_desk, danger)
    assert not await read_at_once(at_desk, calm)
    await at_desk.deliver()
    assert "crisis" not in dict(await at_desk.said(calm))


async def test_who_has_said_stop_is_written_by_e_mail(at_desk):
    patient = await at_desk.lead()
    await at_desk.texts_in(patient, "STOP", keyword="stop")
    await at_desk.texts_in(patient, SAID)
    await at_desk.deliver()
    assert "crisis" not in dict(await at_desk.said(patient))
    assert "988" in dict(await at_desk.said(patient, "email"))["crisis"]
    assert await read_at_once(at_desk, patient)


@pytest.mark.parametrize(("channel", "hears"), [(Channel.WEB, True), (Channel.TEXT, True), (Channel.PHONE, False)])
async def test_a_stranger_in_danger_hears_it_too_and_who_is_on_the_phone_is_heard_there(at_desk, channel, hears):
    patient = new_id()
    async with at_desk.service.transaction(actor="test") as uow:
        await uow.keys.create(patient)
        said = (await uow.keys.box(patient)).seal(SAID)
    await at_desk.lead(patient=patient, channel=channel, message=said)
    await at_desk.deliver()
    assert ("crisis" in dict(await at_desk.said(patient))) is hears
    assert ("read-answer" in await at_desk.tasks(patient)) is hears


async def test_a_known_person_who_writes_it_into_the_form_hears_it(at_desk):
    patient = await at_desk.lead()
    async with at_desk.service.reading() as uow:
        body = (await uow.keys.box(patient)).seal("No quiero vivir")
    await at_desk.hear(
        MessageReceived(
            patient_id=patient, message_id=new_id(), channel=Channel.WEB, body=body, received_at=at_desk.clock.now()
        )
    )
    await at_desk.deliver()
    assert "crisis" in dict(await at_desk.said(patient))
    assert await read_at_once(at_desk, patient)
