"""From facts to a card: the stage, the next step and why, in that order, then at most three chips."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.dashboard.domain.facts import Appointment, Patient
from services.dashboard.domain.phrase import Chip, Phrase, phrase
from services.dashboard.domain.story import ended

CHIPS = 3
DAY = timedelta(days=1)


class Stage(StrEnum):
    """The columns, in the order of the way; closed ones are not on the board."""

    NEW = "new"
    CONSULTATION = "consultation"
    ASSESSMENT = "assessment"
    DECISION = "decision"
    COURSE = "course"
    ELSEWHERE = "elsewhere"
    CLOSED = "closed"


COLUMNS = tuple(stage for stage in Stage if stage is not Stage.CLOSED)


@dataclass(frozen=True, slots=True)
class Card:
    """What the board shows of a patient.

    `at` is the moment in the corner (an appointment, or with `since` how long they wait); `order` sorts the column.
    `steps` is (sessions done, sessions in all). `hot`: a person is needed now.
    """

    patient_id: UUID
    stage: Stage
    next: Phrase
    why: Phrase | None = None
    chips: tuple[Chip, ...] = ()
    at: datetime | None = None
    since: bool = False
    steps: tuple[int, int] | None = None
    hot: bool = False
    quote: bool = False
    order: datetime | None = None


def stage_of(patient: Patient, now: datetime) -> Stage:
    """Where a patient stands; depends on nothing but the facts and the moment."""
    intake, known = patient.intake, patient.assessment
    if intake.erased or intake.created_at is None or intake.closed:
        return Stage.CLOSED
    if patient.approved(now) or patient.next_session():
        return Stage.COURSE
    if known.awaiting:
        return Stage.DECISION
    if known.decision and known.decision.kind in {"declined", "alternative"}:
        return Stage.ELSEWHERE
    if any(it.standing == "completed" for _, it in patient.sessions()):
        return Stage.COURSE
    consultation = patient.consultation()
    if consultation and consultation.standing == "no_show":
        return Stage.CONSULTATION
    if consultation and consultation.ends_at > now:
        return Stage.CONSULTATION
    if consultation or known.decision or known.insurance or known.scores:
        return Stage.ASSESSMENT
    return Stage.NEW


def card(patient: Patient, now: datetime) -> Card:
    """The patient's card at a moment."""
    stage = stage_of(patient, now)
    made = {
        Stage.NEW: _new,
        Stage.CONSULTATION: _consultation,
        Stage.ASSESSMENT: _assessment,
        Stage.DECISION: _decision,
        Stage.COURSE: _course,
        Stage.ELSEWHERE: _elsewhere,
        Stage.CLOSED: _closed,
    }[stage](patient, now)
    if patient.assessment.concerns:
        chips = (Chip(phrase("chip.concern"), "now"), *made.chips)
        made = replace(made, hot=True, next=phrase("next.concern"), why=phrase("why.concern"), chips=chips)
    return replace(made, chips=made.chips[:CHIPS], order=made.order or made.at or patient.intake.created_at)


def _new(patient: Patient, now: datetime) -> Card:
    intake = patient.intake
    chips = []
    if intake.answer_due is not None:
        kind = "now" if intake.answer_due < now else "due"
        chips.append(Chip(phrase("chip.answer_by", by=intake.answer_due), kind))
    if not intake.has_phone and not intake.has_email:
        chips.append(Chip(phrase("chip.no_contact"), "now"))
    if intake.external_at is not None:
        chips.append(Chip(phrase("chip.external")))
    missed = any(it.kind == "consultation" for it in patient.scheduling.appointments.values())
    return Card(
        patient.patient_id,
        Stage.NEW,
        phrase("next.rebook" if missed else "next.book"),
        phrase(f"channel.{intake.said_by or intake.channel}"),
        tuple(chips),
        at=intake.created_at,
        since=True,
        quote=intake.message is not None,
        order=intake.answer_due or intake.created_at,
    )


def _consultation(patient: Patient, now: datetime) -> Card:
    meeting = patient.consultation()
    assert meeting is not None
    if meeting.standing == "no_show":
        return Card(
            patient.patient_id,
            Stage.CONSULTATION,
            phrase("next.missed"),
            phrase("why.missed", at=meeting.starts_at),
            (Chip(phrase("chip.call"), "due"),),
            at=meeting.starts_at,
        )
    return Card(
        patient.patient_id,
        Stage.CONSULTATION,
        phrase("next.meet", provider_id=meeting.provider_id, mode=phrase(f"mode.{meeting.mode or 'in_person'}")),
        _of_meeting(patient, now, meeting),
        _failed(patient),
        at=meeting.starts_at,
    )


def _of_meeting(patient: Patient, now: datetime, meeting: Appointment) -> Phrase:
    if meeting.starts_at <= now:
        return phrase("why.meeting_now", by=meeting.starts_at)
    return phrase("why.failed" if patient.notifications.failed else "why.meeting")


def _assessment(patient: Patient, now: datetime) -> Card:
    known, chips = patient.assessment, list(_insurance(patient))
    decision, approval = known.decision, known.approval
    if decision is not None and decision.kind == "reopened":
        what, why, since = phrase("next.assess_again"), phrase("why.reopened"), decision.at
    elif approval is not None and (approval.ended or approval.valid_until <= now):
        what, why = phrase("next.assess_again"), ended(approval.ended)
        since = approval.signed_at
    elif decision is not None and decision.kind == "more_information":
        what, why, since = phrase("next.answer"), phrase("why.more", provider_id=decision.by), decision.at
    else:
        meeting = patient.consultation()
        what = phrase("next.assess")
        why = phrase("why.met", at=meeting.starts_at) if meeting else phrase("why.begun")
        since = meeting.ends_at if meeting else patient.intake.created_at or now
    return Card(patient.patient_id, Stage.ASSESSMENT, what, why, (*chips, *_scores(patient)), at=since, since=True)


def _decision(patient: Patient, now: datetime) -> Card:
    known = patient.assessment
    review = [flag.code for flag in known.flags if flag.severity != "info"]
    key = "why.flags_none" if not review else "why.flags_one" if len(review) == 1 else "why.flags"
    late = known.completed_at is not None and now - known.completed_at > DAY
    chips = (Chip(phrase("chip.waits"), "now" if late else "due"), *_insurance(patient))
    return Card(
        patient.patient_id,
        Stage.DECISION,
        phrase("next.sign"),
        phrase(key, count=len(review)),
        chips,
        at=known.completed_at,
        since=True,
        hot=late or any(flag.severity in {"hard", "crisis"} for flag in known.flags),
    )


def _course(patient: Patient, now: datetime) -> Card:
    sessions = patient.sessions()
    done = sum(1 for _, it in sessions if it.standing == "completed")
    approval = patient.approved(now)
    coming = patient.next_session()
    if coming is not None:
        return _session(patient, now, coming, done)
    made = Card(patient.patient_id, Stage.COURSE, phrase("next.booking"), at=approval.signed_at if approval else None)
    if patient.scheduling.infeasible:
        chips = (Chip(phrase("chip.no_plan"), "now"),)
        return replace(made, next=phrase("next.no_plan"), why=_why_not(patient), chips=chips, hot=True, since=True)
    if done:
        last = sessions[-1][1]
        return replace(
            made,
            next=phrase("next.after"),
            why=phrase("why.after", count=done),
            at=last.ends_at,
            since=True,
            steps=(done, last.of),
        )
    return replace(made, why=phrase("why.booking", count=approval.sessions if approval else 0), since=True)


def _session(patient: Patient, now: datetime, coming: tuple[UUID, Appointment], done: int) -> Card:
    key, session = coming
    values = {"number": session.number, "of": session.of, "route": phrase(f"route.{session.route or 'im'}")}
    ride = patient.ride(key)
    chips = []
    if ride is None:
        chips.append(Chip(phrase("chip.ride_open"), "due" if session.starts_at - now < 2 * DAY else ""))
    else:
        held = ride.state == "missing"
        chips.append(Chip(phrase("chip.ride_missing" if held else "chip.ride"), "now" if held else "ok"))
    chips.extend(
        Chip(phrase(f"chip.prep_{'ok' if ok else 'no'}", item=phrase(f"prep.{item}")), "ok" if ok else "now")
        for item, ok in sorted(patient.prepared(key).items())
    )
    if not patient.approved(now):
        chips.insert(0, Chip(phrase("chip.no_approval"), "now"))
    here = {"checked_in": "next.here", "dosed": "next.running"}.get(session.standing, "next.session")
    held = ride is not None and ride.state == "missing" and session.standing == "booked"
    return Card(
        patient.patient_id,
        Stage.COURSE,
        Phrase(here, values),
        _open_before(patient, now, key, session),
        (*chips, *_failed(patient)),
        at=session.starts_at,
        steps=(done, max(session.of, done)),
        hot=held or not patient.approved(now),
    )


def _open_before(patient: Patient, now: datetime, key: UUID, session: Appointment) -> Phrase:
    """What stands between somebody and their session, the gravest first; what is not due yet is not told."""
    ride = patient.ride(key)
    near = session.starts_at - now < 2 * DAY
    if session.standing != "booked":
        return phrase("why.here")
    if ride is not None and ride.state == "missing":
        return phrase("why.no_ride")
    if not patient.approved(now):
        return phrase("why.no_approval")
    if session.starts_at <= now:
        return phrase("why.not_here", by=session.starts_at)
    if near and session.route not in patient.assessment.signed:
        return phrase("why.no_consent")
    if near and ride is None:
        return phrase("why.ride_open")
    return phrase("why.failed" if patient.notifications.failed else "why.nothing_open")


def _elsewhere(patient: Patient, now: datetime) -> Card:
    decision = patient.assessment.decision
    assert decision is not None
    follow_up = decision.follow_up_on
    if decision.kind == "declined":
        what = phrase("next.declined")
    else:
        what = phrase("next.referred", other=phrase(f"alternative.{decision.alternative or 'other'}"))
    why = phrase("why.ask_on", day=datetime.fromisoformat(follow_up).date()) if follow_up else None
    due = follow_up is not None and follow_up <= now.date().isoformat()
    chips = (Chip(phrase("chip.ask_now"), "due"),) if due else ()
    return Card(patient.patient_id, Stage.ELSEWHERE, what, why or phrase("why.by", provider_id=decision.by), chips,
                at=decision.at, since=True)  # fmt: skip


def _closed(patient: Patient, _now: datetime) -> Card:
    key = "next.erased" if patient.intake.erased else "next.closed"
    return Card(patient.patient_id, Stage.CLOSED, phrase(key))


def _insurance(patient: Patient) -> tuple[Chip, ...]:
    status = patient.assessment.insurance
    kinds = {"active": "ok", "self_pay": "", "unknown": "due"}
    return (Chip(phrase(f"insurance.{status}"), kinds.get(status, "now")),) if status else ()


def _scores(patient: Patient) -> tuple[Chip, ...]:
    scores = sorted(patient.assessment.scores.items())
    return tuple(Chip(phrase("chip.score", instrument=name, total=score.total)) for name, score in scores)


def _failed(patient: Patient) -> tuple[Chip, ...]:
    return (Chip(phrase("chip.failed"), "now"),) if patient.notifications.failed else ()


def _why_not(patient: Patient) -> Phrase:
    return phrase("why.no_plan", reasons=tuple(phrase(f"plan.{reason}") for reason in patient.scheduling.infeasible))
