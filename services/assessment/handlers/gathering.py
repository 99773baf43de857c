"""What is known is written down, section by section, until the chart is ready for a provider."""

from datetime import timedelta
from uuid import UUID

from services.assessment.domain import chart as charts
from services.assessment.domain import screening
from services.assessment.domain.canonical import canonical
from services.assessment.domain.changes import kinds
from services.assessment.domain.chart import Chart
from services.assessment.domain.refusals import Conflicting, Invalid
from services.assessment.domain.sections import History, Insurance, Section, SectionKind, dump
from services.assessment.handlers.charts import (
    COMPLETE,
    FOLLOW_UP,
    MORE,
    SAFETY,
    SIGN,
    Sections,
    held,
    moved,
    opened,
    plain,
    resistance,
    screened,
    today,
)
from services.assessment.repository import charts as repository
from services.assessment.rows import AssessmentRow, ConcernRow, SectionRow
from services.assessment.views import person_of
from shared.contracts.assessment import AssessmentCompleted, Flag, InsuranceVerified, SafetyConcernRaised, Severity
from shared.ids import new_id
from shared.security.sealing import Box
from shared.tasks import close_task, raise_task
from shared.timers import cancel_timers
from shared.uow import UnitOfWork


async def save(uow: UnitOfWork, patient_id: UUID, kind: SectionKind, section: Section, *, version: int) -> SectionRow:
    """Keep a new version of a section. `version` is the one that was edited; 0 where there was none.

    The same content again is no new version. Raises:
        Unknown: no such chart.
        Conflicting: somebody saved the section since; the detail names who and when.
        Invalid: a condition that the clinic's file doesn't know, a birth date in the future.
    """
    chart = await held(uow, patient_id)
    box = await uow.keys.box(chart.patient_id)
    before = await opened(uow, chart.patient_id, box)
    saved = before.get(kind)
    if saved is not None and saved.section == section:
        return saved.row
    if (saved.row.version if saved else 0) != version:
        raise _changed_meanwhile(uow, saved.row if saved else None)
    if isinstance(section, History):
        screening.check_conditions(uow.clinic.screening, section)
        if section.born is not None and section.born > today(uow):
            raise Invalid("born_in_future", "The birth date lies in the future.", "Correct the year.", "born")
    return await keep(uow, chart, kind, section, before, box, author=uow.actor)


def _changed_meanwhile(uow: UnitOfWork, row: SectionRow | None) -> Conflicting:
    if row is None:
        return Conflicting("version_unknown", "This section has not been saved yet.", "Send version 0.", "version")
    at = row.saved_at.astimezone(uow.clinic.tz)
    name = person_of(uow.clinic, row.author).name
    return Conflicting(
        "changed_meanwhile",
        f"{name} saved this section on {at:%Y-%m-%d} at {at:%H:%M} (version {row.version}).",
        "Open the chart again and enter your change into the newer version.",
        "version",
    )


async def keep(
    uow: UnitOfWork, chart: Chart, kind: SectionKind, section: Section, before: Sections, box: Box, *, author: str
) -> SectionRow:
    """Write the version and let it have its consequences: flags, an approval that ends, insurance, a safety concern."""
    version = before[kind].row.version + 1 if kind in before else 1
    row = SectionRow(kind, version, box.seal_json(dump(section)), author, uow.now)
    await repository.save(uow.conn, chart.patient_id, row)
    known = plain(before)
    old = screened(uow.clinic, known, today(uow))
    new = screened(uow.clinic, known | {kind: section}, today(uow))
    changes = set(kinds(known.get(kind), section)) | ({"flags"} if charts.flags_changed(old, new) else set())
    unseen = charts.unseen(old, new)
    after, event = charts.changed(
        chart, kinds=changes, raised=unseen, revoked_by=uow.clinic.approval.revoked_by, now=uow.now
    )
    await moved(uow, chart, after, event)
    if isinstance(section, Insurance):
        uow.publish(_insurance(uow, chart.patient_id, section, box))
    for finding in new:
        if finding.severity is Severity.CRISIS and finding.code in unseen:
            await raise_concern(uow, chart.patient_id, finding.code)
    return row


def _insurance(uow: UnitOfWork, patient_id: UUID, section: Insurance, box: Box) -> InsuranceVerified:
    details = {"payer": section.payer, "plan": section.plan, "member_id": section.member_id, "note": section.note}
    return InsuranceVerified(
        patient_id=patient_id,
        verification_id=new_id(),
        status=section.status,
        by="staff",
        checked_at=uow.now,
        details=box.seal_json(details),
    )


async def raise_concern(uow: UnitOfWork, patient_id: UUID, code: str) -> None:
    """A provider is called now; nothing where such a concern is open already."""
    concern = ConcernRow(new_id(), code, "high", uow.now, uow.actor, None, None, None)
    if not await repository.raise_concern(uow.conn, patient_id, concern):
        return
    uow.publish(
        SafetyConcernRaised(
            patient_id=patient_id, concern_id=concern.id, kind=code, level="high", raised_at=concern.raised_at
        )
    )
    await call_provider(uow, patient_id, str(concern.id))


async def call_provider(uow: UnitOfWork, patient_id: UUID, occurrence: str) -> None:
    """A provider's task, now. `occurrence` begins with the concern's id."""
    await raise_task(
        uow,
        kind=SAFETY,
        subject=patient_id,
        occurrence=occurrence,
        role="provider",
        patient_id=patient_id,
        deadline=uow.now,
    )


async def complete(uow: UnitOfWork, patient_id: UUID) -> AssessmentRow:
    """Freeze what is known as a version that a provider decides about.

    Raises:
        Unknown: no such chart.
        Conflicting: it waits for a decision already, or an approval is in force.
        Invalid: history, goals or what was tried was never saved.
    """
    chart = await held(uow, patient_id)
    box = await uow.keys.box(chart.patient_id)
    sections = await opened(uow, chart.patient_id, box)
    after = charts.completed(chart, assessment_id=new_id(), present=sections.keys())
    known, day = plain(sections), today(uow)
    found = screened(uow.clinic, known, day)
    value, content_hash = charts.contents(
        chart.patient_id,
        {kind: (saved.row.version, saved.content) for kind, saved in sections.items()},
        found,
        resistance(uow.clinic, known, day),
        uow.clinic.hash,
    )
    row = AssessmentRow(
        id=after.assessment or new_id(),
        patient_id=chart.patient_id,
        version=after.completed,
        content=box.seal(canonical(value)),
        content_hash=content_hash,
        policy_hash=uow.clinic.hash,
        completed_by=uow.actor,
        completed_at=uow.now,
    )
    await repository.add_assessment(uow.conn, row)
    await repository.store(uow.conn, after, uow.now)
    flags = tuple(Flag(code=finding.code, severity=finding.severity) for finding in found)
    uow.publish(
        AssessmentCompleted(
            patient_id=chart.patient_id,
            assessment_id=row.id,
            version=row.version,
            content_hash=content_hash,
            flags=flags,
            policy_hash=row.policy_hash,
        )
    )
    await close_task(uow, kind=COMPLETE, subject=chart.patient_id, outcome="completed")
    await close_task(uow, kind=MORE, subject=chart.patient_id, outcome="completed")
    await close_task(uow, kind=FOLLOW_UP, subject=chart.patient_id, outcome="resumed")
    await cancel_timers(uow, subject=chart.patient_id, kind=FOLLOW_UP)
    await raise_task(
        uow,
        kind=SIGN,
        subject=chart.patient_id,
        occurrence=str(row.id),
        role="provider",
        patient_id=chart.patient_id,
        deadline=uow.now + timedelta(hours=uow.clinic.approval.sign_within_hours),
    )
    return row
