"""Event logs filled the way services fill them: by `append`, in transactions, with bodies of the usual size."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from shared.contracts.assessment import AssessmentCompleted, CandidateApproved, Route
from shared.contracts.base import Event, Source
from shared.contracts.intake import Channel, LeadCreated, LeadUpdated
from shared.contracts.notifications import MessageSent
from shared.contracts.scheduling import ConsultationScheduled, SessionScheduled
from shared.contracts.tasks import TaskClosed, TaskRaised
from shared.eventlog.log import Origin, Pending, append
from shared.ids import new_id
from shared.security.keyring import KEY, Keyring
from shared.security.sealing import Box
from tests.support.world import World

PER_TRANSACTION = 1_000
EVENTS_PER_PATIENT = 10
HASH = "0123456789abcdef"
SEALED = Box(UUID(int=0), bytes(KEY)).seal("Harbor Clinic: your visit is on Tuesday at 9. Reply 1 to confirm.")


def updated(patient: UUID, number: int = 0) -> LeadUpdated:
    """An event of about 300 bytes with its envelope."""
    return LeadUpdated(patient_id=patient, changed=("language",), language=("en", "es")[number % 2])


def own_box(patient: UUID) -> Box:
    """What opens and seals for a patient of `lead`."""
    return Box(patient, _key(patient))


def _key(patient: UUID) -> bytes:
    return patient.bytes * (KEY // 16)


def lead(keyring: Keyring, patient: UUID) -> LeadCreated:
    """A new patient with a key of their own, as intake tells it."""
    box = own_box(patient)
    return LeadCreated(
        patient_id=patient,
        key=keyring.wrap(patient, _key(patient)),
        channel=Channel.WEB,
        name=box.seal("Jo Doe"),
        contact=box.seal_json({"phone": "+13035550148", "email": None}),
        message=box.seal("I have tried two medications and nothing has helped."),
        has_phone=True,
        has_email=False,
        language="en",
        answer_due=datetime.now(UTC) + timedelta(minutes=15),
    )


def story(keyring: Keyring, patient: UUID) -> list[tuple[Source, Event]]:
    """Ten events of one patient by three services: contact, an answered task, changes, a consultation, messages."""
    task, appointment = new_id(), new_id()
    starts = datetime.now(UTC) + timedelta(days=2)
    booked = ConsultationScheduled(
        patient_id=patient, appointment_id=appointment, starts_at=starts, ends_at=starts + timedelta(hours=1),
        zone="America/Denver", provider_id="osei", mode="video", booked_by="staff", policy_hash=HASH,
    )  # fmt: skip
    raised = TaskRaised(
        task_id=task, patient_id=patient, kind="answer-lead", occurrence="first", role="front_desk",
        deadline=starts, detail=None,
    )  # fmt: skip
    closed = TaskClosed(task_id=task, patient_id=patient, kind="answer-lead", how="person", outcome="answered")
    sent = [
        MessageSent(
            patient_id=patient, message_id=new_id(), kind="confirmation", channel="sms", appointment_id=appointment,
            body=SEALED, sent_at=starts,
        )
        for _ in range(3)
    ]  # fmt: skip
    intake: list[Event] = [lead(keyring, patient), raised, updated(patient), updated(patient, 1), closed]
    intake.append(updated(patient))
    return [
        *(("intake", event) for event in intake),
        ("scheduling", booked),
        *(("notifications", event) for event in sent),
    ]


def way(keyring: Keyring, patient: UUID, number: int) -> list[tuple[Source, Event]]:
    """What was told of an active patient; by `number` they stand at one of five stages."""
    now = datetime.now(UTC)
    stage = number % 5
    came = lead(keyring, patient).model_copy(update={"answer_due": now + timedelta(hours=1, seconds=number)})
    met = now + timedelta(days=1 + number % 9) if stage == 1 else now - timedelta(days=1 + number % 9)
    talk = ConsultationScheduled(
        patient_id=patient, appointment_id=new_id(), starts_at=met, ends_at=met + timedelta(hours=1),
        zone="America/Denver", provider_id="osei", mode="video", booked_by="staff", policy_hash=HASH,
    )  # fmt: skip
    ready = AssessmentCompleted(
        patient_id=patient, assessment_id=new_id(), version=1, content_hash=HASH, flags=(), policy_hash=HASH
    )
    yes = CandidateApproved(
        patient_id=patient, approval_id=new_id(), assessment_id=ready.assessment_id, assessment_version=1,
        assessment_hash=HASH, route=Route.IM, sessions=6, provider_id="osei", licence="UT-1048831", signed_at=now,
        valid_until=now + timedelta(days=90), policy_hash=HASH,
    )  # fmt: skip
    sessions = [
        SessionScheduled(
            patient_id=patient, appointment_id=new_id(), course_id=yes.approval_id, approval_id=yes.approval_id,
            number=one + 1, of=6, route=Route.IM, starts_at=starts, dose_at=starts + timedelta(minutes=30),
            ends_at=starts + timedelta(minutes=165), room_until=starts + timedelta(hours=3), zone="America/Denver",
            room_id="room-2", monitor_id="tran", prescriber_id="osei", policy_hash=HASH,
        )
        for one in range(6)
        for starts in [now + timedelta(days=1 + number % 7 + 3 * one)]
    ]  # fmt: skip
    told: list[list[tuple[Source, Event]]] = [
        [("intake", came)],
        [("scheduling", talk)],
        [],
        [("assessment", ready)],
        [("assessment", yes), *(("scheduling", it) for it in sessions)],
    ]
    return [event for some in told[: stage + 1] for event in some]


async def fill(world: World, source: Source, events: Iterable[Event]) -> int:
    """Append events to a producer's log, a thousand a transaction; how many there were."""
    rest, total = iter(events), 0
    async with world.connection(source) as conn:
        origin = Origin(source, datetime.now(UTC), "patient", new_id())
        while some := [Pending(event, origin) for event in islice(rest, PER_TRANSACTION)]:
            async with conn.transaction():
                await append(conn, some)
            total += len(some)
    return total


async def fill_updates(world: World, patients: Sequence[UUID], count: int) -> None:
    """`count` events in intake's log, the patients in turn."""
    await fill(world, "intake", (updated(patients[number % len(patients)], number) for number in range(count)))
