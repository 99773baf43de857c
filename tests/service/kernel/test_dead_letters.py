"""What cannot be used: kept with its reason, nothing swallowed, and no other held up by it."""

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable

import pytest

from shared.consuming import Consumes, Record
from shared.contracts.assessment import ApprovalRevoked
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadClosed, LeadCreated, LeadUpdated
from shared.contracts.topics import CONTROL, SUBMISSIONS
from shared.errors import Permanent, Transient
from shared.eventlog import cursor
from shared.ids import new_id
from shared.inbox import dead_letters, letters
from shared.security.keyring import Keyring
from shared.security.sealing import Unsealable
from shared.service import Service
from shared.uow import UnitOfWork
from tests.support.kernel import (
    closed,
    create_lead,
    envelope_of,
    publish_lead,
    recorder,
    rows,
    running,
    sequences,
    updated,
)
from tests.support.waiting import eventually

Make = Callable[..., Service]
Send = Callable[..., Awaitable[None]]
LETTERS = "select * from dead_letters order by failed_at"


async def test_bytes_that_are_no_event_go_to_the_dead_letters_and_others_go_on(
    intake: Service, make: Make, send: Send
) -> None:
    consumes, _ = recorder(LeadCreated)
    chance = random.Random(1)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        for length in (0, 1, 40, 4_000):
            await send("passage.intake.v1", None, chance.randbytes(length))
        patient = await create_lead(intake)
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        letters = await eventually(lambda: rows(dashboard, LETTERS))
        assert len(letters) == 4, "all of them, whichever partition they came by"
        assert {letter["reason"] for letter in letters} == {"not an event"}
        record = max(
            (
                dead_letters.unseal(dashboard.keyring, letter["record"], topic="t", partition=0, offset=0)
                for letter in letters
            ),
            key=lambda found: len(found.value),
        )
        assert len(record.value) == 4_000


async def test_a_contract_breach_holds_its_own_subject_only_until_a_person_decides(
    intake: Service, make: Make, send: Send
) -> None:
    consumes, _ = recorder(LeadCreated, LeadUpdated)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient, other = await create_lead(intake), await create_lead(intake)
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        await send(
            "passage.intake.v1",
            envelope_of("intake", patient, 2, "passage.intake.LeadUpdated.v1"),
            '{"patient_id": "not one", "changed": 7, "name": "Jo Secret"}',
        )
        [letter] = await eventually(lambda: rows(dashboard, LETTERS))
        assert "changed" in letter["error"]
        assert "Secret" not in letter["error"]
        await send(
            "passage.intake.v1",
            envelope_of("intake", patient, 3, "passage.intake.LeadUpdated.v1"),
            updated(patient).model_dump_json(),
        )
        async with intake.transaction(actor="test") as uow:
            uow.publish(updated(other))
        await eventually(lambda: sequences(dashboard, other), equals=[1, 2])
        assert await sequences(dashboard, patient) == [1]
        async with dashboard.transaction(actor="test") as uow:
            await uow.conn.execute("update dead_letters set wanted = 'drop', wanted_by = 'staff:ops'")
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 3])
        [letter] = await rows(dashboard, LETTERS)
        assert (letter["resolution"], letter["resolved_by"]) == ("dropped", "staff:ops")


async def test_a_handler_that_was_wrong_is_mended_and_the_dead_letter_replayed(intake: Service, make: Make) -> None:
    consumes, mended = Consumes(), asyncio.Event()

    @consumes(LeadCreated)
    async def on_lead_created(uow: UnitOfWork, event: LeadCreated, at: Envelope) -> None:
        if not mended.is_set():
            raise Permanent("the handler is wrong")
        await uow.conn.execute("insert into effects values (default, $1, $2, $3)", at.id, at.subject, at.sequence)

    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        await eventually(lambda: rows(dashboard, LETTERS))
        mended.set()
        async with dashboard.transaction(actor="test") as uow:
            assert await letters.replay_all(uow.conn, actor="staff:ops", event="LeadClosed") == 0
            assert await letters.replay_all(uow.conn, actor="staff:ops") == 1
            assert await letters.replay_all(uow.conn, actor="staff:ops") == 0
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        await eventually(lambda: rows(dashboard, "select from dead_letters where resolution = 'replayed'"))


async def test_a_letter_about_somebody_who_was_erased_meanwhile_keeps_nothing_once_it_is_settled(
    intake: Service, make: Make
) -> None:
    """It carries the key of what was said about them, which their erasure destroys everywhere else."""
    consumes = Consumes()

    @consumes(LeadCreated)
    async def on_lead_created(_uow: UnitOfWork, _event: LeadCreated, _at: Envelope) -> None:
        raise Permanent("nobody can use this")

    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        [letter] = await eventually(lambda: rows(dashboard, LETTERS))
        async with dashboard.transaction(actor="test") as uow:
            await uow.keys.destroy(patient)
            assert await letters.decide(uow.conn, dashboard.keyring, letter["id"], "drop", actor="staff:ops")
        [letter] = await eventually(lambda: rows(dashboard, "select * from dead_letters where resolution = 'dropped'"))
        record = dead_letters.unseal(dashboard.keyring, letter["record"], topic="t", partition=0, offset=0)
        assert (record.value, record.key, record.headers) == (b"", None, ())


async def test_a_rebuild_goes_past_what_a_person_went_past(intake: Service, make: Make) -> None:
    consumes, _ = recorder(LeadCreated, LeadClosed)

    @consumes(LeadUpdated)
    async def on_lead_updated(uow: UnitOfWork, event: LeadUpdated, at: Envelope) -> None:
        raise Permanent("nobody can use this")

    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        async with intake.transaction(actor="test") as uow:
            uow.publish(updated(patient), closed(patient))
        [letter] = await eventually(lambda: rows(dashboard, LETTERS))
        async with dashboard.transaction(actor="test") as uow:
            how = {"actor": "staff:ops", "because": "the patient called about it"}
            assert await letters.decide(uow.conn, dashboard.keyring, letter["id"], "drop", **how)
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 3])
        async with dashboard.transaction(actor="test") as uow:
            for table in ("effects", "inbox", "parked", "patient_keys"):
                await uow.conn.execute(f"delete from {table}")
        async with intake.transaction(actor="test") as uow:
            await cursor.request_subject(uow.conn, patient, 1, "test")
        await eventually(lambda: sequences(dashboard, patient), equals=[1, 3], timeout=20)
        [again] = await rows(dashboard, LETTERS)
        assert (again["id"], again["resolution"], again["resolved_by"]) == (letter["id"], "dropped", "staff:ops")
        assert "called" not in again["because"]


async def test_what_may_work_later_is_tried_again_and_never_given_up(intake: Service, make: Make) -> None:
    consumes, calls = Consumes(), []

    @consumes(LeadCreated)
    async def on_lead_created(uow: UnitOfWork, event: LeadCreated, at: Envelope) -> None:
        calls.append(at.sequence)
        if len(calls) < 4:
            raise Transient("not now")
        await uow.conn.execute("insert into effects values (default, $1, $2, $3)", at.id, at.subject, at.sequence)

    async with running(make("dashboard", consumes=consumes)) as dashboard:
        patient = await create_lead(intake)
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        assert not await rows(dashboard, LETTERS)


async def test_one_bad_event_in_a_batch_takes_no_other_with_it(intake: Service, make: Make) -> None:
    consumes, bad = Consumes(), new_id()

    @consumes(LeadCreated)
    async def on_lead_created(uow: UnitOfWork, event: LeadCreated, at: Envelope) -> None:
        if event.patient_id == bad:
            raise ValueError("a bug")
        await uow.conn.execute("insert into effects values (default, $1, $2, $3)", at.id, at.subject, at.sequence)

    async with intake.transaction(actor="test") as uow:
        for patient in [*(new_id() for _ in range(20)), bad, *(new_id() for _ in range(20))]:
            await publish_lead(uow, patient)
    async with running(make("dashboard", consumes=consumes)) as dashboard:

        async def applied() -> int:
            return len(await rows(dashboard, "select from effects"))

        await eventually(applied, equals=40)
        [letter] = await eventually(lambda: rows(dashboard, LETTERS))
        assert (letter["subject"], letter["reason"], letter["error"]) == (bad, "exhausted", "ValueError")


async def test_random_bytes_on_every_topic_stop_nobody(make: Make, send: Send, intake: Service) -> None:
    consumes, _ = recorder(LeadCreated, ApprovalRevoked)
    async with running(make("assessment", consumes=consumes)) as assessment:
        for topic in ("passage.intake.v1", "passage.assessment.v1", CONTROL, SUBMISSIONS):
            await send(topic, None, os.urandom(200))
        patient = await create_lead(intake)
        await eventually(lambda: sequences(assessment, patient), equals=[1])
        assert await assessment.readiness() == {}


async def test_dead_letters_open_with_the_clinics_key_only(keyring: Keyring, other_keyring: Keyring) -> None:
    sealed = dead_letters.seal(keyring, Record("t", 0, 1, b"k", b"Jo Secret", (("h", b"v"),)))
    assert "Secret" not in sealed
    with pytest.raises(Unsealable):
        dead_letters.unseal(other_keyring, sealed, topic="t", partition=0, offset=1)


@pytest.mark.parametrize(("sequence", "group"), [(2**70, "g"), (1, "g\x00")])
async def test_a_request_that_no_log_can_answer_stops_nobody(
    make: Make, send: Send, intake: Service, sequence: int, group: str
) -> None:
    consumes, _ = recorder(LeadCreated)
    asked = {"source": "assessment", "subject": str(new_id()), "from_sequence": sequence, "group": group}
    async with running(make("assessment", consumes=consumes)) as assessment:
        await send(CONTROL, None, json.dumps(asked))
        patient = await create_lead(intake)
        await eventually(lambda: sequences(assessment, patient), equals=[1])
        [letter] = await eventually(lambda: rows(assessment, LETTERS))
        assert letter["reason"] == "not a request"
        assert await rows(assessment, "select from replay_requests") == []


async def test_an_event_whose_type_no_table_can_hold_stops_nobody(make: Make, send: Send, intake: Service) -> None:
    consumes, _ = recorder(LeadCreated)
    async with running(make("dashboard", consumes=consumes)) as dashboard:
        odd = envelope_of(
            "intake", new_id(), 2, "passage.intake.Lead\x00Created.v1"
        )  # ahead of its first: to be parked
        await send("passage.intake.v1", odd, "{}")
        patient = await create_lead(intake)
        await eventually(lambda: sequences(dashboard, patient), equals=[1])
        [letter] = await eventually(lambda: rows(dashboard, LETTERS))
        assert letter["reason"] == "not an event"
