"""Refusals in words: what stands in the way, and what to do."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.scheduling.domain.appointments import IllegalTransition
from services.scheduling.domain.gates import BEHIND as UNHEARD
from services.scheduling.domain.gates import Gate
from services.scheduling.domain.refusals import GatesClosed, Refused, Spaced, Taken, TooSoon
from shared.clinic.model import Clinic
from shared.http.problems import Conflict, FieldProblem, Forbidden, Invalid, NotFound, Problem, Unavailable

BEHIND = "Not now: news of approvals doesn't arrive at the moment, so nobody can be sure that this one still holds."
SENTENCES: dict[str, tuple[str, str]] = {
    "closed": ("Nobody who could do this works then.", "Choose one of the offered times."),
    "mode-not-offered": ("The clinic doesn't offer consultations of this kind.", "Choose another kind."),
    "route-not-offered": ("The clinic doesn't offer this kind of session any more.", "Ask the provider."),
    "no-approval": ("There is no approval that holds today.", "Ask a provider to decide again."),
    "concern-open": (
        "A safety concern is open for this patient: until it is cleared no session is booked.",
        "A provider speaks with the patient and clears it on the chart. A consultation can be booked now.",
    ),
    "approval-too-short": ("The approval runs out before that.", "Choose an earlier time, or ask a provider."),
    "no-session": ("This appointment is not a session.", "Reload the page."),
    "unchanged": ("It takes place then already.", "Choose another time."),
    "not-today": ("This session is on another day.", "Open the session of today."),
    "no-prescriber": ("Only somebody who may prescribe today gives the medicine.", "Ask a prescriber."),
    "no-licence": ("Your licence is not valid today.", "Ask a provider whose licence is valid."),
    "changed": ("It was changed meanwhile.", "Look at it again."),
    "nobody": ("The clinic has no such person.", "Choose somebody of the clinic."),
    "past": ("That time is over.", "Choose a time to come."),
    "far-ahead": ("That is more than a year ahead.", "Look at the year; write down later leave when it comes nearer."),
    "not-ours": ("Another system's calendar says so.", "Take it back there; it is taken over from there."),
    "airway-missing": (
        "Nobody airway-trained is in the house then.",
        "Choose another time, or have somebody airway-trained stay.",
    ),
    "not-to-sign": ("There is nothing here that a provider may sign past.", "Look at the gates again."),
}
FIELDS = {"mode-not-offered": "mode", "nobody": "person_id", "past": "ends_at"}
"""The field that a refusal is about; any other is about the time."""
AGAINST_WHAT_IS = frozenset(
    {
        "no-approval",
        "concern-open",
        "route-not-offered",
        "not-today",
        "not-to-sign",
        "not-ours",
        "changed",
        "airway-missing",
    }
)
"""Refusals that no other field would lift."""
GATES = {
    "approval-missing": "There is no approval that holds today.",
    "consent-missing": "The consent for this kind of session is not signed.",
    "consent-outdated": "The patient agreed to an older text: ask again.",
    "escort-unconfirmed": "Nobody is confirmed to take the patient home.",
    "concern-open": "Somebody is worried about the patient's safety, and no clinician has cleared it.",
    "pregnancy-unasked": "The pregnancy check has not been asked for.",
    "fasting-unasked": "Nobody has said that the patient fasted.",
    "fasting-broken": "The patient said that they ate, drank or had alcohol.",
    "vitals-missing": "No vitals have been taken.",
    "vitals-incomplete": "Blood pressure, heart rate and oxygen are needed, all of them.",
    "pressure-soft": "The blood pressure is above the limit: measure again.",
    "repeated-too-soon": "The blood pressure was measured again before it had time to fall: measure once more.",
    "pressure-still-soft": "The blood pressure stayed above the limit: a provider decides.",
    "pressure-hard": "The blood pressure is too high: only a provider's signature goes past it.",
    "heart-rate": "The heart rate is outside the limits.",
    "spo2": "The oxygen saturation is below the limit.",
    "escort-absent": "The person who takes the patient home is not here.",
    "observing": "The observation is not over.",
    "unmeasured": "No vitals have been taken since the dose.",
    "measured-long-ago": "The last vitals were taken too long ago: measure again.",
    "unstable": "The last vitals are outside the limits.",
    "facts-behind": "Not now: news of it doesn't arrive at the moment, so nobody can be sure.",
}
SPACING = {
    "too-close": "That is too close to session {number} on {when}.",
    "too-far": "That is too far from session {number} on {when}.",
    "course-too-long": "The course would last too long: session {number} is on {when}.",
}
STATES = {
    "booked": "is booked",
    "held": "is held because nobody is named to take the patient home",
    "checked-in": "has begun: the patient is here",
    "dosed": "has begun: the medicine was given",
    "completed": "is over",
    "cancelled": "was cancelled already",
    "no-show": "is over: the patient did not come",
}


class TakenProblem(Conflict):
    """409 that names what is taken, and the next free times."""

    def __init__(self, detail: str, resources: Sequence[str], following: Sequence[datetime]) -> None:
        super().__init__(detail, code="taken", title="This time is taken", remedy="Choose another time.")
        self.resources = list(resources)
        self.following = [moment.isoformat() for moment in following]

    def body(self, instance: str | None) -> dict[str, Any]:
        """The problem document with `taken` and `next`."""
        return {**super().body(instance), "taken": self.resources, "next": self.following}


class GatesProblem(Conflict):
    """409 that names every gate that doesn't hold, each with its reason."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        detail = " ".join(dict.fromkeys(GATES[gate.because] for gate in gates))
        super().__init__(detail, code="gates_open", title="Not yet", remedy="Settle these first.")
        self.gates = [{"code": gate.code, "because": gate.because} for gate in gates]

    def body(self, instance: str | None) -> dict[str, Any]:
        """The problem document with `gates`."""
        return {**super().body(instance), "gates": self.gates}


def taken(refused: Taken, clinic: Clinic, at: datetime, following: Sequence[datetime]) -> Problem:
    """Who or what is not free then."""
    names = [_name(clinic, resource) for resource in refused.resources]
    detail = f"Not free at {at.astimezone(clinic.tz):%H:%M}: {', '.join(dict.fromkeys(names))}."
    plain = [one for one in refused.resources if not one.startswith("patient:")]
    return TakenProblem(detail, plain, [moment.astimezone(clinic.tz) for moment in following])


def problem_of(refused: Refused, clinic: Clinic) -> Problem:
    """Any refusal but Taken."""
    if isinstance(refused, TooSoon):
        earliest = refused.earliest.astimezone(clinic.tz)
        message = f"The clinic needs more notice: the earliest time is {earliest:%d %b, %H:%M}."
        return Invalid(code="notice", fields=[FieldProblem("starts_at", message, "Choose a later time.")])
    if isinstance(refused, Spaced):
        when = f"{refused.breach.starts_at.astimezone(clinic.tz):%d %b, %H:%M}"
        message = SPACING[refused.code].format(number=refused.breach.number, when=when)
        return Invalid(
            code=refused.code.replace("-", "_"),
            fields=[FieldProblem("starts_at", message, "Choose another time, or move that session first.")],
        )
    if isinstance(refused, GatesClosed):
        return gates_closed(refused.gates)
    if refused.code in {"no-prescriber", "no-licence"}:
        message, remedy = SENTENCES[refused.code]
        return Forbidden(message, code=refused.code.replace("-", "_"), remedy=remedy)
    if refused.code == "key-reused":
        return Invalid("This Idempotency-Key was used for another request.", code="key_reused", remedy="Use a new key.")
    if refused.code == "facts-behind":
        return facts_behind()
    message, remedy = SENTENCES[refused.code]
    field = FieldProblem(FIELDS.get(refused.code, "starts_at"), message, remedy)
    if refused.code in AGAINST_WHAT_IS:
        return Conflict(message, code=refused.code.replace("-", "_"), title="This can't be done now", remedy=remedy)
    return Invalid(code=refused.code.replace("-", "_"), fields=[field])


def gates_closed(gates: Sequence[Gate]) -> Problem:
    """503 where only missing news is in the way, else 409 with the reasons."""
    if all(gate.because == UNHEARD for gate in gates):
        return Unavailable(GATES[UNHEARD], code="facts_behind")
    return GatesProblem(gates)


def facts_behind() -> Problem:
    """503: a decision depends on facts that may be missing, so the answer is no."""
    return Unavailable(BEHIND, code="facts_behind")


def no_longer(illegal: IllegalTransition) -> Problem:
    """The appointment is past that point, or not there yet."""
    if illegal.wanted == "no-show" and illegal.state in ("booked", "held"):
        return Conflict("It has not begun yet.", code="not_begun", remedy="Wait until its time, or cancel it.")
    return Conflict(f"This appointment {STATES[illegal.state]}.", code="not_possible")


def not_here(detail: str = "There is no such appointment.") -> Problem:
    """404."""
    return NotFound(detail)


def _name(clinic: Clinic, resource: str) -> str:
    kind, _, plain = resource.partition(":")
    if kind == "room":
        return clinic.room(plain).name
    return clinic.person(plain).name if kind == "person" else "the patient"
