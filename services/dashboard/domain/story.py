"""An event as a plain sentence: what happened, by whom, and the words that were really exchanged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.dashboard.domain.phrase import Phrase, phrase

Payload = Mapping[str, Any]
OUTCOMES = ("done", "unreachable", "not-needed")
"""How a person may end a task."""
_ENDINGS = ("expired", "medication", "diagnosis", "pregnancy", "flags", "provider", "merged")


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the story. `said` is still sealed; `us` when the words were ours."""

    icon: str
    text: Phrase
    note: Phrase | None = None
    said: str | None = None
    us: bool = False


def line(name: str, payload: Payload) -> Line:
    """The sentence for an event by its name (`LeadCreated`) and JSON payload."""
    made = _LINES.get(name)
    return made(payload) if made else Line("paper", phrase("story.other", name=name))


def ended(reason: str | None) -> Phrase:
    """Why an approval no longer holds, by its event's reason: `provider`, `changed:<section>`, `flag:<rule>`, …"""
    kind, _, what = (reason or "expired").partition(":")
    if kind == "flag":
        return phrase("ended.flag", flag=phrase(f"flag.{what}"))
    code = what or kind
    return phrase(f"ended.{code if code in _ENDINGS else 'other'}")


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _simple(name: str, icon: str, said: str | None = None, *, us: bool = False) -> Callable[[Payload], Line]:
    return lambda p: Line(icon, phrase(f"story.{name}"), said=p.get(said) if said else None, us=us)


def _created(p: Payload) -> Line:
    return Line("person", phrase("story.LeadCreated", channel=phrase(f"channel.{p['channel']}")), said=p.get("message"))


def _lead_closed(p: Payload) -> Line:
    return Line("person", phrase("story.LeadClosed"), phrase("story.reason", reason=phrase(f"reason.{p['reason']}")))


def _updated(p: Payload) -> Line:
    fields = tuple(phrase(f"field.{name}") for name in p["changed"] if name != "answer_due")
    said = p.get("message")
    return Line("person", phrase("story.LeadUpdated" if fields else "story.LeadAgain", fields=fields), said=said)


def _received(p: Payload) -> Line:
    keyword = p.get("keyword")
    key = f"story.keyword_{keyword}" if keyword else f"story.MessageReceived_{p['channel']}"
    return Line("words", phrase(key), said=None if keyword else p["body"])


def _consent(key: str) -> Callable[[Payload], Line]:
    return lambda p: Line("paper", phrase(key, kind=phrase(f"consent.{p['kind']}")))


def _external(p: Payload) -> Line:
    told = p["status"] if p["status"] in ("requested", "cancelled", "no-show") else "booked"
    key = f"story.ExternalBookingReceived_{told}"
    return Line("calendar", phrase(key, vendor=p["vendor"].title(), at=_moment(p["starts_at"])))


def _insurance(p: Payload) -> Line:
    key = "story.InsuranceVerified_payer" if p["by"] == "payer" else "story.InsuranceVerified"
    return Line("paper", phrase(key, status=phrase(f"insurance.{p['status']}")))


def _treatment_consent(name: str) -> Callable[[Payload], Line]:
    return lambda p: Line("paper", phrase(f"story.{name}", kind=phrase(f"consent.treatment_{p['route']}")))


def _completed(p: Payload) -> Line:
    review = [flag["code"] for flag in p.get("flags", ()) if flag["severity"] != "info"]
    note = phrase("story.flags", codes=tuple(phrase(f"flag.{code}") for code in review)) if review else None
    return Line("paper", phrase("story.AssessmentCompleted", version=p["version"]), note)


def _approved(p: Payload) -> Line:
    text = phrase(
        "story.CandidateApproved",
        provider_id=p["provider_id"],
        sessions=p["sessions"],
        route=phrase(f"route.{p['route']}"),
    )
    return Line("done", text, phrase("story.valid_until", day=_moment(p["valid_until"])), p.get("conditions"), us=True)


def _by_provider(name: str, icon: str, said: str) -> Callable[[Payload], Line]:
    return lambda p: Line(icon, phrase(f"story.{name}", provider_id=p["provider_id"]), said=p.get(said), us=True)


def _revoked(p: Payload) -> Line:
    note = phrase("story.reason", reason=ended(p["reason"]))
    return Line("alert", phrase("story.ApprovalRevoked"), note, p.get("detail"), us=True)


def _alternative(p: Payload) -> Line:
    other = phrase(f"alternative.{p['alternative']}")
    text = phrase("story.AlternativeRecommended", provider_id=p["provider_id"], other=other)
    follow_up = p.get("follow_up_on")
    note = phrase("story.follow_up", day=date.fromisoformat(follow_up)) if follow_up else None
    return Line("paper", text, note, p.get("reason"), us=True)


def _vitals(p: Payload) -> Line:
    parts = []
    if p.get("systolic") is not None and p.get("diastolic") is not None:
        parts.append(phrase("vitals.pressure", systolic=p["systolic"], diastolic=p["diastolic"]))
    parts.extend(phrase(f"vitals.{name}", value=p[name]) for name in ("heart_rate", "spo2") if p.get(name) is not None)
    return Line("pulse", phrase("story.VitalsRecorded", readings=tuple(parts)))


def _side_effect(p: Payload) -> Line:
    text = phrase(
        "story.SideEffectReported", effect=phrase(f"effect.{p['effect']}"), severity=phrase(f"severity.{p['severity']}")
    )
    return Line("pulse", text, said=p.get("note"))


def _outcome(p: Payload) -> Line:
    return Line("pulse", phrase("story.OutcomeMeasured", instrument=p["instrument"], total=p["total"]))


def _consultation(p: Payload) -> Line:
    text = phrase(
        "story.ConsultationScheduled",
        provider_id=p["provider_id"],
        at=_moment(p["starts_at"]),
        mode=phrase(f"mode.{p['mode']}"),
    )
    return Line("calendar", text)


def _session(p: Payload) -> Line:
    text = phrase("story.SessionScheduled", number=p["number"], of=p["of"], at=_moment(p["starts_at"]))
    people = phrase("story.people", room_id=p["room_id"], monitor_id=p["monitor_id"], prescriber_id=p["prescriber_id"])
    return Line("calendar", text, people)


def _appointment(name: str, *, said: str | None = None) -> Callable[[Payload], Line]:
    def make(p: Payload) -> Line:
        values = {"kind": phrase(f"appointment.{p['kind']}"), "at": _moment(p["starts_at"])}
        if "was_at" in p:
            values["was"] = _moment(p["was_at"])
        note = phrase("story.reason", reason=phrase(f"reason.{p['reason']}")) if p.get("reason") else None
        return Line("calendar", Phrase(f"story.{name}", values), note, p.get(said) if said else None)

    return make


def _moved(p: Payload) -> Line:
    """Moved, or handed to others at its own time."""
    if p["was_at"] != p["starts_at"]:
        return _appointment("AppointmentRescheduled")(p)
    people = {name: p[name] for name in ("provider_id", "monitor_id") if p.get(name)}
    key = "story.AppointmentHandedOver_two" if len(people) == 2 else "story.AppointmentHandedOver"
    kind = phrase(f"appointment.{p['kind']}")
    note = phrase("story.reason", reason=phrase(f"reason.{p['reason']}"))
    return Line("calendar", Phrase(key, {"kind": kind, "at": _moment(p["starts_at"]), **people}), note)


def _checked_in(p: Payload) -> Line:
    gates = tuple(phrase(f"gate.{code}") for code in p.get("gates", ()))
    return Line("done", phrase("story.SessionCheckedIn"), phrase("story.gates", gates=gates) if gates else None)


def _dosed(p: Payload) -> Line:
    return Line("pulse", phrase("story.SessionDosed", prescriber_id=p["prescriber_id"]))


def _session_done(p: Payload) -> Line:
    key = "story.SessionCompleted" if p["escort_present"] else "story.SessionCompleted_alone"
    return Line("done", phrase(key, number=p["number"], of=p["of"]))


def _no_plan(p: Payload) -> Line:
    reasons = tuple(phrase(f"plan.{code}") for code in p["reasons"])
    return Line("alert", phrase("story.CoursePlanInfeasible", sessions=p["sessions"], reasons=reasons))


def _offered(p: Payload) -> Line:
    return Line("calendar", phrase("story.SlotOffered", at=_moment(p["starts_at"]), until=_moment(p["expires_at"])))


def _sent(p: Payload) -> Line:
    return Line("words", phrase(f"story.MessageSent_{p['channel']}"), said=p["body"], us=True)


def _failed(p: Payload) -> Line:
    return Line(
        "alert",
        phrase(f"story.MessageFailed_{p['channel']}"),
        phrase("story.reason", reason=phrase(f"reason.{p['reason']}")),
    )


def _ride(p: Payload) -> Line:
    return Line("ride", phrase(f"story.TransportConfirmed_{p['by']}"), said=p.get("escort"))


def _no_ride(p: Payload) -> Line:
    return Line("ride", phrase("story.TransportMissing", at=_moment(p["starts_at"])))


def _prep(p: Payload) -> Line:
    return Line(
        "done" if p["ok"] else "alert",
        phrase(f"story.PrepConfirmed_{'ok' if p['ok'] else 'no'}", item=phrase(f"prep.{p['item']}")),
    )


def _answered(p: Payload) -> Line:
    key = "story.QuestionUnclear" if p["meaning"] == "unclear" else "story.QuestionAnswered"
    return Line("words", phrase(key, kind=phrase(f"question.{p['kind']}")), said=p.get("answer"))


def _raised(p: Payload) -> Line:
    return Line("time", phrase("story.TaskRaised", kind=phrase(f"task.{p['kind']}"), role=phrase(f"role.{p['role']}")))


def _task_closed(p: Payload) -> Line:
    how = "fact" if p["how"] == "fact" else p["outcome"] if p["outcome"] in OUTCOMES else "done"
    return Line(
        "done", phrase(f"story.TaskClosed_{how}", kind=phrase(f"task.{p['kind']}")), said=p.get("note"), us=True
    )


_LINES: dict[str, Callable[[Payload], Line]] = {
    "LeadCreated": _created,
    "LeadUpdated": _updated,
    "LeadMerged": _simple("LeadMerged", "person"),
    "LeadUnmerged": _simple("LeadUnmerged", "person"),
    "LeadClosed": _lead_closed,
    "MessageReceived": _received,
    "ConsentGiven": _consent("story.ConsentGiven"),
    "ConsentRevoked": _consent("story.ConsentRevoked"),
    "ExternalBookingReceived": _external,
    "PatientErased": _simple("PatientErased", "person"),
    "InsuranceVerified": _insurance,
    "AssessmentCompleted": _completed,
    "CandidateApproved": _approved,
    "CandidateDeclined": _by_provider("CandidateDeclined", "paper", "reason"),
    "AlternativeRecommended": _alternative,
    "MoreInformationRequested": _by_provider("MoreInformationRequested", "paper", "question"),
    "ApprovalRevoked": _revoked,
    "ApprovalExpired": _simple("ApprovalExpired", "time"),
    "VitalsRecorded": _vitals,
    "SideEffectReported": _side_effect,
    "OutcomeMeasured": _outcome,
    "SafetyConcernRaised": _simple("SafetyConcernRaised", "alert"),
    "SafetyConcernCleared": _by_provider("SafetyConcernCleared", "done", "reason"),
    "TreatmentConsentSigned": _treatment_consent("TreatmentConsentSigned"),
    "TreatmentConsentWithdrawn": _treatment_consent("TreatmentConsentWithdrawn"),
    "ChartReopened": _simple("ChartReopened", "paper"),
    "ConsultationScheduled": _consultation,
    "SessionScheduled": _session,
    "AppointmentRescheduled": _moved,
    "AppointmentCancelled": _appointment("AppointmentCancelled", said="note"),
    "AppointmentNoShow": _appointment("AppointmentNoShow"),
    "SessionCheckedIn": _checked_in,
    "SessionDosed": _dosed,
    "SessionCompleted": _session_done,
    "CoursePlanInfeasible": _no_plan,
    "SlotOffered": _offered,
    "MessageSent": _sent,
    "MessageFailed": _failed,
    "TransportConfirmed": _ride,
    "TransportMissing": _no_ride,
    "PrepConfirmed": _prep,
    "QuestionAnswered": _answered,
    "TaskRaised": _raised,
    "TaskClosed": _task_closed,
}  # fmt: skip
