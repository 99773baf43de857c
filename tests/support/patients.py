"""Patients at every stage, told by their events: what the board and its tests are looked at with."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.contracts import assessment as a
from shared.contracts import intake as i
from shared.contracts import notifications as n
from shared.contracts import scheduling as s
from shared.contracts.tasks import TaskRaised
from shared.ids import new_id
from tests.support.dashboard import Producers

HASH = "0123456789abcdef"
ZONE = "America/Denver"


def soon(**ahead: float) -> datetime:
    """A moment from now, on the quarter hour."""
    moment = datetime.now(UTC) + timedelta(**ahead)
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


class Cast:
    """Tells their stories through the producers."""

    def __init__(self, producers: Producers) -> None:
        self.say = producers.say
        self.producers = producers

    async def caller(self, name: str, words: str, *, minutes: float) -> UUID:
        """Somebody new who waits for an answer."""
        patient = await self.producers.lead(name, words, answer_due=datetime.now(UTC) + timedelta(minutes=minutes))
        await self.task("intake", patient, "answer-lead", words, minutes=minutes)
        return patient

    async def task(
        self,
        source: str,
        patient: UUID,
        kind: str,
        words: str,
        *,
        role: str = "front_desk",
        minutes: float | None = None,
        appointment: UUID | None = None,
    ) -> UUID:
        box = await self.producers.box(patient)
        deadline = None if minutes is None else datetime.now(UTC) + timedelta(minutes=minutes)
        task = TaskRaised(
            task_id=new_id(), patient_id=patient, kind=kind, occurrence="first", role=role, deadline=deadline,
            appointment_id=appointment, detail=box.seal(words),
        )  # fmt: skip
        await self.say(source, task)
        return task.task_id

    async def meets(self, name: str, *, hours: float, mode: str = "video", provider: str = "osei") -> UUID:
        """Somebody with a consultation."""
        patient = await self.producers.lead(name, "I have tried two medications.")
        await self.meeting(patient, hours=hours, mode=mode, provider=provider)
        return patient

    async def meeting(self, patient: UUID, *, hours: float, mode: str = "video", provider: str = "osei") -> UUID:
        starts = soon(hours=hours)
        booked = s.ConsultationScheduled(
            patient_id=patient, appointment_id=new_id(), starts_at=starts, ends_at=starts + timedelta(hours=1),
            zone=ZONE, provider_id=provider, mode=mode, booked_by="staff", policy_hash=HASH,
        )  # fmt: skip
        await self.say("scheduling", booked, actor="staff:dana")
        return booked.appointment_id

    async def assessed(self, name: str, *codes: str) -> tuple[UUID, UUID]:
        """Somebody whose assessment waits for a decision."""
        patient = await self.meets(name, hours=-30, mode="in_person")
        done = a.AssessmentCompleted(
            patient_id=patient, assessment_id=new_id(), version=1, content_hash=HASH, policy_hash=HASH,
            flags=tuple(a.Flag(code=code, severity=a.Severity.REVIEW) for code in codes),
        )  # fmt: skip
        active = a.InsuranceVerified(
            patient_id=patient, verification_id=new_id(), status="active", by="staff", checked_at=soon(hours=-20)
        )
        await self.say("assessment", active, done, actor="staff:osei")
        return patient, done.assessment_id

    async def approved(self, name: str, *, days: tuple[float, ...], done: int = 0) -> tuple[UUID, list[UUID]]:
        """Somebody in a course, with `done` sessions behind them."""
        patient, assessment = await self.assessed(name)
        approval, course = new_id(), new_id()
        box = await self.producers.box(patient)
        yes = a.CandidateApproved(
            patient_id=patient, approval_id=approval, assessment_id=assessment, assessment_version=1,
            assessment_hash=HASH, route=a.Route.IM, sessions=len(days), provider_id="osei", licence="UT-1048831",
            signed_at=soon(hours=-2), valid_until=soon(days=88),
            conditions=box.seal("Blood pressure under 140/90 each time."), policy_hash=HASH,
        )  # fmt: skip
        await self.say("assessment", yes, actor="staff:osei")
        booked = [self._session(patient, approval, course, n, len(days), day) for n, day in enumerate(days, 1)]
        over = [
            s.SessionCompleted(
                patient_id=patient, appointment_id=it.appointment_id, number=it.number, of=it.of,
                discharged_at=it.ends_at, escort_present=True,
            )
            for it in booked[:done]
        ]  # fmt: skip
        await self.say("scheduling", *booked, *over)
        return patient, [it.appointment_id for it in booked]

    @staticmethod
    def _session(patient: UUID, approval: UUID, course: UUID, number: int, of: int, day: float) -> s.SessionScheduled:
        starts = soon(days=day)
        return s.SessionScheduled(
            patient_id=patient, appointment_id=new_id(), course_id=course, approval_id=approval, number=number, of=of,
            route=a.Route.IM, starts_at=starts, dose_at=starts + timedelta(minutes=30),
            ends_at=starts + timedelta(minutes=165), room_until=starts + timedelta(minutes=180), zone=ZONE,
            room_id="room-2", monitor_id="tran", prescriber_id="osei", policy_hash=HASH,
        )  # fmt: skip

    async def texts(self, patient: UUID, ours: str, theirs: str, appointment: UUID) -> None:
        """We ask, they answer."""
        box = await self.producers.box(patient)
        sent = n.MessageSent(
            patient_id=patient, message_id=new_id(), kind="escort", channel="sms", appointment_id=appointment,
            body=box.seal(ours), sent_at=soon(hours=-20),
        )  # fmt: skip
        got = i.MessageReceived(
            patient_id=patient, message_id=new_id(), channel=i.Channel.TEXT, body=box.seal(theirs),
            received_at=soon(hours=-19),
        )  # fmt: skip
        await self.say("notifications", sent)
        await self.say("intake", got, actor="patient")

    async def everybody(self) -> dict[str, UUID]:
        """One or two at every stage."""
        jonah = await self.caller("Jonah Price", "I've tried two medications and nothing has helped.", minutes=12)
        await self.caller("Wei Zhang", "Do you take my insurance?", minutes=-8)
        await self.meets("Ruth Abara", hours=4)
        await self.meets("Luis Ortega", hours=26, mode="in_person", provider="rios")
        await self.meets("Priya Nair", hours=-50)
        ivy, _ = await self.assessed("Ivy Nakamura", "IX_LAMOTRIGINE", "REL_CV")
        await self.task("assessment", ivy, "sign-decision", "Version 1", role="provider", minutes=90)
        theo, sessions = await self.approved("Theo Lindqvist", days=(-6, -3, 0.2, 3, 6, 9), done=2)
        missing = n.TransportMissing(
            patient_id=theo, appointment_id=sessions[2], starts_at=soon(days=0.2), cut_off_at=soon(hours=-7)
        )
        await self.say("notifications", missing)
        await self.task("notifications", theo, "transport-missing", "Asked twice, no answer.", minutes=78,
                        appointment=sessions[2])  # fmt: skip
        await self.texts(theo, "Harbor Clinic: your visit is tomorrow. Who takes you home? Reply with a name.",
                         "Not sure yet", sessions[2])  # fmt: skip
        grace, booked = await self.approved("Grace Bell", days=(1, 4, 7, 10))
        ride = n.TransportConfirmed(
            patient_id=grace, appointment_id=booked[0], escort=(await self.producers.box(grace)).seal("Sam Bell"),
            by="patient", confirmed_at=soon(hours=-1),
        )  # fmt: skip
        await self.say("notifications", ride)
        nora, assessment = await self.assessed("Nora Kim")
        elsewhere = a.AlternativeRecommended(
            patient_id=nora, decision_id=new_id(), assessment_id=assessment, assessment_hash=HASH,
            alternative=a.Alternative.CBT, provider_id="osei", licence="UT-1048831", signed_at=soon(hours=-1),
            reason=(await self.producers.box(nora)).seal("Two short trials only; therapy first."),
            follow_up_on=soon(days=42).date(), policy_hash=HASH,
        )  # fmt: skip
        await self.say("assessment", elsewhere, actor="staff:osei")
        return {"jonah": jonah, "ivy": ivy, "theo": theo, "grace": grace, "nora": nora}
