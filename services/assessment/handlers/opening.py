"""A chart is opened by a first contact; two charts that turn out to be one person's; a person who is erased."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from services.assessment.domain import chart as charts
from services.assessment.domain.changes import kinds, together
from services.assessment.domain.chart import Chart, State
from services.assessment.domain.sections import History, Section, SectionKind
from services.assessment.handlers.charts import (
    COMPARE,
    COMPLETE,
    FOLLOW_UP,
    SAFETY,
    SIGN,
    TASKS,
    held,
    moved,
    opened,
    plain,
    screened,
    today,
)
from services.assessment.handlers.deciding import set_follow_up, statement_of
from services.assessment.handlers.gathering import call_provider, keep, raise_concern
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

    What only the absorbed chart says is taken over, and so is an open safety concern. Where both charts say something,
    the surviving one stays and a person compares. The absorbed chart's approval ends; the surviving one's ends, and
    what waits for a decision no longer does, when the other chart says what no provider has seen. Whatever else was to
    be done about the absorbed patient, a reading to look at or words of theirs, is still to be done.
    """
    await repository.add_alias(uow.conn, event.absorbed_id, event.patient_id, uow.now)
    absorbed = await repository.find_locked(uow.conn, event.absorbed_id)
    if absorbed is None:
        return
    if absorbed.approval is not None:
        after, ended = charts.revoked(absorbed, "merged", now=uow.now)
        await moved(uow, absorbed, after, ended)
    await cancel_timers(uow, subject=event.absorbed_id)
    for kind in (COMPLETE, SIGN, FOLLOW_UP, SAFETY):
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
    await _seen_by_nobody(uow, survivor, plain(ours), plain(theirs))
    for kind, saved in theirs.items():
        if kind not in ours:
            chart = await held(uow, survivor.patient_id)
            now = await opened(uow, survivor.patient_id, boxes[survivor.patient_id])
            author = saved.row.author
            await keep(uow, chart, kind, saved.section, now, boxes[survivor.patient_id], author=author)
    return [kind for kind in theirs if kind in ours]


Plain = dict[SectionKind, Section]


async def _seen_by_nobody(uow: UnitOfWork, survivor: Chart, ours: Plain, theirs: Plain) -> None:
    """The other chart's history is the same person's: it ends what an entry of it would have ended here."""
    mine, other = ours.get(SectionKind.HISTORY), theirs.get(SectionKind.HISTORY)
    if survivor.state is State.DECIDED and survivor.approval is None:
        return
    if not isinstance(mine, History) or not isinstance(other, History):
        return
    both = together(mine, other)
    day = today(uow)
    unseen = charts.unseen(screened(uow.clinic, ours, day), screened(uow.clinic, {SectionKind.HISTORY: both}, day))
    changes = kinds(mine, both)
    if unseen or (changes if survivor.approval is None else changes & set(uow.clinic.approval.revoked_by)):
        if survivor.approval is not None:
            after, ended = charts.revoked(survivor, "merged", now=uow.now)
        else:
            after, ended = replace(survivor, state=State.GATHERING, assessment=None), None
        await moved(uow, survivor, after, ended)


async def undo_merge(uow: UnitOfWork, event: LeadUnmerged) -> None:
    """The absorbed chart stands for itself again, as it was, without its approval, and with what is to be done for it.

    A concern that was cleared meanwhile is open again: nobody knows which of the two people the clinician spoke with.
    """
    since = await repository.remove_alias(uow.conn, event.absorbed_id, event.patient_id)
    chart = await repository.find_locked(uow.conn, event.absorbed_id)
    if since is None or chart is None or not await uow.keys.boxes([event.absorbed_id]):
        return
    again = f"unmerged-{uow.now:%Y%m%dT%H%M%S}"
    for concern in await repository.concerns(uow.conn, chart.patient_id):
        if concern.cleared_at is None:
            await call_provider(uow, chart.patient_id, f"{concern.id}:{again}")
        elif concern.cleared_at >= since:
            await raise_concern(uow, chart.patient_id, concern.kind)
    match chart.state:
        case State.GATHERING:
            await _to_do(uow, chart, COMPLETE, f"v{chart.completed + 1}:{again}", "front_desk")
        case State.COMPLETE:
            within = timedelta(hours=uow.clinic.approval.sign_within_hours)
            await _to_do(uow, chart, SIGN, f"{chart.assessment}:{again}", "provider", uow.now + within)
        case State.DECIDED:
            await _ask_on_its_day(uow, chart, again)
        case State.NEW:
            pass


async def _to_do(
    uow: UnitOfWork, chart: Chart, kind: str, occurrence: str, role: str, deadline: datetime | None = None
) -> None:
    who = chart.patient_id
    await raise_task(
        uow, kind=kind, subject=who, occurrence=occurrence, role=role, patient_id=who, deadline=deadline
    )  # fmt: skip


async def _ask_on_its_day(uow: UnitOfWork, chart: Chart, again: str) -> None:
    """The newest decision's day to ask how the alternative goes, where it names one."""
    newest = next(iter(await repository.decisions(uow.conn, chart.patient_id)), None)
    if newest is not None:
        box = await uow.keys.box(chart.patient_id)
        day = statement_of(box, newest)["decision"].get("follow_up_on")
        await set_follow_up(uow, chart.patient_id, f"{newest.id}:{again}", date.fromisoformat(day) if day else None)


async def forget(uow: UnitOfWork, event: PatientErased) -> None:
    """The key is gone already, and with it every word; nothing is left to do for this patient either."""
    await cancel_timers(uow, subject=event.patient_id)
    await links.revoke(uow, purpose=PAGE, subject=event.patient_id)
    for kind in TASKS:
        await close_task(uow, kind=kind, subject=event.patient_id, outcome="erased")
