"""Events in: each goes to its handler, nothing else."""

from collections.abc import Sequence

from services.intake.adapters.mailbox import Mailbox
from services.intake.handlers import letters, people
from services.intake.handlers.letters import Letter
from shared.consuming import Consumes, Record
from shared.contracts.envelope import Envelope
from shared.contracts.scheduling import ConsultationScheduled, SessionDosed
from shared.contracts.topics import SUBMISSIONS
from shared.uow import UnitOfWork


def consumers(mailbox: Mailbox) -> Consumes:
    """What intake listens to; letters are opened with `mailbox`."""
    consumes = Consumes()

    @consumes(ConsultationScheduled)
    async def on_consultation_scheduled(uow: UnitOfWork, event: ConsultationScheduled, _at: Envelope) -> None:
        await people.arranged(uow, event.patient_id)

    @consumes(SessionDosed)
    async def on_session_dosed(uow: UnitOfWork, event: SessionDosed, _at: Envelope) -> None:
        await people.treated(uow, event.patient_id, event.dosed_at)

    def letter_of(record: Record) -> Letter:
        return Letter(f"{record.topic}/{record.partition}/{record.offset}", record.key, record.value)

    async def on_submissions(uow: UnitOfWork, records: Sequence[Record]) -> list[Record]:
        left = await letters.receive_strangers(uow, mailbox, [letter_of(record) for record in records])
        return [records[place] for place in left]

    @consumes.raw(SUBMISSIONS, together=on_submissions)
    async def on_submission(uow: UnitOfWork, record: Record) -> None:
        await letters.receive(uow, mailbox, letter_of(record))

    return consumes
