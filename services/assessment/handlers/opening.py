"""A chart is opened by a first contact; two charts that turn out to be one person's; a person who is erased."""

from services.assessment.domain import chart as charts
from services.assessment.domain.sections import SectionKind
from services.assessment.handlers.charts import COMPARE, TASKS, held, moved, opened
from services.assessment.handlers.gathering import keep, raise_concern
from services.assessment.handlers.telling import PAGE
from services.assessment.repository import charts as repository
from shared.contracts.intake import LeadCreated, LeadMerged, LeadUnmerged, PatientErased
from shared.http import links
from shared.tasks import close_task, raise_task
from shared.timers import cancel_timers
from shared.uow import UnitOfWork


async def open_chart(uow: UnitOfWork, event: LeadCreated) -> None:
    """A chart for a new patient. Nothing for one who was erased before their first event came this far."""
    if event.key is not None:
        await repository.open_chart(uow.conn, event.patient_id, uow.now)


async def follow_merge(uow: UnitOfWork, event: LeadMerged) -> None:
    """From now on the absorbed id leads to this chart.

    What only the absorbed chart says is taken over, and so is an open safety concern. An approval ends: nobody assessed
    these two as one person.
    Where both charts say something, the surviving one stays and a person compares.
    """
    await repository.add_alias(uow.conn, event.absorbed_id, event.patient_id, uow.now)
    absorbed = await repository.find_locked(uow.conn, event.absorbed_id)
    if absorbed is None:
        return
    if absorbed.approval is not None:
        after, ended = charts.revoked(absorbed, "merged", now=uow.now)
        await moved(uow, absorbed, after, ended)
    await cancel_timers(uow, subject=event.absorbed_id)
    for kind in TASKS:
        await close_task(uow, kind=kind, subject=event.absorbed_id, outcome="merged")
    both = await _take_over(uow, event)
    await _still_concerned(uow, event)
    if both:
        await raise_task(
            uow,
            kind=COMPARE,
            subject=event.patient_id,
            occurrence=str(event.absorbed_id),
            role="front_desk",
            patient_id=event.patient_id,
        )


async def _still_concerned(uow: UnitOfWork, event: LeadMerged) -> None:
    """A concern that nobody has cleared is now about the surviving patient."""
    survivor = await repository.resolve(uow.conn, event.patient_id)
    for concern in await repository.concerns(uow.conn, event.absorbed_id):
        if concern.cleared_at is None:
            await raise_concern(uow, survivor, concern.kind)


async def _take_over(uow: UnitOfWork, event: LeadMerged) -> list[SectionKind]:
    """Copy, under the surviving patient's key, what the chart lacks. Returns the sections that both have."""
    survivor = await held(uow, event.patient_id)
    boxes = await uow.keys.boxes([event.absorbed_id, survivor.patient_id])
    if len(boxes) < 2:
        return []
    theirs = await opened(uow, event.absorbed_id, boxes[event.absorbed_id])
    ours = await opened(uow, survivor.patient_id, boxes[survivor.patient_id])
    for kind, saved in theirs.items():
        if kind not in ours:
            chart = await held(uow, survivor.patient_id)
            now = await opened(uow, survivor.patient_id, boxes[survivor.patient_id])
            author = saved.row.author
            await keep(uow, chart, kind, saved.section, now, boxes[survivor.patient_id], author=author)
    return [kind for kind in theirs if kind in ours]


async def undo_merge(uow: UnitOfWork, event: LeadUnmerged) -> None:
    """The absorbed chart stands for itself again, as it was, without its approval."""
    await repository.remove_alias(uow.conn, event.absorbed_id)


async def forget(uow: UnitOfWork, event: PatientErased) -> None:
    """The key is gone already, and with it every word; nothing is left to do for this patient either."""
    await cancel_timers(uow, subject=event.patient_id)
    await links.revoke(uow, purpose=PAGE, subject=event.patient_id)
    for kind in TASKS:
        await close_task(uow, kind=kind, subject=event.patient_id, outcome="erased")
