"""What must be true before a dose and before going home. Pure: facts in, gates out.

A gate holds, stands open with a reason, was signed past by a provider for exactly that reason, or is unknown: what it
asks for may not have arrived. Unknown is never as good as true. Which gates there are, and which may be signed past,
the clinic's file says; the numbers of the vitals too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.clinic.screening import Gate as Policy
from shared.clinic.screening import Vitals as Limits
from shared.contracts.base import Source

FASTING = ("solids", "fluids", "alcohol")
"""The items of the preparation that make up fasting."""
ATTESTABLE = frozenset({"fasting", "pregnancy"})
"""What staff may ask the patient at the door and write down."""
AT_THE_DOOR = frozenset({"approval", "consents", "escort", "risk"})
"""What must hold when the patient comes; the rest is asked and measured between check-in and dose."""
DONE_INSTEAD = frozenset({"vitals-missing", "vitals-incomplete", "fasting-unasked"})
"""Reasons that nobody signs past: they are a question or a measurement away."""
ASKS: dict[str, Source] = {
    "approval": "assessment",
    "consents": "assessment",
    "risk": "assessment",
    "vitals": "assessment",
    "escort": "notifications",
    "fasting": "notifications",
}
BEHIND = "facts-behind"
EARLY = timedelta(minutes=5)
"""A reading so much before its time counts for it; so much after it, it is late."""


class Standing(StrEnum):
    """How a gate stands."""

    HOLDS = "holds"
    OPEN = "open"
    SIGNED = "signed"
    UNKNOWN = "unknown"


PASSED = frozenset({Standing.HOLDS, Standing.SIGNED})


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading. Pressure in mmHg, heart rate in beats per minute, SpO2 in percent; null was not measured."""

    id: UUID
    phase: str
    taken_at: datetime
    systolic: int | None = None
    diastolic: int | None = None
    heart_rate: int | None = None
    spo2: int | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate. `because` is a code, `evidence` the reading that it speaks of; `repeat_at`: measure again then."""

    code: str
    standing: Standing
    because: str = ""
    evidence: str = ""
    may_sign: bool = False
    repeat_at: datetime | None = None

    @property
    def passed(self) -> bool:
        return self.standing in PASSED


@dataclass(frozen=True, slots=True)
class Facts:
    """What scheduling knows of one session's day. `unheard` are services whose news may be missing.

    `newest_text`: the consent was signed under the version of the text that the clinic has today.
    `signed` holds what providers signed past: gate, reason and evidence. Readings are in order of time.
    """

    approved: bool
    consented: bool
    newest_text: bool
    concern: bool
    ride: bool
    answers: Mapping[str, bool] = field(default_factory=dict)
    attested: frozenset[str] = frozenset()
    readings: tuple[Reading, ...] = ()
    unheard: frozenset[Source] = frozenset()
    signed: frozenset[tuple[str, str, str]] = frozenset()
    dosed_at: datetime | None = None
    escort_present: bool = False


def before_dose(policy: Iterable[Policy], limits: Limits, facts: Facts) -> tuple[Gate, ...]:
    """The gates before the medicine is given, in the policy's order."""
    return tuple(_gate(rule, limits, facts) for rule in policy if rule.before == "dose")


def before_discharge(
    policy: Iterable[Policy], limits: Limits, facts: Facts, now: datetime, watched: timedelta
) -> tuple[Gate, ...]:
    """The gates before going home: the observation over and calm, and whatever the policy asks.

    A provider may sign past missing news here: the patient can't be kept for a network.
    """
    because, evidence = _observed(limits, facts, now, watched)
    gates = [_stands("observation", because, evidence, facts, may_sign=True)]
    gates += [_gate(rule, limits, facts) for rule in policy if rule.before == "discharge"]
    return tuple(gates)


def at_the_door(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Those that keep a patient from being checked in."""
    return tuple(gate for gate in gates if gate.code in AT_THE_DOOR and not gate.passed)


def _gate(rule: Policy, limits: Limits, facts: Facts) -> Gate:
    if ASKS.get(rule.code) in facts.unheard:
        return Gate(rule.code, Standing.UNKNOWN, BEHIND)
    because, evidence, repeat_at = _why_open(rule.code, limits, facts)
    may_sign = rule.override == "provider" and because not in DONE_INSTEAD
    return _stands(rule.code, because, evidence, facts, may_sign=may_sign, repeat_at=repeat_at)


def _stands(
    code: str, because: str, evidence: str, facts: Facts, *, may_sign: bool, repeat_at: datetime | None = None
) -> Gate:
    if not because:
        return Gate(code, Standing.HOLDS)
    signed = (code, because, evidence) in facts.signed
    standing = Standing.SIGNED if signed and may_sign else Standing.OPEN
    return Gate(code, standing, because, evidence, may_sign and not signed, repeat_at)


def _why_open(code: str, limits: Limits, facts: Facts) -> tuple[str, str, datetime | None]:
    plain = {
        "approval": "" if facts.approved else "approval-missing",
        "consents": _consents(facts),
        "escort": "" if facts.ride else "escort-unconfirmed",
        "risk": "concern-open" if facts.concern else "",
        "pregnancy": "" if "pregnancy" in facts.attested else "pregnancy-unasked",
        "fasting": _fasting(facts),
        "escort_present": "" if facts.escort_present else "escort-absent",
    }
    return _vitals(limits, facts) if code == "vitals" else (plain[code], "", None)


def _consents(facts: Facts) -> str:
    """Signed, and under the text of today: what was agreed to in other words is asked again."""
    if not facts.consented:
        return "consent-missing"
    return "" if facts.newest_text else "consent-outdated"


def _fasting(facts: Facts) -> str:
    if any(facts.answers.get(item) is False for item in FASTING):
        return "fasting-broken"
    if "fasting" in facts.attested or all(facts.answers.get(item) for item in FASTING):
        return ""
    return "fasting-unasked"


def _vitals(limits: Limits, facts: Facts) -> tuple[str, str, datetime | None]:
    """The newest value of each measure against the clinic's limits: why not, and when to measure again."""
    readings = [one for one in facts.readings if facts.dosed_at is None or one.taken_at <= facts.dosed_at]
    if not readings:
        return "vitals-missing", "", None
    newest = readings[-1]
    systolic, diastolic, heart_rate, spo2 = _newest(readings)
    if systolic is None or diastolic is None or heart_rate is None or spo2 is None:
        return "vitals-incomplete", str(newest.id), None
    because, repeat_at = "", None
    if systolic >= limits.hard_systolic or diastolic >= limits.hard_diastolic:
        because = "pressure-hard"
    elif spo2 < limits.spo2_alert:
        because = "spo2"
    elif not limits.heart_rate_low <= heart_rate <= limits.heart_rate_high:
        because = "heart-rate"
    elif systolic > limits.soft_systolic or diastolic > limits.soft_diastolic:
        held = sum(_over(limits, one) for one in readings)
        because = "pressure-soft" if held <= limits.repeats else "pressure-still-soft"
        if held <= limits.repeats:
            repeat_at = newest.taken_at + timedelta(minutes=limits.repeat_after_minutes)
    elif (repeat_at := _too_soon(limits, readings)) is not None:
        because = "repeated-too-soon"
    return because, str(newest.id) if because else "", repeat_at


def _too_soon(limits: Limits, readings: list[Reading]) -> datetime | None:
    """When a pressure that was over its limit is to be measured again, where that was done before its time.

    The moment is told to the minute, and what is measured in that minute counts.
    """
    over = max((one.taken_at for one in readings if _over(limits, one)), default=None)
    if over is None:
        return None
    repeat_at = over + timedelta(minutes=limits.repeat_after_minutes)
    calm = max(one.taken_at for one in readings if one.systolic is not None)
    return repeat_at if calm < repeat_at.replace(second=0, microsecond=0) else None


def _observed(limits: Limits, facts: Facts, now: datetime, watched: timedelta) -> tuple[str, str]:
    """Why nobody goes home yet, and the reading of which that was said: a newer one asks for a signature of its own."""
    given = facts.dosed_at
    after = [one for one in facts.readings if given is not None and one.taken_at > given]
    newest = str(after[-1].id) if after else ""
    if given is None or now < given + watched:
        return "observing", newest
    if "assessment" in facts.unheard:
        return BEHIND, newest
    if not after:
        return "unmeasured", ""
    systolic, diastolic, heart_rate, spo2 = _newest(after)
    if systolic is None or diastolic is None or heart_rate is None or spo2 is None:
        return "vitals-incomplete", newest
    if _unstable(limits, systolic, diastolic, heart_rate, spo2):
        return "unstable", newest
    pressed = max(one.taken_at for one in after if one.systolic is not None)
    if now > pressed + timedelta(minutes=limits.then_every_minutes) + EARLY:
        return "measured-long-ago", newest
    return "", ""


def _unstable(limits: Limits, systolic: int, diastolic: int, heart_rate: int, spo2: int) -> bool:
    return (
        systolic >= limits.hard_systolic
        or diastolic >= limits.hard_diastolic
        or spo2 < limits.spo2_alert
        or not limits.heart_rate_low <= heart_rate <= limits.heart_rate_high
    )


def _over(limits: Limits, one: Reading) -> bool:
    return (one.systolic or 0) > limits.soft_systolic or (one.diastolic or 0) > limits.soft_diastolic


def _newest(readings: list[Reading]) -> tuple[int | None, int | None, int | None, int | None]:
    """The newest value of each measure: a repeated pressure need not come with the rest."""
    systolic = diastolic = heart_rate = spo2 = None
    for one in readings:
        systolic = systolic if one.systolic is None else one.systolic
        diastolic = diastolic if one.diastolic is None else one.diastolic
        heart_rate = heart_rate if one.heart_rate is None else one.heart_rate
        spo2 = spo2 if one.spo2 is None else one.spo2
    return systolic, diastolic, heart_rate, spo2


# — the observation —


@dataclass(frozen=True, slots=True)
class Due:
    """A time at which vitals are due after the dose, and whether they were taken."""

    at: datetime
    done: bool


def due(limits: Limits, dosed_at: datetime, until: datetime, readings: Iterable[Reading]) -> tuple[Due, ...]:
    """When vitals are due from the dose to the end of the observation; a late reading counts until the next is due."""
    times = [dosed_at + timedelta(minutes=minutes) for minutes in sorted(limits.after_dose_minutes)]
    step = timedelta(minutes=limits.then_every_minutes)
    at = (times[-1] if times else dosed_at) + step
    while at <= until:
        times.append(at)
        at += step
    times = [one for one in times if one <= until]
    taken = [one.taken_at for one in readings if one.taken_at > dosed_at]
    ends = [*times[1:], until + step]
    return tuple(
        Due(one, any(one - EARLY <= moment < end - EARLY for moment in taken))
        for one, end in zip(times, ends, strict=True)
    )
