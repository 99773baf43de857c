"""Refusals in words: what stands in the way, and what to do."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.scheduling.domain.appointments import IllegalTransition
from services.scheduling.domain.refusals import Refused, Spaced, Taken, TooSoon
from shared.clinic.model import Clinic
from shared.http.problems import Conflict, FieldProblem, Invalid, NotFound, Problem, Unavailable

BEHIND = "Not now: news of approvals doesn't arrive at the moment, so nobody can be sure that this one still holds."
SENTENCES: dict[str, tuple[str, str]] = {
    "closed": ("Nobody who could do this works then.", "Choose one of the offered times."),
    "mode-not-offered": ("The clinic doesn't offer consultations of this kind.", "Choose another kind."),
    "route-not-offered": ("The clinic doesn't offer this kind of session any more.", "Ask the provider."),
    "no-approval": ("There is no approval that holds today.", "Ask a provider to decide again."),
    "approval-too-short": ("The approval runs out before that.", "Choose an earlier time, or ask a provider."),
    "no-session": ("This appointment is not a session.", "Reload the page."),
    "unchanged": ("It takes place then already.", "Choose another time."),
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
    if refused.code == "key-reused":
        return Invalid("This Idempotency-Key was used for another request.", code="key_reused", remedy="Use a new key.")
    if refused.code == "facts-behind":
        return facts_behind()
    message, remedy = SENTENCES[refused.code]
    field = FieldProblem("starts_at", message, remedy)
    if refused.code in {"no-approval", "route-not-offered"}:
        return Conflict(message, code=refused.code.replace("-", "_"), title="This can't be booked now", remedy=remedy)
    return Invalid(code=refused.code.replace("-", "_"), fields=[field])


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
