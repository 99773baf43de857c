"""What the patient tells on their page: each step is kept when it is sent, as a version of theirs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.assessment.domain import screening
from services.assessment.domain.refusals import Invalid
from services.assessment.domain.sections import MODELS, Goals, Section
from services.assessment.domain.telling import KIND, NOT_ASKED, Form, Step, told
from services.assessment.handlers import gathering
from services.assessment.handlers.charts import CHANGED, Sections, held, opened
from services.assessment.repository import charts as repository
from services.assessment.rows import SectionRow
from shared.clinic.screening import ScreeningRule
from shared.contracts.assessment import Severity
from shared.http import links
from shared.ids import new_id
from shared.tasks import raise_task
from shared.uow import UnitOfWork

PAGE = "telling"
LINK = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link to the patient's page: it can't be had again."""

    token: str
    expires_at: datetime


async def invite(uow: UnitOfWork, patient_id: UUID) -> Invitation:
    """A new link; earlier ones keep working until they expire.

    Raises:
        Unknown: no such chart. KeyErased.
    """
    chart = await held(uow, patient_id)
    await uow.keys.box(chart.patient_id)
    expires_at = uow.now + LINK
    return Invitation(await links.issue(uow, purpose=PAGE, subject=chart.patient_id, expires_at=expires_at), expires_at)


async def subject_of(uow: UnitOfWork, token: str) -> UUID:
    """Whose page it is, under the id of today.

    Raises:
        NotFound: no such link. Gone: it has expired.
    """
    link = await links.find(uow.conn, token, purpose=PAGE, now=uow.now)
    return await repository.resolve(uow.conn, link.subject)


def asked(uow: UnitOfWork) -> tuple[ScreeningRule, ...]:
    """The conditions that a patient is asked about."""
    return tuple(rule for rule in screening.asked(uow.clinic.screening) if rule.code not in NOT_ASKED)


async def known(uow: UnitOfWork, patient_id: UUID) -> Sections:
    """Everything that was told so far.

    Raises:
        Permanent: the patient was erased.
    """
    return await opened(uow, patient_id, await uow.keys.box(patient_id))


async def tell(
    uow: UnitOfWork, patient_id: UUID, step: Step, form: Form, ticked: list[str], *, version: int
) -> tuple[SectionRow, bool]:
    """Keep a step. Returns the version, and whether somebody has to be called now: a crisis was told.

    Raises:
        Unknown, Conflicting: see `gathering.save`. Invalid: names the field.
    """
    kind = KIND[step]
    saved = (await known(uow, patient_id)).get(kind)
    codes = frozenset(rule.code for rule in asked(uow))
    content = told(step, form, ticked, saved.section if saved else None, codes)
    try:
        section = MODELS[kind].model_validate(content)
    except ValidationError as error:
        raise _invalid(error.errors()[0]) from None
    row = await gathering.save(uow, patient_id, kind, section, version=version)
    await repository.told(uow.conn, patient_id, step, uow.now)
    if saved is None or row.version > saved.row.version:
        await _read_by_somebody(uow, patient_id, row, saved.section if saved else None, section)
    return row, await heed_crisis(uow, patient_id, step, ticked)


async def _read_by_somebody(
    uow: UnitOfWork, patient_id: UUID, row: SectionRow, before: Section | None, after: Section
) -> None:
    """Under an approval that goes on nothing else would make anybody look at what the patient has just told."""
    chart = await repository.find(uow.conn, patient_id)
    if chart is None or chart.approval is None:
        return
    words = after.hopes if isinstance(after, Goals) else getattr(after, "own_words", "")
    old = before.hopes if isinstance(before, Goals) else getattr(before, "own_words", "")
    await raise_task(
        uow,
        kind=CHANGED,
        subject=patient_id,
        occurrence=f"{row.kind}-v{row.version}",
        role="front_desk",
        patient_id=patient_id,
        detail=words if words and words != old else None,
    )


async def heed_crisis(uow: UnitOfWork, patient_id: UUID, step: Step, ticked: list[str]) -> bool:
    """Call a provider where a crisis was told, whether it was told before or not, and whether the page can be kept."""
    crises = [rule.code for rule in asked(uow) if rule.severity == Severity.CRISIS.value and rule.code in ticked]
    if step != "about" or not crises:
        return False
    await held(uow, patient_id)  # no approval is signed at this very moment without having seen it
    for code in crises:
        await gathering.raise_concern(uow, patient_id, code)
    return True


def _invalid(first: Any) -> Invalid:
    """The first thing that is wrong, by the name of its field on the page: `trials-2-start`."""
    place = "-".join(str(part) for part in first["loc"])
    if first["type"] == "value_error" and first["loc"][:-1] == ("trials",):
        return Invalid("ends_first", str(first["msg"]), "", f"{place}-end")
    return Invalid("field_wrong", str(first["msg"]), "", place)


async def something_changed(uow: UnitOfWork, patient_id: UUID, words: str) -> None:
    """A person reads it.

    Raises:
        Invalid: nothing was written.
    """
    if not words.strip():
        raise Invalid("no_words", "There are no words.", "Write what changed.", "words")
    await raise_task(
        uow,
        kind=CHANGED,
        subject=patient_id,
        occurrence=str(new_id()),
        role="front_desk",
        patient_id=patient_id,
        detail=words.strip(),
    )
