"""What is known of a patient becomes a card: the stage, the next step and why, under any interleaving of the topics."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dashboard.domain.board import Stage, card, stage_of
from services.dashboard.domain.facts import Patient
from services.dashboard.domain.fold import MODELS, fold
from services.dashboard.domain.phrase import phrase
from services.dashboard.domain.ready import course_of, ready_for
from services.dashboard.domain.story import line
from shared.contracts import assessment as a
from shared.contracts import intake as i
from shared.contracts import notifications as n
from shared.contracts import scheduling as s
from shared.contracts.base import Event, Source
from shared.contracts.registry import EVENTS
from shared.ids import new_id

NOW = datetime(2026, 12, 3, 17, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HASH = "0123456789abcdef"
SEALED = "s1.abcdefgh"
WHO, ASSESSED, APPROVAL, COURSE = (UUID(int=n) for n in range(1, 5))
MEETING, FIRST, SECOND = (UUID(int=n) for n in range(10, 13))
Said = tuple[Source, Event]


def lead() -> Said:
    return "intake", i.LeadCreated(
        patient_id=WHO, key=None, channel=i.Channel.WEB, contact=SEALED, has_phone=True, has_email=False,
        language="en", message=SEALED, answer_due=NOW + timedelta(minutes=15),
    )  # fmt: skip


def met(starts: datetime) -> Said:
    return "scheduling", s.ConsultationScheduled(
        patient_id=WHO, appointment_id=MEETING, starts_at=starts, ends_at=starts + timedelta(hours=1), zone="UTC",
        provider_id="osei", mode="video", booked_by="staff", policy_hash=HASH,
    )  # fmt: skip


def assessed(*flags: a.Flag) -> Said:
    return "assessment", a.AssessmentCompleted(
        patient_id=WHO, assessment_id=ASSESSED, version=1, content_hash=HASH, flags=flags, policy_hash=HASH
    )


def approved(sessions: int = 2) -> Said:
    return "assessment", a.CandidateApproved(
        patient_id=WHO, approval_id=APPROVAL, assessment_id=ASSESSED, assessment_version=1, assessment_hash=HASH,
        route=a.Route.IM, sessions=sessions, provider_id="osei", licence="UT-1", signed_at=NOW,
        valid_until=NOW + 90 * DAY, policy_hash=HASH,
    )  # fmt: skip


def elsewhere() -> Said:
    return "assessment", a.AlternativeRecommended(
        patient_id=WHO, decision_id=new_id(), assessment_id=ASSESSED, assessment_hash=HASH,
        alternative=a.Alternative.CBT, provider_id="osei", licence="UT-1", signed_at=NOW, reason=SEALED,
        policy_hash=HASH,
    )  # fmt: skip


def reopened() -> Said:
    return "assessment", a.ChartReopened(patient_id=WHO, reopened_at=NOW)


def session(key: UUID, number: int, starts: datetime) -> Said:
    return "scheduling", s.SessionScheduled(
        patient_id=WHO, appointment_id=key, course_id=COURSE, approval_id=APPROVAL, number=number, of=2,
        route=a.Route.IM, starts_at=starts, dose_at=starts + timedelta(minutes=30), ends_at=starts + timedelta(hours=3),
        room_until=starts + timedelta(hours=3), zone="UTC", room_id="room-1", monitor_id="tran", prescriber_id="osei",
        policy_hash=HASH,
    )  # fmt: skip


def over(key: UUID, number: int) -> Said:
    return "scheduling", s.SessionCompleted(
        patient_id=WHO, appointment_id=key, number=number, of=2, discharged_at=NOW, escort_present=True
    )


def no_ride(key: UUID) -> Said:
    return "notifications", n.TransportMissing(patient_id=WHO, appointment_id=key, starts_at=NOW + DAY, cut_off_at=NOW)


def ride(key: UUID) -> Said:
    return "notifications", n.TransportConfirmed(patient_id=WHO, appointment_id=key, by="patient", confirmed_at=NOW)


def known(*said: Said) -> Patient:
    """The patient after these events; each producer's are folded in order, whatever stands between them."""
    facts = {source: model() for source, model in MODELS.items()}
    for source, event in said:
        facts[source] = fold(facts[source], event, NOW)
    return Patient.model_validate({"patient_id": WHO, **{name: it.model_dump() for name, it in facts.items()}})


COURSE_BOOKED = (lead(), assessed(), approved(), session(FIRST, 1, NOW + DAY), session(SECOND, 2, NOW + 4 * DAY))
MISSED = s.AppointmentNoShow(
    patient_id=WHO, appointment_id=MEETING, kind=s.AppointmentKind.CONSULTATION, starts_at=NOW - DAY
)
CLOSED = i.LeadClosed(patient_id=WHO, reason="no_reply")
FINISHED = (*COURSE_BOOKED, over(FIRST, 1), over(SECOND, 2))
WAY: list[tuple[str, Stage, str, Sequence[Said]]] = [
    ("a lead waits for a consultation", Stage.NEW, "next.book", [lead()]),
    ("a booked consultation comes", Stage.CONSULTATION, "next.meet", [lead(), met(NOW + DAY)]),
    ("a missed one is a call", Stage.CONSULTATION, "next.missed", [lead(), met(NOW - DAY), ("scheduling", MISSED)]),
    ("after it the chart is to be filled", Stage.ASSESSMENT, "next.assess", [lead(), met(NOW - DAY)]),
    ("a complete chart waits for a signature", Stage.DECISION, "next.sign", [lead(), met(NOW - DAY), assessed()]),
    ("an approval starts the course", Stage.COURSE, "next.booking", [lead(), assessed(), approved()]),
    ("booked sessions are the course", Stage.COURSE, "next.session", COURSE_BOOKED),
    ("a finished course says what comes after", Stage.COURSE, "next.after", FINISHED),
    ("an alternative is elsewhere", Stage.ELSEWHERE, "next.referred", [lead(), assessed(), elsewhere()]),
    (
        "who comes back from elsewhere is assessed again",
        Stage.ASSESSMENT,
        "next.assess_again",
        [lead(), assessed(), elsewhere(), reopened()],
    ),
    ("a new version after it waits again", Stage.DECISION, "next.sign", [lead(), assessed(), elsewhere(), assessed()]),
    ("a closed contact is not on the board", Stage.CLOSED, "next.closed", [lead(), ("intake", CLOSED)]),
]


@pytest.mark.parametrize(("stage", "what", "said"), [row[1:] for row in WAY], ids=[row[0] for row in WAY])
def test_the_way(stage, what, said):
    patient = known(*said)
    assert stage_of(patient, NOW) is stage
    assert card(patient, NOW).next.key == what


def test_a_cancelled_consultation_is_to_be_booked_again():
    gone = s.AppointmentCancelled(
        patient_id=WHO, appointment_id=MEETING, kind=s.AppointmentKind.CONSULTATION, starts_at=NOW, reason="patient"
    )
    assert card(known(lead(), met(NOW + DAY), ("scheduling", gone)), NOW).next.key == "next.rebook"


def test_a_closed_contact_comes_back_with_their_next_words():
    again = i.MessageReceived(patient_id=WHO, message_id=new_id(), channel=i.Channel.TEXT, body=SEALED, received_at=NOW)
    closed = i.LeadClosed(patient_id=WHO, reason="no_reply")
    assert stage_of(known(lead(), ("intake", closed), ("intake", again)), NOW) is Stage.NEW


def test_a_missing_ride_makes_the_card_hot_until_one_is_confirmed():
    held = card(known(*COURSE_BOOKED, no_ride(FIRST)), NOW)
    assert held.hot
    assert "chip.ride_missing" in {chip.text.key for chip in held.chips}
    settled = card(known(*COURSE_BOOKED, no_ride(FIRST), ride(FIRST)), NOW)
    assert not settled.hot
    assert ("chip.ride", "ok") in {(chip.text.key, chip.kind) for chip in settled.chips}


def test_a_card_of_a_session_says_the_gravest_thing_that_is_open_and_nothing_that_is_not_due_yet():
    def why(*said: Said, now: datetime = NOW) -> str:
        made = card(known(*COURSE_BOOKED, *said), now)
        assert made.why is not None
        return made.why.key

    signed = "assessment", a.TreatmentConsentSigned(
        patient_id=WHO, consent_id=new_id(), route=a.Route.IM, text_version="1", text_hash=HASH * 4, language="en",
        signed_at=NOW,
    )  # fmt: skip
    assert why() == "why.no_consent"
    assert why(signed) == "why.ride_open"
    assert why(signed, no_ride(FIRST)) == "why.no_ride"
    assert why(signed, ride(FIRST)) == "why.nothing_open"
    assert why(now=NOW - 3 * DAY) == "why.nothing_open"
    assert why(signed, ride(FIRST), now=NOW + DAY + timedelta(minutes=20)) == "why.not_here"


def test_a_consultation_that_began_is_not_said_to_come():
    patient = known(lead(), met(NOW))
    assert card(patient, NOW - timedelta(minutes=1)).why == phrase("why.meeting")
    assert card(patient, NOW).why == phrase("why.meeting_now", by=NOW)


def test_a_card_quotes_the_newest_words_with_the_door_that_they_came_by():
    def why(*said: Said) -> object:
        return card(known(lead(), *said), NOW).why

    texted = i.MessageReceived(
        patient_id=WHO, message_id=new_id(), channel=i.Channel.TEXT, body=SEALED, received_at=NOW
    )
    called = i.LeadUpdated(patient_id=WHO, changed=("message",), message=SEALED, channel=i.Channel.PHONE)
    renamed = i.LeadUpdated(patient_id=WHO, changed=("name",), name=SEALED, channel=i.Channel.VAGARO)
    assert why() == phrase("channel.web")
    assert why(("intake", texted)) == phrase("channel.text")
    assert why(("intake", texted), ("intake", called), ("intake", renamed)) == phrase("channel.phone")


def test_an_approval_holds_until_its_last_moment():
    patient = known(lead(), assessed(), approved())
    assert stage_of(patient, NOW + 90 * DAY - timedelta(seconds=1)) is Stage.COURSE
    assert stage_of(patient, NOW + 90 * DAY) is Stage.ASSESSMENT


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("changed:pregnancy", phrase("ended.pregnancy")),
        ("flag:CI_AVM", phrase("ended.flag", flag=phrase("flag.CI_AVM"))),
        ("provider", phrase("ended.provider")),
        ("merged", phrase("ended.merged")),
        ("something-newer", phrase("ended.other")),
    ],
)
def test_a_revoked_approval_asks_for_a_new_assessment_and_says_why(reason, why):
    revoked = a.ApprovalRevoked(patient_id=WHO, approval_id=APPROVAL, reason=reason, revoked_at=NOW)
    shown = card(known(lead(), assessed(), approved(), ("assessment", revoked)), NOW)
    assert (shown.stage, shown.next.key, shown.why) == (Stage.ASSESSMENT, "next.assess_again", why)
    assert line("ApprovalRevoked", revoked.model_dump(mode="json")).note == phrase("story.reason", reason=why)


def test_an_open_concern_comes_before_everything():
    raised = a.SafetyConcernRaised(patient_id=WHO, concern_id=new_id(), kind="phq9-item9", level="high", raised_at=NOW)
    shown = card(known(*COURSE_BOOKED, ("assessment", raised)), NOW)
    assert (shown.hot, shown.next.key) == (True, "next.concern")


def test_a_card_has_at_most_three_chips():
    items = ("solids", "fluids", "sleep", "calm", "clothes")
    answers = [n.PrepConfirmed(patient_id=WHO, appointment_id=FIRST, item=it, ok=True, answered_at=NOW) for it in items]
    assert len(card(known(*COURSE_BOOKED, *(("notifications", it) for it in answers)), NOW).chips) == 3


def test_the_strip_marks_what_is_done_and_what_is_next():
    assert [step.state for step in course_of(known(*COURSE_BOOKED, over(FIRST, 1)))] == ["done", "next"]


def test_ready_names_every_point_with_its_answer():
    drank = n.PrepConfirmed(patient_id=WHO, appointment_id=FIRST, item="alcohol", ok=False, answered_at=NOW)
    found = ready_for(known(*COURSE_BOOKED, ride(FIRST), ("notifications", drank)), NOW, "Karin")
    assert found is not None
    assert [(point.label.key, point.answer.text.key) for point in found.points] == [
        ("ready.approval", "ready.valid"),
        ("ready.consent", "ready.not_signed"),
        ("ready.ride", "ready.ride_with"),
        ("prep.alcohol", "ready.answered_no"),
        *((f"prep.{item}", "ready.not_answered") for item in n.PREPARATION if item != "alcohol"),
        ("ready.pressure", "ready.at_check_in"),
    ]


def corrected(*changed: str, channel: i.Channel | None = None) -> Said:
    return "intake", i.LeadUpdated(patient_id=WHO, changed=changed, channel=channel)


@pytest.mark.parametrize(
    ("event", "stage"),
    [
        (corrected("name"), Stage.CLOSED),
        (corrected("reopened"), Stage.NEW),
        (corrected("answer_due", channel=i.Channel.WEB), Stage.NEW),
    ],
    ids=["corrected", "reopened", "made contact"],
)
def test_who_is_closed_comes_back_by_making_contact_and_not_by_a_correction(event, stage):
    assert card(known(lead(), ("intake", CLOSED), event), NOW).stage is stage


def test_a_name_or_birthday_that_staff_emptied_is_gone_from_the_board():
    told = i.LeadUpdated(patient_id=WHO, changed=("name", "date_of_birth"), name=SEALED, date_of_birth=SEALED)
    there = known(lead(), ("intake", told))
    assert (there.intake.name, there.intake.date_of_birth) == (SEALED, SEALED)
    emptied = known(lead(), ("intake", told), corrected("name")).intake
    assert (emptied.name, emptied.date_of_birth) == (None, SEALED)


def prep(item: str, starts: datetime | None, answered: datetime = NOW) -> Said:
    return "notifications", n.PrepConfirmed(
        patient_id=WHO, appointment_id=FIRST, starts_at=starts, item=item, ok=True, answered_at=answered
    )


def moved(was: datetime, starts: datetime, revision: int = 1) -> Said:
    return "scheduling", s.AppointmentRescheduled(
        patient_id=WHO, appointment_id=FIRST, kind=s.AppointmentKind.SESSION, revision=revision, was_at=was,
        starts_at=starts, ends_at=starts + timedelta(hours=3), zone="UTC", reason="clinic",
    )  # fmt: skip


AT, LATER = NOW + DAY, NOW + DAY + timedelta(hours=2)
BEFORE, AFTER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ([prep("sleep", AT, BEFORE)], True),
        ([prep("sleep", AT, BEFORE), moved(AT, LATER)], False),
        ([moved(AT, LATER), prep("sleep", AT, AFTER)], False),
        ([moved(AT, LATER), prep("sleep", LATER, AFTER)], True),
        ([prep("sleep", AT, BEFORE), moved(AT, LATER), moved(LATER, AT, 2)], False),
        ([prep("sleep", AT, BEFORE), moved(AT, AT)], True),
        ([prep("sleep", None, BEFORE), moved(AT, LATER)], False),
    ],
    ids=["for it", "moved since", "of the old time", "asked again", "moved back", "handed over", "time not said"],
)
def test_what_was_answered_for_another_time_counts_no_more(said, counts):
    patient = known(*COURSE_BOOKED, *said)
    assert patient.prepared(FIRST) == ({"sleep": True} if counts else {})
    assert any(chip.text.key == "chip.prep_ok" for chip in card(patient, NOW).chips) is counts
    found = ready_for(patient, NOW)
    assert found is not None
    answers = {point.label.key: point.answer.text.key for point in found.points}
    assert answers["prep.sleep"] == ("ready.answered_ok" if counts else "ready.not_answered")


def taken_home(starts: datetime | None, confirmed: datetime = NOW, by: str = "patient") -> Said:
    return "notifications", n.TransportConfirmed(
        patient_id=WHO, appointment_id=FIRST, starts_at=starts, escort="s1.karin", by=by, confirmed_at=confirmed
    )


def nobody(starts: datetime) -> Said:
    return "notifications", n.TransportMissing(
        patient_id=WHO, appointment_id=FIRST, starts_at=starts, cut_off_at=starts - timedelta(hours=12)
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ([taken_home(AT, BEFORE)], "ready.ride_with"),
        ([taken_home(AT, BEFORE), moved(AT, LATER)], "ready.ride_open"),
        ([moved(AT, LATER), taken_home(AT, AFTER)], "ready.ride_open"),
        ([moved(AT, LATER), taken_home(LATER, AFTER)], "ready.ride_with"),
        ([taken_home(AT, BEFORE), moved(AT, LATER), moved(LATER, AT, 2)], "ready.ride_open"),
        ([taken_home(AT, BEFORE), moved(AT, AT)], "ready.ride_with"),
        ([taken_home(None, BEFORE), moved(AT, LATER)], "ready.ride_open"),
        ([nobody(AT)], "ready.ride_missing"),
        ([nobody(AT), moved(AT, LATER)], "ready.ride_open"),
        ([moved(AT, LATER), nobody(LATER)], "ready.ride_missing"),
    ],
)
def test_a_ride_that_was_told_for_another_time_counts_no_more(said, shown):
    """Scheduling holds the session until somebody is named for the new time; the board says so."""
    patient = known(*COURSE_BOOKED, *said)
    found = ready_for(patient, NOW, "Karin")
    assert found is not None
    assert next(point.answer.text.key for point in found.points if point.label.key == "ready.ride") == shown
    chips = {"ready.ride_with": "chip.ride", "ready.ride_open": "chip.ride_open"}
    assert chips.get(shown, "chip.ride_missing") in {chip.text.key for chip in card(patient, NOW).chips}


def test_who_agreed_to_come_at_another_time_has_not_agreed_to_this_one():
    said = [taken_home(AT, BEFORE), taken_home(AT, BEFORE, by="escort"), moved(AT, LATER), taken_home(LATER, AFTER)]
    found = ready_for(known(*COURSE_BOOKED, *said), NOW, "Karin")
    assert found is not None
    assert "ready.ride_with" in {point.answer.text.key for point in found.points}


def test_answers_that_were_kept_as_a_yes_or_no_alone_are_still_read():
    kept = {FIRST: {"sleep": True, "solids": False}}
    patient = known(*COURSE_BOOKED)
    told = patient.model_copy(update={"notifications": MODELS["notifications"].model_validate({"prep": kept})})
    assert told.prepared(FIRST) == {"sleep": True, "solids": False}


def test_the_escorts_own_yes_shows_until_somebody_else_is_named():
    def said(by: str, escort: str = "s1.karin") -> Said:
        return "notifications", n.TransportConfirmed(
            patient_id=WHO, appointment_id=FIRST, escort=escort, by=by, confirmed_at=NOW
        )

    def answer(*events: Said) -> str:
        found = ready_for(known(*COURSE_BOOKED, *events), NOW, "Karin")
        assert found is not None
        return next(point.answer.text.key for point in found.points if point.label.key == "ready.ride")

    assert answer(said("patient")) == "ready.ride_with"
    assert answer(said("patient"), said("escort")) == "ready.ride_agreed"
    assert answer(said("patient"), said("escort"), said("staff", "s1.ana.x")) == "ready.ride_with"


def test_a_consent_counts_for_its_own_route_and_while_it_is_not_taken_back():
    signed = "assessment", a.TreatmentConsentSigned(
        patient_id=WHO, consent_id=ASSESSED, route=a.Route.IM, text_hash=HASH, text_version="1", language="en",
        signed_at=NOW,
    )  # fmt: skip
    gone = (
        "assessment",
        a.TreatmentConsentWithdrawn(patient_id=WHO, consent_id=ASSESSED, route=a.Route.IM, withdrawn_at=NOW),
    )
    other = "assessment", signed[1].model_copy(update={"route": a.Route.LOZENGE})
    course = [lead(), approved(), session(FIRST, 1, NOW + DAY)]

    def said(*more: Said) -> str:
        ready = ready_for(known(*course, *more), NOW)
        assert ready is not None
        return next(point.answer.text.key for point in ready.points if point.label.key == "ready.consent")

    assert [said(), said(other), said(signed), said(signed, gone)] == [
        "ready.not_signed", "ready.not_signed", "ready.signed", "ready.not_signed",
    ]  # fmt: skip


def test_two_merged_contacts_are_one_patient():
    other = known(met(NOW + DAY), ride(FIRST))
    assert stage_of(known(lead()).joined(other), NOW) is Stage.CONSULTATION


EVERYTHING: tuple[Said, ...] = (
    *COURSE_BOOKED,
    met(NOW - DAY),
    no_ride(FIRST),
    ride(FIRST),
    over(FIRST, 1),
    no_ride(SECOND),
)


@given(st.data())
def test_any_interleaving_of_the_topics_ends_in_the_same_card(data):
    """Each producer's events stay in their order; between producers every order may happen."""
    left = {source: [it for it in EVERYTHING if it[0] == source] for source in MODELS}
    shuffled: list[Said] = []
    while any(left.values()):
        source = data.draw(st.sampled_from([name for name, events in left.items() if events]))
        shuffled.append(left[source].pop(0))
    assert known(*shuffled) == known(*EVERYTHING)
    assert card(known(*shuffled), NOW) == card(known(*EVERYTHING), NOW)


def test_facts_survive_their_way_through_the_database():
    patient = known(*EVERYTHING)
    for source, model in MODELS.items():
        facts = getattr(patient, source)
        assert model.model_validate_json(facts.model_dump_json(exclude_defaults=True)) == facts


def test_every_event_of_the_contracts_has_a_sentence():
    of_no_patient = {"ExternalBusyChanged", "NumberOptedOut", "NumberOptedIn"}
    names = {event.__name__ for events in EVENTS.values() for event in events} - of_no_patient
    assert {name for name in names if _unknown(name)} == set()


def _unknown(name: str) -> bool:
    try:
        return line(name, {}).text.key == "story.other"
    except KeyError:
        return False
