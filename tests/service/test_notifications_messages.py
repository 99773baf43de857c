"""From an event to the words on a patient's phone and in their mailbox: real database, SMTP, and Twilio's protocol."""

from datetime import date, timedelta

import pytest

from services.notifications.repository import people
from shared.contracts.assessment import Alternative, AlternativeRecommended
from shared.contracts.intake import (
    Channel,
    ConsentGiven,
    ConsentKind,
    ConsentRevoked,
    LeadMerged,
    LeadUnmerged,
    LeadUpdated,
    PatientErased,
)
from shared.contracts.scheduling import ConsultationScheduled
from shared.errors import NotYet
from shared.ids import new_id
from tests.support.notifications import HASH, NOON, desk

DAY = timedelta(days=1)


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


async def test_an_enquiry_with_consent_is_answered_by_text_and_email(at_desk):
    patient = await at_desk.lead(phone="+18015550148", email="jonah@patients.example")
    await at_desk.deliver()
    [text] = await at_desk.outside.texts("+18015550148")
    assert text["body"] == (
        "Harbor Clinic: Thank you for writing to us. A person answers by Mon 1 Dec, 12:15. You can also call "
        "(801) 555-0100. Reply STOP to stop texts."
    )
    [mail] = await at_desk.outside.mails("jonah@patients.example")
    assert mail["subject"] == "We have your message"
    assert "Harbor Clinic <hello@harbor.example>" in mail["from"]
    assert "A person at the clinic" in mail["text"]
    assert "<p" in mail["html"]
    [row] = await at_desk.rows(patient, channel="email")
    assert mail["headers"]["Message-ID"] == f"<{row['id']}@harbor.example>"
    assert await at_desk.events(patient) == ["MessageSent", "MessageSent"]


async def test_without_consent_the_answer_is_an_email(at_desk):
    patient = await at_desk.lead(consents=())
    await at_desk.deliver()
    assert [kind for kind, _ in await at_desk.said(patient, "email")] == ["enquiry"]
    assert await at_desk.said(patient) == []


async def test_who_can_be_reached_by_nothing_is_called(at_desk):
    patient = await at_desk.lead(phone=None, email=None)
    assert await at_desk.tasks(patient) == ["call-patient"]


async def test_a_stranger_who_texts_gets_one_answer_with_the_forms_link(at_desk):
    patient = await at_desk.lead(email=None, consents=(), channel=Channel.TEXT)
    await at_desk.texts_in(patient, "Is anybody there?")
    await at_desk.deliver()
    [(kind, words)] = await at_desk.said(patient)
    assert kind == "enquiry_text"
    assert at_desk.service.settings.urls["intake"] in words


async def test_a_spanish_speaker_is_answered_in_spanish(at_desk):
    patient = await at_desk.lead(language="es")
    await at_desk.deliver()
    [(_, words)] = await at_desk.said(patient)
    assert "Gracias por escribirnos" in words
    assert "lun 1 dic" in words


async def test_the_same_event_again_says_nothing_again(at_desk):
    patient = await at_desk.lead()
    booked = await at_desk.course(patient, NOON + 14 * DAY)
    await at_desk.hear(*booked)
    await at_desk.deliver()
    assert [kind for kind, _ in await at_desk.said(patient)] == ["enquiry", "course_scheduled"]


async def test_six_sessions_make_one_text_and_one_email_and_a_plan(at_desk):
    patient = await at_desk.lead()
    booked = await at_desk.course(patient, NOON + 14 * DAY)
    await at_desk.deliver()
    kinds = [kind for kind, _ in await at_desk.said(patient)]
    assert kinds == ["enquiry", "course_scheduled"]
    words = dict(await at_desk.said(patient))["course_scheduled"]
    assert "Your 6 visits: Mon 15 Dec, 12:00; Thu 18 Dec, 12:00;" in words
    assert "/p/" in words
    mail = dict(await at_desk.said(patient, "email"))["course_scheduled"]
    assert "Monday 15 December, 12:00" in mail
    planned = await at_desk.rows(patient, state="planned", channel="sms", visit_id=booked[0].appointment_id)
    assert [row["kind"] for row in planned] == ["logistics", "escort", "eve", "arrival", "check_in"]


async def test_a_course_whose_visits_come_slowly_is_told_once_after_a_while(at_desk):
    patient = await at_desk.lead()
    booked = await at_desk.course(patient, NOON + 14 * DAY, sessions=6)
    other = await at_desk.lead()
    late = [
        event.model_copy(update={"patient_id": other, "appointment_id": new_id(), "course_id": new_id()})
        for event in booked
    ]
    await at_desk.hear(*[event.model_copy(update={"course_id": late[0].course_id}) for event in late[:4]])
    await at_desk.deliver()
    assert "course_scheduled" not in dict(await at_desk.said(other))
    await at_desk.until(NOON + timedelta(seconds=25))
    assert "Your 4 visits" in dict(await at_desk.said(other))["course_scheduled"]


async def test_no_day_brings_more_than_two_texts_and_nothing_is_lost(at_desk):
    patient = await at_desk.lead()
    await at_desk.course(patient, NOON + 14 * DAY, sessions=6, gap_days=2)
    await at_desk.until(NOON + 40 * DAY)
    sent = [row for row in await at_desk.rows(patient, channel="sms") if row["sent_at"] and not row["exempt"]]
    alone = [row for row in sent if row["carried_by"] is None]
    days: dict[date, int] = {}
    for row in alone:
        day = row["sent_at"].astimezone(at_desk.service.clinic.tz).date()
        days[day] = days.get(day, 0) + 1
    assert max(days.values()) <= 2
    assert not await at_desk.rows(patient, state="planned")
    assert {row["kind"] for row in sent} >= {"logistics", "escort", "eve", "arrival"}
    hours = {row["sent_at"].astimezone(at_desk.service.clinic.tz).hour for row in alone}
    assert min(hours) >= 9
    assert max(hours) < 20


async def test_a_message_on_its_way_out_and_news_of_its_patient_do_not_wait_for_each_other(at_desk):
    """Each takes several people at once, in an order of its own: waiting for each other they would be deadlocked."""
    patient = await at_desk.lead()
    async with (
        at_desk.service.transaction(actor="test") as going_out,
        at_desk.service.transaction(actor="test") as news,
    ):
        # What the foreign key of a message takes when the message is written.
        await going_out.conn.execute("select from patients where id = $1 for key share", patient)
        await news.conn.execute("set local lock_timeout = '1s'")
        assert await people.find(news.conn, patient, lock=True)


async def test_stop_is_effective_at_once_and_confirmed_once(at_desk):
    patient = await at_desk.lead()
    await at_desk.course(patient, NOON + 14 * DAY)
    await at_desk.deliver()
    await at_desk.hear(ConsentRevoked(patient_id=patient, kind=ConsentKind.SMS, channel=Channel.TEXT))
    await at_desk.texts_in(patient, "STOP", keyword="stop")
    await at_desk.deliver()
    assert [kind for kind, _ in await at_desk.said(patient)][-1] == "opt_out"
    assert [row["state"] for row in await at_desk.rows(patient, channel="sms", kind="eve")] == ["suppressed"] * 6
    await at_desk.until(NOON + 40 * DAY)
    assert [kind for kind, _ in await at_desk.said(patient)].count("opt_out") == 1
    assert [kind for kind, _ in await at_desk.said(patient)][-1] == "opt_out"
    assert "eve" in dict(await at_desk.said(patient, "email"))


async def test_start_brings_the_plan_back(at_desk):
    patient = await at_desk.lead()
    await at_desk.course(patient, NOON + 14 * DAY, sessions=1)
    await at_desk.hear(
        ConsentRevoked(patient_id=patient, kind=ConsentKind.SMS, channel=Channel.TEXT),
        ConsentGiven(
            patient_id=patient, consent_id=new_id(), kind=ConsentKind.SMS, text_hash=HASH, text_version="1",
            language="en", channel=Channel.TEXT,
        ),
    )  # fmt: skip
    assert [row["state"] for row in await at_desk.rows(patient, channel="sms", kind="eve")] == ["planned"]
    await at_desk.deliver()
    assert [kind for kind, _ in await at_desk.said(patient)][-2:] == ["opt_out", "opt_in"]


async def test_a_consultation_is_confirmed_moved_and_cancelled(at_desk):
    patient = await at_desk.lead()
    at = NOON + 3 * DAY
    booked = ConsultationScheduled(
        patient_id=patient, appointment_id=new_id(), starts_at=at, ends_at=at + timedelta(hours=1),
        zone="America/Denver", provider_id="osei", mode="in_person", booked_by="staff", policy_hash=HASH,
    )  # fmt: skip
    await at_desk.hear(booked)
    await at_desk.deliver()
    assert "Thu 4 Dec at 12:00" in dict(await at_desk.said(patient))["consultation_scheduled"]
    moved = at + DAY
    await at_desk.move(booked, moved)
    await at_desk.until(NOON + timedelta(minutes=1))
    assert "Fri 5 Dec, 12:00" in dict(await at_desk.said(patient))["rescheduled"]
    eves = await at_desk.rows(patient, kind="consultation_eve", channel="sms")
    assert [(row["state"], row["due_at"]) for row in eves] == [("withdrawn", at - DAY), ("planned", moved - DAY)]
    await at_desk.cancel(booked, starts_at=moved)
    await at_desk.until(NOON + 10 * DAY)
    assert "Fri 5 Dec, 12:00" in dict(await at_desk.said(patient, "email"))["cancelled"].replace(
        "Friday 5 December", "Fri 5 Dec"
    )
    assert "consultation_eve" not in dict(await at_desk.said(patient))


async def test_a_cancelled_course_is_told_in_one_message(at_desk):
    patient = await at_desk.lead()
    booked = await at_desk.course(patient, NOON + 14 * DAY)
    await at_desk.deliver()
    await at_desk.until(NOON + DAY)
    await at_desk.cancel(*booked)
    await at_desk.until(NOON + 40 * DAY)
    kinds = [kind for kind, _ in await at_desk.said(patient)]
    assert kinds == ["enquiry", "course_scheduled", "cancelled"]
    assert dict(await at_desk.said(patient))["cancelled"].count("12:00") == 6


async def test_at_night_the_email_goes_and_the_text_waits_for_the_morning(world):
    night = NOON + timedelta(hours=10)
    async with desk(world, at=night) as at_desk:
        patient = await at_desk.lead()
        await at_desk.course(patient, NOON + 14 * DAY)
        await at_desk.deliver()
        assert [kind for kind, _ in await at_desk.said(patient)] == ["enquiry"]
        assert "course_scheduled" in dict(await at_desk.said(patient, "email"))
        await at_desk.until(night + timedelta(hours=12))
        row = (await at_desk.rows(patient, kind="course_scheduled", channel="sms"))[0]
        assert row["sent_at"] == NOON + timedelta(hours=21)


async def test_a_provider_with_an_answer_is_announced_without_saying_which(at_desk):
    patient = await at_desk.lead()
    async with at_desk.service.reading() as uow:
        box = await uow.keys.box(patient)
    await at_desk.hear(
        AlternativeRecommended(
            patient_id=patient, decision_id=new_id(), assessment_id=new_id(), assessment_hash=HASH,
            alternative=Alternative.CBT, provider_id="osei", licence="UT-1", signed_at=NOON,
            reason=box.seal("CBT first"), policy_hash=HASH,
        )
    )  # fmt: skip
    await at_desk.deliver()
    assert dict(await at_desk.said(patient))["answer_ready"].startswith(
        "Harbor Clinic: Your provider has an answer for you. We will call you"
    )


async def test_a_visit_before_its_patient_is_known_waits(at_desk):
    with pytest.raises(NotYet, match="LeadCreated"):
        await at_desk.course(new_id(), NOON + 14 * DAY, sessions=1)


async def test_an_erased_patient_hears_nothing_and_nothing_is_left_to_read(at_desk):
    patient = await at_desk.lead()
    await at_desk.course(patient, NOON + 14 * DAY)
    await at_desk.deliver()
    await at_desk.hear(PatientErased(patient_id=patient, requested_at=NOON))
    await at_desk.until(NOON + 40 * DAY)
    rows = await at_desk.rows(patient)
    assert all(row["body"] is None and row["recipient"] is None for row in rows)
    assert {row["state"] for row in rows} <= {"sent", "delivered", "withdrawn"}


async def test_after_a_merge_messages_go_to_the_person_they_turned_out_to_be(at_desk):
    survivor = await at_desk.lead(phone="+18015559001")
    absorbed = await at_desk.lead(phone=None, email=None)
    await at_desk.hear(LeadMerged(patient_id=survivor, absorbed_id=absorbed, reason="same-person"))
    await at_desk.course(absorbed, NOON + 14 * DAY, sessions=1)
    await at_desk.deliver()
    assert any("Mon 15 Dec" in text["body"] for text in await at_desk.outside.texts("+18015559001"))


async def test_who_was_merged_into_a_third_since_stays_so_whichever_is_heard_first(at_desk):
    wrong, right = await at_desk.lead(phone="+18015559003"), await at_desk.lead(phone="+18015559004")
    absorbed = await at_desk.lead(phone=None, email=None)
    for survivor in (wrong, right):
        await at_desk.hear(LeadMerged(patient_id=survivor, absorbed_id=absorbed, reason="same-person"))
    await at_desk.hear(LeadUnmerged(patient_id=wrong, absorbed_id=absorbed, reason="two-people"))
    await at_desk.course(absorbed, NOON + 14 * DAY, sessions=1)
    await at_desk.deliver()
    assert any("Mon 15 Dec" in text["body"] for text in await at_desk.outside.texts("+18015559004"))
    assert not any("Mon 15 Dec" in text["body"] for text in await at_desk.outside.texts("+18015559003"))


async def test_a_merge_may_be_heard_of_before_the_absorbed_person(at_desk):
    survivor = await at_desk.lead(phone="+18015559002")
    patient = new_id()
    await at_desk.hear(LeadMerged(patient_id=survivor, absorbed_id=patient, reason="same-person"))
    await at_desk.lead(patient=patient, phone=None, email=None)
    await at_desk.course(patient, NOON + 14 * DAY, sessions=1)
    await at_desk.deliver()
    assert any("Mon 15 Dec" in text["body"] for text in await at_desk.outside.texts("+18015559002"))


async def test_who_moves_to_another_zone_is_texted_by_their_new_clock(at_desk):
    patient = await at_desk.lead()
    await at_desk.course(patient, NOON + 14 * DAY + timedelta(hours=5), sessions=1)
    await at_desk.hear(LeadUpdated(patient_id=patient, changed=("zone",), zone="Pacific/Honolulu"))
    arrival = (await at_desk.rows(patient, kind="arrival", channel="sms"))[0]
    assert arrival["due_at"] == NOON + 14 * DAY + timedelta(hours=2)
    await at_desk.hear(LeadUpdated(patient_id=patient, changed=("zone",), zone="Europe/Madrid"))
    arrival = (await at_desk.rows(patient, kind="arrival", channel="sms"))[0]
    assert arrival["due_at"].astimezone(at_desk.service.clinic.tz) < arrival["until_at"] - timedelta(hours=1)


async def test_news_of_a_visit_in_the_morning_does_not_wait_for_the_morning(world):
    night = NOON + timedelta(hours=13)
    async with desk(world, at=night) as at_desk:
        soon, later = await at_desk.lead(), await at_desk.lead()
        for patient, hours in ((soon, 8), (later, 14)):
            at = night + timedelta(hours=hours)
            await at_desk.hear(
                ConsultationScheduled(
                    patient_id=patient, appointment_id=new_id(), starts_at=at, ends_at=at + timedelta(hours=1),
                    zone="America/Denver", provider_id="osei", mode="video", booked_by="patient", policy_hash=HASH,
                )
            )  # fmt: skip
        await at_desk.deliver()
        assert "consultation_scheduled" in dict(await at_desk.said(soon))
        assert "consultation_scheduled" not in dict(await at_desk.said(later))
        assert "consultation_scheduled" in dict(await at_desk.said(later, "email"))


async def test_a_visit_within_the_hour_is_still_confirmed(at_desk):
    patient = await at_desk.lead()
    at = NOON + timedelta(minutes=50)
    await at_desk.hear(
        ConsultationScheduled(
            patient_id=patient, appointment_id=new_id(), starts_at=at, ends_at=at + timedelta(hours=1),
            zone="America/Denver", provider_id="osei", mode="phone", booked_by="staff", policy_hash=HASH,
        )
    )  # fmt: skip
    await at_desk.deliver()
    assert "consultation_scheduled" in dict(await at_desk.said(patient))
