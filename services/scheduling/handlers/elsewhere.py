"""What is changed here of an appointment that another system keeps too. Nothing is written there: a person does it."""

from services.scheduling.domain.appointments import Appointment, State
from services.scheduling.repository import external
from shared.tasks import close_tasks, raise_task
from shared.uow import UnitOfWork

CHANGED = "change-elsewhere"


async def to_change(uow: UnitOfWork, was: Appointment, now: Appointment) -> None:
    """Have a person change it there too: until then that time is promised to the same patient a second time."""
    vendor = await external.vendor_of(uow.conn, was.id)
    if vendor is None or was.ends_at <= uow.now:
        return
    if now.state is State.CANCELLED:
        change = "It was cancelled here: cancel it there too."
    else:
        change = f"Here it is now {_said(uow, now)}: change it there too."
    await raise_task(
        uow,
        kind=CHANGED,
        subject=was.patient_id,
        occurrence=f"{was.id}:{now.revision}:{now.state.value}",
        role="front_desk",
        patient_id=was.patient_id,
        appointment_id=was.id,
        deadline=min(was.starts_at, now.starts_at),
        detail=f"{vendor.title()} still has {_said(uow, was)}. {change}",
    )


async def heard(uow: UnitOfWork, ours: Appointment) -> None:
    """That system said something of it since, and it is followed here."""
    await close_tasks(uow, kind=CHANGED, subject=ours.patient_id, beginning=str(ours.id), outcome="changed-there")


def _said(uow: UnitOfWork, one: Appointment) -> str:
    # Who has left the clinic is in its file no more, and may still be who they were booked with.
    who = next((person.name for person in uow.clinic.people if person.id == one.provider_id), one.provider_id)
    return f"{one.starts_at.astimezone(uow.clinic.tz):%A %d %B, %H:%M}, with {who}"
