"""The whole chart as it stands, for somebody who may read it."""

from uuid import UUID

from services.assessment import views
from services.assessment.domain import screening
from services.assessment.domain.canonical import digest
from services.assessment.domain.chart import Chart
from services.assessment.domain.refusals import Unknown
from services.assessment.domain.sections import REQUIRED, SectionKind
from services.assessment.handlers import consenting
from services.assessment.handlers.charts import Sections, opened, plain, resistance, screened, today
from services.assessment.handlers.deciding import signature, statement_of
from services.assessment.repository import charts as repository
from services.assessment.repository import consents, eligibility
from services.assessment.rows import ApprovalRow, ConcernRow, ConsentRow, DecisionRow
from services.assessment.views import person_of
from shared.audit import audit
from shared.contracts.assessment import Severity
from shared.security.sealing import Box
from shared.uow import UnitOfWork


async def chart(uow: UnitOfWork, patient_id: UUID) -> views.ChartView:
    """Everything about one patient's chart; the reading itself is audited.

    Raises:
        Unknown: no such chart.
    """
    found = await _find(uow, patient_id)
    await audit(uow, action="read", what="chart", subject=found.patient_id)
    box = await uow.keys.box(found.patient_id)
    sections = await opened(uow, found.patient_id, box)
    known, day = plain(sections), today(uow)
    approvals = [_approval(row) for row in await repository.approvals(uow.conn, found.patient_id)]
    versions = await repository.versions(uow.conn, found.patient_id)
    return views.ChartView(
        patient_id=found.patient_id,
        state=found.state.value,
        sections=_sections(uow, sections),
        versions=[
            views.VersionView(
                section=row.kind, version=row.version, by=person_of(uow.clinic, row.author), at=row.saved_at
            )
            for row in versions
        ],
        missing=[kind for kind in REQUIRED if kind not in sections],
        flags=[views.FlagView.model_validate(f.as_json()) for f in screened(uow.clinic, known, day)],
        resistance=views.ResistanceView.model_validate(resistance(uow.clinic, known, day).as_json()),
        assessment=await _assessment(uow, found, box),
        decisions=[_decision(uow, box, row) for row in await repository.decisions(uow.conn, found.patient_id)],
        approval=next((each for each in approvals if each.state == "in_force"), None),
        approvals=approvals,
        concerns=[_concern(uow, box, row) for row in await repository.concerns(uow.conn, found.patient_id)],
        eligibility=await _eligibility(uow, found.patient_id, box),
        consents=[_consent(uow, box, row) for row in await consents.of_patient(uow.conn, found.patient_id)],
        told=await repository.steps_told(uow.conn, found.patient_id),
        choices=views.choices(uow.clinic, _asked(uow)),
    )


async def section(uow: UnitOfWork, patient_id: UUID, kind: SectionKind, version: int) -> views.SectionVersion:
    """One section as it was in one version; audited too.

    Raises:
        Unknown: no such chart or version.
    """
    found = await _find(uow, patient_id)
    row = await repository.version(uow.conn, found.patient_id, kind, version)
    if row is None:
        raise Unknown("no_version", "This section has no such version.", "Open the chart to see its versions.")
    await audit(uow, action="read", what=f"chart.{kind}.{version}", subject=found.patient_id)
    box = await uow.keys.box(found.patient_id)
    return views.SectionVersion(
        section=kind,
        version=row.version,
        by=person_of(uow.clinic, row.author),
        at=row.saved_at,
        content=box.open_json(row.content),
    )


async def _find(uow: UnitOfWork, patient_id: UUID) -> Chart:
    found = await repository.find(uow.conn, await repository.resolve(uow.conn, patient_id))
    if found is None:
        raise Unknown(
            "no_chart", "There is no chart for this patient.", "Check the link, or look the patient up again."
        )
    return found


def _sections(uow: UnitOfWork, sections: Sections) -> views.Sections:
    return views.Sections.model_validate(
        {
            kind.value: {
                "version": saved.row.version,
                "by": person_of(uow.clinic, saved.row.author),
                "at": saved.row.saved_at,
                "content": saved.section,
            }
            for kind, saved in sections.items()
        }
    )


async def _assessment(uow: UnitOfWork, found: Chart, box: Box) -> views.AssessmentView | None:
    row = await repository.latest_assessment(uow.conn, found.patient_id)
    if row is None:
        return None
    decided = await repository.is_decided(uow.conn, row.id)
    return views.AssessmentView(
        id=row.id,
        version=row.version,
        hash=row.content_hash,
        policy_hash=row.policy_hash,
        completed_at=row.completed_at,
        completed_by=person_of(uow.clinic, row.completed_by),
        current=found.assessment == row.id and not decided,
        assessed=box.open_json(row.content),
    )


def _decision(uow: UnitOfWork, box: Box, row: DecisionRow) -> views.DecisionView:
    statement = statement_of(box, row)
    return views.DecisionView.model_validate(
        {
            "id": row.id,
            "assessment_id": row.assessment_id,
            "action": row.action,
            "provider": person_of(uow.clinic, row.provider_id),
            "licence": row.licence,
            "licence_state": row.licence_state,
            "signed_at": row.signed_at,
            "policy_hash": row.policy_hash,
            "decision": statement["decision"],
            "digest": row.digest,
            "verified": digest(statement) == row.digest and signature(uow, row.digest) == row.signature,
        }
    )


def _approval(row: ApprovalRow) -> views.ApprovalView:
    return views.ApprovalView.model_validate(
        {
            "id": row.id,
            "route": row.route,
            "sessions": row.sessions,
            "valid_until": row.valid_until,
            "state": row.state,
            "ended_at": row.ended_at,
            "reason": row.reason,
        }
    )


def _concern(uow: UnitOfWork, box: Box, row: ConcernRow) -> views.ConcernView:
    return views.ConcernView.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "level": row.level,
            "raised_at": row.raised_at,
            "raised_by": person_of(uow.clinic, row.raised_by),
            "cleared_at": row.cleared_at,
            "cleared_by": person_of(uow.clinic, row.cleared_by) if row.cleared_by else None,
            "reason": box.open(row.reason) if row.reason else None,
        }
    )


def _consent(uow: UnitOfWork, box: Box, row: ConsentRow) -> views.ConsentView:
    name = box.open(row.name)
    found = {
        "name": name,
        "verified": consenting.verified(uow, row, name),
        "newest": consenting.is_newest(uow, row),
    }
    shown = {field: getattr(row, field) for field in views.ConsentView.model_fields if field not in found}
    return views.ConsentView.model_validate(shown | found)


async def _eligibility(uow: UnitOfWork, patient_id: UUID, box: Box) -> views.EligibilityView | None:
    row = await eligibility.newest(uow.conn, patient_id)
    if row is None:
        return None
    said = {name: getattr(row, name) for name in ("state", "asked_at", "attempts", "checked_at", "status", "codes")}
    return views.EligibilityView.model_validate(
        said
        | {"problem": row.problem, "asked_by": person_of(uow.clinic, row.asked_by)}
        | (box.open_json(row.figures) if row.figures else {})
    )


def _asked(uow: UnitOfWork) -> list[views.ConditionChoice]:
    return [
        views.ConditionChoice(code=rule.code, label=rule.label, severity=Severity(rule.severity), reason=rule.reason)
        for rule in screening.asked(uow.clinic.screening)
    ]
