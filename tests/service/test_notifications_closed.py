"""Who is followed no further hears no more as a contact; what was booked, asked or answered goes on."""

from datetime import timedelta
from uuid import UUID

import pytest

from shared.contracts.assessment import Alternative, AlternativeRecommended
from shared.contracts.intake import Channel, LeadClosed, LeadMerged, LeadUpdated
from shared.ids import new_id
from tests.support.notifications import HASH, NOON, Desk, desk

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CLOSED = ("withdrawn", "lead_closed")


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        made.clock.move(10 * HOUR)  # at night texts wait for the morning
        yield made


async def decide(at_desk: Desk, patient: UUID) -> None:
    """A provider has an answer for them."""
    async with at_desk.service.reading() as uow:
        box = await uow.keys.box(patient)
    await at_desk.hear(
        AlternativeRecommended(
            patient_id=patient, decision_id=new_id(), assessment_id=new_id(), assessment_hash=HASH,
            alternative=Alternative.CBT, provider_id="osei", licence="UT-1", signed_at=at_desk.clock.now(),
            reason=box.seal("CBT first"), policy_hash=HASH,
        )
    )  # fmt: skip


async def standing(at_desk: Desk, patient: UUID, kind: str) -> list[tuple[str, str | None]]:
    """What became of the texts of a kind."""
    return [(row["state"], row["reason"]) for row in await at_desk.rows(patient, kind=kind, channel="sms")]


async def test_a_text_that_waits_for_the_morning_does_not_go_once_the_contact_is_closed(at_desk):
    patient = await at_desk.lead(email=None)
    await decide(at_desk, patient)
    assert await standing(at_desk, patient, "answer_ready") == [("planned", None)]
    await at_desk.hear(LeadClosed(patient_id=patient, reason="not_interested"))
    await at_desk.until(NOON + DAY)
    assert await standing(at_desk, patient, "answer_ready") == [CLOSED]
    assert "answer_ready" not in dict(await at_desk.said(patient))
    assert "call-with-answer" in await at_desk.tasks(patient), "a call that was promised is a person's to settle"


async def test_what_was_theirs_under_another_id_does_not_go_either(at_desk):
    survivor, absorbed = await at_desk.lead(), await at_desk.lead()
    await decide(at_desk, absorbed)
    await at_desk.hear(LeadMerged(patient_id=survivor, absorbed_id=absorbed, reason="same-person"))
    await at_desk.hear(LeadClosed(patient_id=survivor, reason="no_reply"))
    assert await standing(at_desk, absorbed, "answer_ready") == [CLOSED]


async def test_messages_of_a_visit_that_stands_go_on(at_desk):
    patient = await at_desk.lead(email=None)
    await at_desk.course(patient, NOON + 14 * DAY, sessions=1)
    planned = await at_desk.rows(patient, state="planned")
    assert {"course_scheduled", "arrival"} <= {row["kind"] for row in planned}
    await at_desk.hear(LeadClosed(patient_id=patient, reason="other"))
    assert await at_desk.rows(patient, state="planned") == planned
    await at_desk.until(NOON + DAY)
    assert "course_scheduled" in dict(await at_desk.said(patient))


async def test_a_visits_text_goes_by_itself_when_the_one_that_carried_it_is_taken_back(at_desk):
    patient = await at_desk.lead(email=None, consents=())  # one text a day, so that they travel together
    await decide(at_desk, patient)
    await at_desk.course(patient, NOON + 14 * DAY, sessions=1)
    [host] = await at_desk.rows(patient, kind="answer_ready")
    [passenger] = await at_desk.rows(patient, kind="course_scheduled")
    assert passenger["carried_by"] == host["id"]
    await at_desk.hear(LeadClosed(patient_id=patient, reason="other"))
    await at_desk.until(NOON + DAY)
    said = dict(await at_desk.said(patient))
    assert "answer_ready" not in said
    assert "course_scheduled" in said


async def test_their_stop_is_still_confirmed_and_danger_still_answered(at_desk):
    patient = await at_desk.lead()
    await at_desk.hear(LeadClosed(patient_id=patient, reason="no_reply"))
    await at_desk.texts_in(patient, "I want to die")
    await at_desk.deliver()
    await at_desk.texts_in(patient, "STOP", keyword="stop")
    await at_desk.deliver()
    assert {"crisis", "opt_out"} <= set(dict(await at_desk.said(patient)))


async def test_who_gets_in_touch_again_is_answered_like_anybody(at_desk):
    patient = await at_desk.lead()
    await at_desk.deliver()
    await at_desk.hear(LeadClosed(patient_id=patient, reason="no_reply"))
    at_desk.clock.move(3 * DAY)
    due = at_desk.clock.now() + HOUR
    await at_desk.hear(
        LeadUpdated(patient_id=patient, changed=("reopened",), channel=Channel.WEB, answer_due=due),
    )
    await at_desk.deliver()
    assert [kind for kind, _ in await at_desk.said(patient)] == ["enquiry", "enquiry"]
    await decide(at_desk, patient)
    await at_desk.until(at_desk.clock.now() + DAY)
    assert "answer_ready" in dict(await at_desk.said(patient))
