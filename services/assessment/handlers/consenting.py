"""A patient signs for a route, or takes it back. No session is dosed without a current signature for its route."""

from uuid import UUID

from services.assessment.domain.canonical import digest
from services.assessment.domain.consents import ConsentText
from services.assessment.domain.refusals import Conflicting, Invalid
from services.assessment.handlers.charts import held
from services.assessment.handlers.deciding import signature
from services.assessment.repository import consents as repository
from services.assessment.rows import ConsentRow
from shared.contracts.assessment import Route, TreatmentConsentSigned, TreatmentConsentWithdrawn
from shared.ids import new_id
from shared.uow import UnitOfWork


async def sign(uow: UnitOfWork, patient_id: UUID, text: ConsentText, *, shown: str, name: str, agreed: bool) -> UUID:
    """Keep the signature under exactly the words that were shown; the same words again change nothing.

    Raises:
        Unknown: no such chart.
        Conflicting: `shown`, the hash of the page that was signed, is of other words.
        Invalid: the box was not ticked, or no name was typed.
    """
    if shown != text.hash:
        raise Conflicting("text_changed", "The text has changed since you opened the page.", "Please read it again.")
    if not agreed:
        raise Invalid("not_agreed", "The box is not ticked.", "Tick it if you agree.", "agreed")
    name = " ".join(name.split())
    if sum(char.isalpha() for char in name) < 2:
        raise Invalid("no_name", "There is no name.", "Type your full name.", "name")
    chart = await held(uow, patient_id)
    current = await current_of(uow, chart.patient_id)
    if (before := current.get(text.route)) is not None and before.text_hash == text.hash:
        return before.id
    await repository.keep_text(uow.conn, text)
    await repository.end(uow.conn, chart.patient_id, text.route, uow.now, uow.actor, "replaced")
    consent_id = new_id()
    row = ConsentRow(
        id=consent_id,
        patient_id=chart.patient_id,
        route=text.route,
        text_hash=text.hash,
        version=text.version,
        language=text.language,
        name=(await uow.keys.box(chart.patient_id)).seal(name),
        signed_at=uow.now,
        signed_by=uow.actor,
        signature=signature(uow, _signed(consent_id, chart.patient_id, text.hash, name)),
        ended_at=None,
        ended=None,
    )
    await repository.add(uow.conn, row)
    uow.publish(
        TreatmentConsentSigned(
            patient_id=chart.patient_id,
            consent_id=consent_id,
            route=text.route,
            text_hash=text.hash,
            text_version=text.version,
            language=text.language,
            signed_at=uow.now,
        )
    )
    return consent_id


def _signed(consent_id: UUID, patient_id: UUID, text_hash: str, name: str) -> str:
    return digest({"consent": str(consent_id), "patient": str(patient_id), "text": text_hash, "name": name})


def verified(uow: UnitOfWork, row: ConsentRow, name: str) -> bool:
    """Whether the record still is what was signed."""
    return row.signature == signature(uow, _signed(row.id, row.patient_id, row.text_hash, name))


async def withdraw(uow: UnitOfWork, patient_id: UUID, route: Route) -> None:
    """Take it back, effective at once.

    Raises:
        Unknown: no such chart. Conflicting: nothing is signed for this route.
    """
    chart = await held(uow, patient_id)
    ended = await repository.end(uow.conn, chart.patient_id, route, uow.now, uow.actor, "withdrawn")
    if ended is None:
        raise Conflicting("not_signed", "Nothing is signed for this route.", "Open the page again.")
    uow.publish(
        TreatmentConsentWithdrawn(patient_id=chart.patient_id, consent_id=ended, route=route, withdrawn_at=uow.now)
    )


async def current_of(uow: UnitOfWork, patient_id: UUID) -> dict[Route, ConsentRow]:
    """The current consent of each route."""
    rows = await repository.of_patient(uow.conn, patient_id)
    return {row.route: row for row in rows if row.ended_at is None}


def is_newest(uow: UnitOfWork, row: ConsentRow) -> bool:
    """Whether the text that was signed is the one that counts today."""
    return row.version == uow.clinic.consent.version
