"""How people come through: by the door they came in and by stage, how many, and how long each stage takes. No names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from services.dashboard.domain.board import COLUMNS, Stage, stage_of
from services.dashboard.domain.facts import Patient

WAY = tuple(stage for stage in COLUMNS if stage is not Stage.ELSEWHERE)
"""The stages that follow each other; to elsewhere one comes from any of them."""


@dataclass(frozen=True, slots=True)
class Times:
    """When a milestone happened to somebody for the first and for the last time."""

    first: datetime
    last: datetime

    def with_(self, other: "Times") -> "Times":
        """Of both together."""
        return Times(min(self.first, other.first), max(self.last, other.last))


@dataclass(frozen=True, slots=True)
class Journey:
    """One person's way: when they came to each stage and when they left it."""

    channel: str
    began: datetime
    here: Stage
    came: Mapping[Stage, datetime]
    left: Mapping[Stage, datetime]


@dataclass(frozen=True, slots=True)
class Step:
    """A stage: how many came so far, how many are there now, and the median time of those who have left it."""

    stage: Stage
    reached: int
    share: float
    here: int
    takes: timedelta | None


def journey(patient: Patient, told: Mapping[str, Times], now: datetime) -> Journey | None:
    """The way of one person, from the milestones by their type; None where no contact is known."""
    at = {type_.split(".")[2]: times for type_, times in told.items()}
    began = at.get("LeadCreated")
    if began is None or patient.intake.erased:
        return None
    booked = _first(at, "ConsultationScheduled", "ExternalBookingReceived")
    meeting = patient.consultation()
    met = meeting.ends_at if meeting and meeting.standing != "no_show" and meeting.ends_at <= now else None
    ready = _first(at, "AssessmentCompleted")
    yes, no = _first(at, "CandidateApproved"), _first(at, "CandidateDeclined", "AlternativeRecommended")
    sessions = [it for _, it in patient.sessions()]
    over = bool(sessions) and all(it.standing == "completed" for it in sessions)
    came = {
        Stage.NEW: began.first,
        Stage.CONSULTATION: booked,
        Stage.ASSESSMENT: met or ready,
        Stage.DECISION: ready,
        Stage.COURSE: yes,
        Stage.ELSEWHERE: no,
    }
    left = {
        Stage.NEW: booked or met or ready,
        Stage.CONSULTATION: met or ready,
        Stage.ASSESSMENT: ready,
        Stage.DECISION: min((it for it in (yes, no) if it), default=None),
        Stage.COURSE: at["SessionCompleted"].last if over and "SessionCompleted" in at else None,
    }
    return Journey(patient.intake.channel, began.first, stage_of(patient, now), _known(came), _known(left))


def steps(journeys: Sequence[Journey]) -> tuple[Step, ...]:
    """Every stage. Who came further has come to the stages before, also where no news says when."""
    furthest = [max((WAY.index(stage) for stage in it.came if stage in WAY), default=0) for it in journeys]
    found = []
    for stage in COLUMNS:
        if stage in WAY:
            reached = sum(1 for far in furthest if far >= WAY.index(stage))
        else:
            reached = sum(1 for it in journeys if stage in it.came)
        share = reached / len(journeys) if journeys else 0.0
        here = sum(1 for it in journeys if it.here is stage)
        found.append(Step(stage, reached, share, here, _typical(journeys, stage)))
    return tuple(found)


def by_source(journeys: Iterable[Journey]) -> dict[str, tuple[Step, ...]]:
    """The same for each door, the busiest first."""
    groups: dict[str, list[Journey]] = {}
    for it in journeys:
        groups.setdefault(it.channel, []).append(it)
    return {channel: steps(groups[channel]) for channel in sorted(groups, key=lambda name: (-len(groups[name]), name))}


def _typical(journeys: Sequence[Journey], stage: Stage) -> timedelta | None:
    took = [
        (it.left[stage] - it.came[stage]).total_seconds()
        for it in journeys
        if stage in it.came and stage in it.left and it.left[stage] >= it.came[stage]
    ]
    return timedelta(seconds=median(took)) if took else None


def _first(at: Mapping[str, Times], *names: str) -> datetime | None:
    return min((at[name].first for name in names if name in at), default=None)


def _known(times: Mapping[Stage, datetime | None]) -> dict[Stage, datetime]:
    return {stage: at for stage, at in times.items() if at is not None}
