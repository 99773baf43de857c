"""The funnel: how far people come, and how long each stage takes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from services.dashboard.domain.board import Stage
from services.dashboard.domain.facts import Appointment, Intake, Patient, Scheduling
from services.dashboard.domain.funnel import Journey, Times, by_source, journey, steps

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEAD, BOOKED = "passage.intake.LeadCreated.v1", "passage.scheduling.ConsultationScheduled.v1"
READY, YES = "passage.assessment.AssessmentCompleted.v1", "passage.assessment.CandidateApproved.v1"
OTHER, SESSION = "passage.assessment.AlternativeRecommended.v1", "passage.scheduling.SessionCompleted.v1"


def ago(**past: float) -> datetime:
    return NOW - timedelta(**past)


def once(**past: float) -> Times:
    return Times(ago(**past), ago(**past))


def somebody(channel: str = "web", *appointments: Appointment) -> Patient:
    booked = Scheduling(appointments={uuid4(): it for it in appointments})
    intake = Intake(created_at=ago(days=40), channel=channel)
    return Patient(patient_id=uuid4(), intake=intake, scheduling=booked)


def meeting(days: float) -> Appointment:
    return Appointment(kind="consultation", starts_at=ago(days=days, hours=1), ends_at=ago(days=days))


def made(patient: Patient, told: dict[str, Times]) -> Journey:
    found = journey(patient, told, NOW)
    assert found is not None
    return found


def test_a_stage_takes_as_long_as_from_coming_to_leaving_it():
    told = {LEAD: once(days=40), BOOKED: once(days=38), READY: once(days=25), YES: once(days=24)}
    one = made(somebody("web", meeting(30)), told)
    found = {step.stage: step.takes for step in steps([one])}
    assert found[Stage.NEW] == timedelta(days=2)
    assert found[Stage.CONSULTATION] == timedelta(days=8)
    assert found[Stage.ASSESSMENT] == timedelta(days=5)
    assert found[Stage.DECISION] == timedelta(days=1)
    assert found[Stage.COURSE] is None


def test_a_course_is_left_with_its_last_session_and_not_before():
    done = Appointment(kind="session", standing="completed", starts_at=ago(days=5), ends_at=ago(days=5))
    ahead = Appointment(kind="session", starts_at=NOW + timedelta(days=1), ends_at=NOW + timedelta(days=1))
    told = {LEAD: once(days=40), YES: once(days=24), SESSION: Times(ago(days=9), ago(days=5))}
    assert Stage.COURSE not in made(somebody("web", done, ahead), told).left
    assert made(somebody("web", done), told).left[Stage.COURSE] == ago(days=5)


def test_who_came_far_came_through_what_lies_before_and_the_typical_time_is_the_median():
    far = made(somebody(), {LEAD: once(days=40), YES: once(days=1)})
    quick, slow = ({LEAD: once(days=10), BOOKED: once(days=10, hours=-hours)} for hours in (1, 30))
    middle = {LEAD: once(days=10), BOOKED: once(days=10, hours=-4)}
    everybody = [far, *(made(somebody(), told) for told in (quick, middle, slow))]
    found = {step.stage: step for step in steps(everybody)}
    assert [found[stage].reached for stage in (Stage.NEW, Stage.CONSULTATION, Stage.ASSESSMENT, Stage.COURSE)] == [
        4,
        4,
        1,
        1,
    ]
    assert found[Stage.CONSULTATION].share == 1
    assert found[Stage.NEW].takes == timedelta(hours=4)
    assert found[Stage.NEW].here == 4


def test_elsewhere_counts_only_whom_somebody_sent_there():
    went = made(somebody(), {LEAD: once(days=9), READY: once(days=3), OTHER: once(days=2)})
    stays = made(somebody(), {LEAD: once(days=9)})
    found = {step.stage: step for step in steps([went, stays])}
    assert found[Stage.ELSEWHERE].reached == 1
    assert found[Stage.DECISION].takes == timedelta(days=1)
    assert found[Stage.COURSE].reached == 0


def test_doors_are_told_apart_the_busiest_first_and_nobody_gives_an_empty_funnel():
    told = {LEAD: once(days=9)}
    found = by_source([made(somebody(channel), told) for channel in ("phone", "web", "web")])
    assert [(name, their[0].reached) for name, their in found.items()] == [("web", 2), ("phone", 1)]
    assert journey(somebody(), {}, NOW) is None
    assert {step.share for step in steps([])} == {0.0}
