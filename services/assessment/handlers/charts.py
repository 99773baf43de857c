"""What all use cases share: find a chart and hold it, open its sections, and let a change have its consequences."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.assessment.domain import screening
from services.assessment.domain.chart import Chart, State
from services.assessment.domain.refusals import Unknown
from services.assessment.domain.screening import Finding, Resistance
from services.assessment.domain.sections import History, Section, SectionKind, Tried, read
from services.assessment.repository import charts as repository
from services.assessment.rows import SectionRow
from shared.clinic.model import Clinic
from shared.contracts.assessment import ApprovalExpired, ApprovalRevoked, ChartReopened
from shared.security.sealing import Box
from shared.tasks import close_task, raise_task
from shared.timers import cancel_timers
from shared.uow import UnitOfWork

COMPLETE, SIGN, MORE, FOLLOW_UP, SAFETY, COMPARE, VITALS, EFFECT, PAYER, CHANGED = (
    "complete-assessment",
    "sign-decision",
    "more-information",
    "follow-up-alternative",
    "safety-concern",
    "compare-charts",
    "vitals-review",
    "severe-side-effect",
    "check-insurance",
    "something-changed",
)
TASKS = (COMPLETE, SIGN, MORE, FOLLOW_UP, SAFETY, COMPARE, VITALS, EFFECT, PAYER, CHANGED)
EXPIRES = "approval-expires"


@dataclass(frozen=True, slots=True)
class Saved:
    """A section as it stands: its row, opened."""

    row: SectionRow
    content: dict[str, Any]
    section: Section


Sections = dict[SectionKind, Saved]


def today(uow: UnitOfWork) -> date:
    """The business day in the clinic's zone."""
    return uow.now.astimezone(uow.clinic.tz).date()


async def held(uow: UnitOfWork, patient_id: UUID) -> Chart:
    """The patient's chart, also by an id that was merged into it; nobody else changes it until the transaction ends.

    Raises:
        Unknown: no such chart.
    """
    chart = await repository.find_locked(uow.conn, await repository.resolve(uow.conn, patient_id))
    if chart is None:
        raise Unknown(
            "no_chart", "There is no chart for this patient.", "Check the link, or look the patient up again."
        )
    return chart


async def opened(uow: UnitOfWork, patient_id: UUID, box: Box) -> Sections:
    """The newest version of each section, unsealed."""
    found: Sections = {}
    for kind, row in (await repository.current(uow.conn, patient_id)).items():
        content = box.open_json(row.content)
        found[kind] = Saved(row, content, read(kind, content))
    return found


def screened(clinic: Clinic, sections: dict[SectionKind, Section], day: date) -> tuple[Finding, ...]:
    """What the clinic's rules say about these sections."""
    history = sections.get(SectionKind.HISTORY)
    return screening.findings(clinic.screening, history if isinstance(history, History) else None, today=day)


def resistance(clinic: Clinic, sections: dict[SectionKind, Section], day: date) -> Resistance:
    """What was tried long enough and did not help."""
    tried = sections.get(SectionKind.TRIED)
    return screening.resistance(clinic.screening, tried if isinstance(tried, Tried) else None, today=day)


def plain(sections: Sections) -> dict[SectionKind, Section]:
    """The sections without their rows."""
    return {kind: saved.section for kind, saved in sections.items()}


async def moved(
    uow: UnitOfWork,
    before: Chart,
    after: Chart,
    event: ApprovalRevoked | ApprovalExpired | ChartReopened | None = None,
) -> None:
    """Keep a chart that went back to gathering, or stayed, with everything that follows from it."""
    if isinstance(event, ApprovalRevoked | ApprovalExpired):
        state, reason = ("expired", "expired") if isinstance(event, ApprovalExpired) else ("revoked", event.reason)
        await repository.end_approval(uow.conn, event.approval_id, state, uow.now, reason)
        await cancel_timers(uow, subject=before.patient_id, kind=EXPIRES)
    if event is not None:
        uow.publish(event)
    await repository.store(uow.conn, after, uow.now)
    if after.state is State.GATHERING and before.state is not State.GATHERING:
        await close_task(uow, kind=SIGN, subject=before.patient_id, outcome="changed")
        await close_task(uow, kind=FOLLOW_UP, subject=before.patient_id, outcome="resumed")
        await cancel_timers(uow, subject=before.patient_id, kind=FOLLOW_UP)
        await raise_task(
            uow,
            kind=COMPLETE,
            subject=before.patient_id,
            occurrence=f"v{after.completed + 1}",
            role="front_desk",
            patient_id=before.patient_id,
        )
