"""What staff do here: read and correct contact details, deal with kept contacts, close, erase."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.intake.api.edge import attempt, unusable
from services.intake.api.leads import LeadAccepted
from services.intake.domain.contact import Contact, Details, FieldName, Unusable, Wrong
from services.intake.domain.words import clean_line
from services.intake.handlers import kept, leads, people, vagaro
from services.intake.reading import Raw, read, read_born, read_email, read_phone
from services.intake.repository.merges import Merged
from services.intake.settings import IntakeSettings
from shared.contracts.base import Code, Language
from shared.contracts.intake import ConsentKind
from shared.contracts.submissions import Line, Submission
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.problems import Conflict, FieldProblem, NotFound, Unavailable
from shared.service import Service
from shared.uow import UnitOfWork

router = APIRouter(prefix="/api/v1", tags=["staff"])
Reader = Annotated[Staff, Depends(staff("front_desk", "provider", "monitor"))]
FrontDesk = Annotated[Staff, Depends(staff("front_desk"))]
Operations = Annotated[Staff, Depends(staff("operations"))]
GONE = "There is no such contact, or somebody dealt with it."


class MergedOut(BaseModel):
    """A record that was merged into a patient, with what it says by itself. `by` is who did it."""

    patient_id: UUID
    name: str | None
    phone: str | None
    email: str | None
    date_of_birth: date | None
    at: datetime
    by: str


class PatientOut(BaseModel):
    """Who a patient is and how to reach them. `phone` is E.164; `may_text` is false after a STOP.

    Asked for somebody who was merged into another, it is that other one.
    """

    patient_id: UUID
    name: str | None
    phone: str | None
    email: str | None
    date_of_birth: date | None
    language: str
    zone: str | None
    channel: str
    consents: list[str]
    may_text: bool
    answer_due: datetime
    created_at: datetime
    closed_at: datetime | None
    merged: list[MergedOut]


class Correction(BaseModel):
    """Only what is named changes; null empties a field, but for `language`, which is one that the clinic speaks."""

    model_config = ConfigDict(extra="forbid")

    name: Line | None = None
    phone: Line | None = None
    email: Line | None = None
    date_of_birth: date | None = None
    language: Language | None = None


class Closing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Code


class Stop(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["sms", "email"]


class KeptContact(BaseModel):
    """What could not be understood: `text` as far as it can be shown, `raw` its bytes in base64."""

    id: UUID
    door: str
    reason: str
    received_at: datetime
    text: str
    raw: str


class Resolution(BaseModel):
    """What was found in it: a `lead` that is then taken in, or nobody to answer."""

    model_config = ConfigDict(extra="forbid")

    outcome: Code = Field(examples=["became-lead", "answered", "nobody"])
    lead: Submission | None = None


@router.get("/patients/{patient_id}")
async def patient(patient_id: UUID, service: ServiceDep, who: Reader) -> PatientOut:
    """Contact details; the reading is on record."""
    async with service.transaction(actor=who.actor) as uow:
        try:
            person = await people.read(uow, patient_id)
        except people.UnknownPatient as error:
            raise _unknown() from error
    row, details = person.patient, person.details
    return PatientOut(
        patient_id=row.id,
        name=details.name,
        phone=details.phone,
        email=details.email,
        date_of_birth=details.date_of_birth,
        language=row.language,
        zone=row.zone,
        channel=row.channel,
        consents=sorted(person.consents),
        may_text=details.phone is not None and not person.opted_out,
        answer_due=row.answer_due,
        created_at=row.created_at,
        closed_at=row.closed_at,
        merged=[_merged(one, own) for one, own in person.merged],
    )


@router.patch("/patients/{patient_id}", status_code=204)
async def correct(patient_id: UUID, body: Correction, service: ServiceDep, who: FrontDesk) -> None:
    """Correct contact details."""
    new = _details(body, service)
    named = tuple(sorted(body.model_fields_set - {"language"}))
    try:
        await attempt(service, who.actor, lambda uow: people.correct(uow, patient_id, new, named, body.language))
    except people.UnknownPatient as error:
        raise _unknown() from error
    except Unusable as error:
        raise unusable(error.wrong) from error
    except people.AddressTaken as error:
        raise Conflict(
            code="address_taken",
            title="Another patient is known by this",
            remedy="Look that patient up: they may be the same person.",
            fields=[FieldProblem(error.field, "It belongs to another patient.")],
        ) from error


@router.post("/patients/{patient_id}/close", status_code=204)
async def close(patient_id: UUID, body: Closing, service: ServiceDep, who: FrontDesk) -> None:
    """Follow this contact no further; a new contact reopens it."""
    try:
        await attempt(service, who.actor, lambda uow: people.close(uow, patient_id, body.reason))
    except people.UnknownPatient as error:
        raise _unknown() from error


@router.post("/patients/{patient_id}/stop", status_code=204)
async def stop(patient_id: UUID, body: Stop, service: ServiceDep, who: FrontDesk) -> None:
    """They want no more texts, or no more e-mails, however they said so: effective at once."""
    try:
        await attempt(service, who.actor, lambda uow: people.stop(uow, patient_id, ConsentKind(body.kind)))
    except people.UnknownPatient as error:
        raise _unknown() from error


@router.post("/patients/{patient_id}/erase", status_code=204)
async def erase(patient_id: UUID, service: ServiceDep, who: Operations) -> None:
    """Forget a person in every service, for good."""
    settings = service.settings
    assert isinstance(settings, IntakeSettings)
    years = settings.chart_retention_years
    try:
        await attempt(service, who.actor, lambda uow: people.erase(uow, patient_id, retention_years=years))
    except people.UnknownPatient as error:
        raise _unknown() from error
    except people.Locked as error:
        raise Conflict(
            f"This person was treated: the chart is kept by law until {error.until:%Y-%m-%d}.",
            code="chart_locked",
            title="The chart can't be erased yet",
            remedy=f"Ask again after {error.until:%Y-%m-%d}.",
        ) from error
    except people.NotHeard as error:
        raise Unavailable(
            "Whether this person was treated can't be told right now, and what is erased does not come back.",
            code="facts_behind",
            remedy="Try again in a minute. If it stays so, look for dead letters of intake.",
        ) from error


@router.get("/contacts")
async def kept_contacts(service: ServiceDep, who: FrontDesk) -> list[KeptContact]:
    """What could not be understood and waits for a person, oldest first, at most 200."""
    async with service.transaction(actor=who.actor) as uow:
        found = await kept.waiting(uow)
    return [_kept(one) for one in found]


@router.get("/contacts/{kept_id}")
async def kept_contact(kept_id: UUID, service: ServiceDep, who: FrontDesk) -> KeptContact:
    """One of them; the reading is on record."""
    async with service.transaction(actor=who.actor) as uow:
        try:
            return _kept(await kept.one(uow, kept_id))
        except kept.NotKept as error:
            raise NotFound(GONE) from error


@router.post("/contacts/{kept_id}/resolve")
async def resolve(kept_id: UUID, body: Resolution, service: ServiceDep, who: FrontDesk) -> LeadAccepted | None:
    """Say what was in it; a lead in it becomes a patient, or joins one."""
    contact = None if body.lead is None else _contact(body.lead, service)
    settings = service.settings
    assert isinstance(settings, IntakeSettings)
    vagaro_people = settings.vagaro_people

    async def work(uow: UnitOfWork) -> leads.Accepted | None:
        accepted = await kept.resolve(uow, kept_id, outcome=body.outcome, contact=contact)
        if accepted is not None:
            await vagaro.found_by_hand(uow, kept_id, accepted.patient_id, vagaro_people)
        return accepted

    try:
        accepted = await attempt(service, who.actor, work)
    except kept.NotKept as error:
        raise NotFound(GONE) from error
    if accepted is None:
        return None
    return LeadAccepted(patient_id=accepted.patient_id, answer_due=accepted.answer_due)


def _merged(one: Merged, own: Details) -> MergedOut:
    return MergedOut(
        patient_id=one.patient_id,
        name=own.name,
        phone=own.phone,
        email=own.email,
        date_of_birth=own.date_of_birth,
        at=one.at,
        by=one.by,
    )


def _kept(found: kept.Unread) -> KeptContact:
    return KeptContact(
        id=found.id,
        door=found.door,
        reason=found.reason,
        received_at=found.received_at,
        text=found.text,
        raw=found.raw,
    )


def _contact(lead: Submission, service: Service) -> Contact:
    try:
        return read(lead, service.clinic, service.clock.now())
    except Unusable as error:
        raise unusable(error.wrong, "lead.") from error


def _details(body: Correction, service: Service) -> Details:
    wrong: list[Wrong] = []

    def one(field: FieldName, raw: Raw | None, parse: Callable[[Raw], Raw]) -> Raw | None:
        try:
            return None if raw is None else parse(raw)
        except ValueError as error:
            wrong.append(Wrong(field, str(error)))
            return None

    phone = one("phone", body.phone, lambda raw: read_phone(raw, service.clinic.country))
    email = one("email", body.email, read_email)
    born = one("date_of_birth", body.date_of_birth, lambda day: read_born(day, service.clinic, service.clock.now()))
    if "language" in body.model_fields_set and body.language not in service.clinic.languages:
        wrong.append(Wrong("language", "unknown"))
    if wrong:
        raise unusable(wrong)
    return Details(clean_line(body.name or "") or None, phone, email, born)


def _unknown() -> NotFound:
    return NotFound("Nobody with this id is known here.")
