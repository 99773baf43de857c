"""What the API says and takes of a session's day. Moments carry the clinic's offset."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.scheduling.handlers.day import Standings
from services.scheduling.problems import GATES
from services.scheduling.views import AppointmentView, Body, Note
from shared.clinic.model import Clinic


class Arriving(Body):
    """What staff asked the patient at the door: that they fasted; that the pregnancy check is negative or not due."""

    fasting: bool = False
    pregnancy: bool = False

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(code for code in ("fasting", "pregnancy") if getattr(self, code))


class Leaving(Body):
    """Whether the person who takes the patient home is here."""

    escort_present: bool


class Signing(Body):
    """A gate and why a provider goes past it."""

    gate: Annotated[str, Field(pattern=r"^[a-z_]{3,32}$")]
    reason: Note


class GateView(BaseModel):
    """`standing`: "holds", "open", "signed" past by a provider, or "unknown": news of it may be missing."""

    code: str
    label: str
    standing: str
    because: str
    detail: str
    may_sign: bool
    repeat_at: datetime | None
    signed_by: str | None


class ReadingView(BaseModel):
    """Pressure in mmHg, heart rate in beats per minute, SpO2 in percent."""

    id: UUID
    phase: str
    taken_at: datetime
    systolic: int | None
    diastolic: int | None
    heart_rate: int | None
    spo2: int | None


class DueView(BaseModel):
    """A time at which vitals are due after the dose."""

    at: datetime
    done: bool


class SessionDayView(BaseModel):
    """A session on its day. `gates` are those of the dose, and after it those of going home."""

    appointment: AppointmentView
    gates: list[GateView]
    attested: list[str]
    checked_in_at: datetime | None
    dosed_at: datetime | None
    prescriber_id: str | None
    watched_until: datetime | None
    discharged_at: datetime | None
    vitals: list[ReadingView]
    due: list[DueView]

    @classmethod
    def of(cls, standing: Standings, clinic: Clinic) -> Self:
        def local(moment: datetime | None) -> datetime | None:
            return moment and moment.astimezone(clinic.tz)

        labels: dict[str, str] = {gate.code: gate.label for gate in clinic.gates}
        signers = {(one.gate, one.because, one.evidence): one.provider_id for one in standing.signed}
        so_far = standing.day
        return cls(
            appointment=AppointmentView.of(standing.appointment),
            gates=[
                GateView(
                    code=gate.code,
                    label=labels.get(gate.code, "Observation is over"),
                    standing=gate.standing.value,
                    because=gate.because,
                    detail=GATES.get(gate.because, ""),
                    may_sign=gate.may_sign,
                    repeat_at=local(gate.repeat_at),
                    signed_by=signers.get((gate.code, gate.because, gate.evidence)) if gate.because else None,
                )
                for gate in standing.gates
            ],
            attested=sorted(so_far.attested) if so_far else [],
            checked_in_at=local(so_far.checked_in_at) if so_far else None,
            dosed_at=local(so_far.dosed_at) if so_far else None,
            prescriber_id=so_far.prescriber_id if so_far else None,
            watched_until=local(standing.watched_until),
            discharged_at=local(so_far.discharged_at) if so_far else None,
            vitals=[
                ReadingView.model_validate(
                    {name: getattr(one, name) for name in ReadingView.model_fields}
                    | {"taken_at": one.taken_at.astimezone(clinic.tz)}
                )
                for one in standing.readings
            ],
            due=[DueView(at=one.at.astimezone(clinic.tz), done=one.done) for one in standing.due],
        )
