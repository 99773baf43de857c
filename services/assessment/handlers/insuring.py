"""The payer is asked, outside any transaction; what it says becomes a fact, what it refuses a task. Nobody waits."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from services.assessment.domain.eligibility import Answer, Question, askable, question
from services.assessment.domain.refusals import Invalid
from services.assessment.domain.sections import History, Insurance, SectionKind
from services.assessment.handlers.charts import PAYER, held, opened, plain, today
from services.assessment.repository import eligibility as repository
from services.assessment.rows import CheckRow
from shared.contracts.assessment import InsuranceVerified
from shared.errors import Permanent
from shared.ids import new_id
from shared.tasks import close_task, raise_task
from shared.uow import UnitOfWork

ONE = 1


async def request(uow: UnitOfWork, patient_id: UUID) -> UUID:
    """Have the payer asked as soon as may be; the check's id.

    Raises:
        Unknown: no such chart. Invalid: payer or member id is not recorded.
    """
    chart = await held(uow, patient_id)
    await _question(uow, chart.patient_id)
    check_id = new_id()
    await repository.add(uow.conn, check_id, chart.patient_id, uow.actor, uow.now)
    return check_id


async def saved(uow: UnitOfWork, patient_id: UUID, insurance: Insurance) -> None:
    """A new version of the insurance was written down: the payer is asked, where it can be."""
    if askable(insurance):
        await request(uow, patient_id)


async def _question(uow: UnitOfWork, patient_id: UUID) -> Question:
    sections = plain(await opened(uow, patient_id, await uow.keys.box(patient_id)))
    insurance, history = sections.get(SectionKind.INSURANCE), sections.get(SectionKind.HISTORY)
    return question(
        insurance if isinstance(insurance, Insurance) else None,
        history if isinstance(history, History) else None,
        on=today(uow),
    )


async def claim(uow: UnitOfWork, lease: timedelta) -> list[tuple[CheckRow, Question]]:
    """What is due, with the words to ask; what cannot be asked any more ends here."""
    due = []
    for row in await repository.claim(uow.conn, ONE, lease):
        try:
            due.append((row, await _question(uow, row.patient_id)))
        except (Invalid, Permanent) as error:  # the member id was taken back, or the patient was erased
            reason = error.code if isinstance(error, Invalid) else "erased"
            await repository.finish(uow.conn, replace(row, state="gave_up", checked_at=uow.now, problem=reason))
    return due


async def answered(uow: UnitOfWork, row: CheckRow, asked: Question, answer: Answer) -> None:
    """Keep the answer and tell it; one that needs a person is a task with what to do."""
    box = await uow.keys.box(row.patient_id)
    figures = answer.figures()
    done = replace(
        row,
        state="answered",
        checked_at=uow.now,
        status=answer.status,
        codes=list(answer.codes),
        figures=box.seal_json(figures),
        problem=None,
    )
    if not await repository.finish(uow.conn, done):
        return
    details = {"payer": asked.payer, "member_id": asked.member_id, **figures}
    uow.publish(
        InsuranceVerified(
            patient_id=row.patient_id,
            verification_id=row.id,
            status=answer.status,
            by="payer",
            checked_at=uow.now,
            details=box.seal_json(details),
            codes=answer.codes,
        )
    )
    if answer.status == "active":
        await close_task(uow, kind=PAYER, subject=row.patient_id, outcome="answered")
    else:
        await _ask_a_person(uow, row, ", ".join(answer.codes) or answer.status)


async def unanswered(uow: UnitOfWork, row: CheckRow, reason: str, wait: timedelta | None) -> None:
    """Again after `wait`; without one a person takes over. Nothing is said about the plan: nothing is known."""
    if wait is not None:
        await repository.later(uow.conn, row.id, wait, reason)
    elif await repository.finish(uow.conn, replace(row, state="gave_up", checked_at=uow.now, problem=reason)):
        await _ask_a_person(uow, row, reason)


async def forget(uow: UnitOfWork, row: CheckRow) -> None:
    """Nobody is left for whom to ask."""
    await repository.finish(uow.conn, replace(row, state="gave_up", checked_at=uow.now, problem="erased"))


async def _ask_a_person(uow: UnitOfWork, row: CheckRow, detail: str) -> None:
    await close_task(uow, kind=PAYER, subject=row.patient_id, outcome="asked-again")
    await raise_task(
        uow,
        kind=PAYER,
        subject=row.patient_id,
        occurrence=str(row.id),
        role="front_desk",
        patient_id=row.patient_id,
        detail=detail,
    )
