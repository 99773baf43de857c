"""Who takes a patient home and wants no texts gets none, for whichever visit; the patient is asked instead."""

from uuid import UUID

import pytest

from services.notifications.adapters.port import Outgoing, Receipt, Refused
from services.notifications.jobs import deliver_due
from shared.contracts.intake import NumberOptedIn, NumberOptedOut
from shared.ids import new_id
from tests.support.notifications import NOON, NUMBERS, Desk, desk
from tests.support.waiting import eventually

HELP = "transport-help"


@pytest.fixture
async def at_desk(world):
    async with desk(world) as made:
        yield made


@pytest.fixture
def escort() -> str:
    return f"+1801558{next(NUMBERS)}"


async def with_escort(at_desk: Desk, phone: str) -> tuple[UUID, UUID]:
    """A patient whose session somebody is to take them home from: (patient, visit)."""
    patient = await at_desk.lead()
    [session] = await at_desk.course(patient, NOON.replace(day=15), sessions=1)
    await at_desk.name_escort(session.appointment_id, phone=phone)
    return patient, session.appointment_id


async def says(at_desk: Desk, event: type[NumberOptedOut | NumberOptedIn], phone: str, number: UUID) -> None:
    hashed = at_desk.service.lookup.hash("phone", phone).hex()
    await at_desk.hear(event(number_id=number, phone_hash=hashed))


async def invites(at_desk: Desk, patient: UUID) -> list[tuple[str, str | None]]:
    return [(row["state"], row["reason"]) for row in await at_desk.rows(patient, kind="escort_invite")]


async def test_an_escort_who_stopped_is_texted_for_no_other_visit_and_the_patient_is_asked(at_desk, escort):
    await says(at_desk, NumberOptedOut, escort, new_id())
    patient, _ = await with_escort(at_desk, escort)
    await at_desk.deliver()
    assert await invites(at_desk, patient) == [("suppressed", "opted_out")]
    assert await at_desk.outside.texts(escort) == []
    assert HELP in await at_desk.tasks(patient)


async def test_a_stop_after_the_text_becomes_a_question_to_the_patient_until_the_ride_is_settled(at_desk, escort):
    patient, visit = await with_escort(at_desk, escort)
    other, _ = await with_escort(at_desk, f"+1801558{next(NUMBERS)}")
    await at_desk.deliver()
    assert len(await at_desk.outside.texts(escort)) == 1
    assert HELP not in await at_desk.tasks(patient)
    await says(at_desk, NumberOptedOut, escort, new_id())
    assert HELP in await at_desk.tasks(patient)
    assert HELP not in await at_desk.tasks(other)
    await at_desk.name_escort(visit, "Ana", f"+1801558{next(NUMBERS)}")
    assert HELP not in await at_desk.tasks(patient), "another person settles it"


async def test_a_stop_between_the_plan_and_the_carrier_holds_the_text(at_desk, escort):
    patient, _ = await with_escort(at_desk, escort)
    assert await invites(at_desk, patient) == [("ready", None)]
    await says(at_desk, NumberOptedOut, escort, new_id())
    await at_desk.deliver()
    assert await invites(at_desk, patient) == [("suppressed", "opted_out")]
    assert await at_desk.outside.texts(escort) == []


async def test_a_start_lets_them_be_texted_for_the_next_ride(at_desk, escort):
    number = new_id()
    await says(at_desk, NumberOptedOut, escort, number)
    await says(at_desk, NumberOptedOut, escort, number)
    await says(at_desk, NumberOptedIn, escort, number)
    patient, _ = await with_escort(at_desk, escort)
    await at_desk.deliver()

    async def arrived() -> int:
        return len(await at_desk.outside.texts(escort))

    await eventually(arrived, equals=1)
    assert HELP not in await at_desk.tasks(patient)


async def test_a_stop_that_only_the_carrier_knows_is_remembered(at_desk, escort):
    class Stopped:
        async def send(self, message: Outgoing) -> Receipt:
            raise Refused("twilio-21610", opted_out=True)

        async def look_up(self, message: Outgoing, since: object) -> list[Receipt]:
            return []

    await with_escort(at_desk, escort)
    while await deliver_due(at_desk.service, {**at_desk.ways, "sms": Stopped()}):
        pass
    patient, _ = await with_escort(at_desk, escort)
    assert await invites(at_desk, patient) == [("suppressed", "opted_out")]
    assert HELP in await at_desk.tasks(patient)
