"""Vagaro's door: a customer and an appointment, in any order, twice and late, become one patient with one booking."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.intake import ExternalBookingReceived
from tests.support.intake import Intake

START = datetime(2027, 2, 3, 17, 0, tzinfo=UTC)
SAID = datetime(2027, 1, 4, 9, 30, tzinfo=UTC)
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Booking:
    """One person with one appointment at Vagaro, in Vagaro's shapes."""

    def __init__(self, **reach: Any) -> None:
        name = uuid4().hex[:10]
        self.customer_id, self.appointment_id = f"c/{name}==", f"a/{name}=="
        self.phone = f"801556{5000 + next(NUMBERS):04d}"
        self.reach = {"mobilePhone": self.phone, "email": f"{name}@example.com", **reach}

    @property
    def e164(self) -> str:
        return f"+1{self.phone}"

    def customer(self, minute: int = 0, action: str = "created", **changes: Any) -> dict[str, Any]:
        payload = {
            "customerId": self.customer_id, "businessIds": ["b1"], "customerFirstName": "Rosa",
            "customerLastName": "Delgado", "businessGroupId": "g1", "dayPhone": "", "nightPhone": "",
            "streetAddress": "1 Main", "city": "Salt Lake City", "regionCode": "UT", "regionName": "Utah",
            "countryCode": "US", "countryName": "United States", "postalCode": "84101", **self.reach, **changes,
        }  # fmt: skip
        return self._said("customer", action, minute, payload)

    def appointment(
        self, minute: int = 0, action: str = "created", status: str = "Accepted", hours: float = 0, **changes: Any
    ) -> dict[str, Any]:
        start = START + timedelta(hours=hours)
        payload = {
            "appointmentId": self.appointment_id, "startTime": stamp(start),
            "endTime": stamp(start + timedelta(hours=1)), "bookingStatus": status, "serviceTitle": "First talk",
            "serviceId": "s1", "calendarEventId": "e1", "amount": 0, "eventType": "Appointment",
            "onlineVsInhouse": "Inhouse", "appointmentTypeCode": "NR", "appointmentTypeName": "New Request",
            "customerId": self.customer_id, "bookingSource": "Online", "serviceProviderId": "U7kq2w==",
            "businessId": "b1", "formResponseIds": [], **changes,
        }  # fmt: skip
        return self._said("appointment", action, minute, payload)

    def _said(self, kind: str, action: str, minute: int, payload: dict[str, Any]) -> dict[str, Any]:
        at = stamp(SAID + timedelta(minutes=minute))
        return {"id": uuid4().hex, "createdDate": at, "type": kind, "action": action, "payload": payload}


async def deliver(intake: Intake, *webhooks: dict[str, Any]) -> None:
    for webhook in webhooks:
        answer = await intake.vagaro(webhook)
        assert answer.status_code == 204, answer.text


async def bookings(intake: Intake, booking: Booking) -> list[dict[str, Any]]:
    patient = await intake.patient_of(booking.e164)
    return [body for name, body in await intake.events(patient) if name == "ExternalBookingReceived"]


async def told_in_this_order(intake: Intake, webhooks: list[dict[str, Any]], booking: Booking) -> list[dict[str, Any]]:
    await deliver(intake, *webhooks)
    patient = await intake.patient_of(booking.e164)
    assert patient is not None
    names = await intake.names(patient)
    assert names.count("LeadCreated") == 1
    return await bookings(intake, booking)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)), again=st.lists(st.integers(0, 4), max_size=4), data=st.data())
async def test_in_every_order_and_with_duplicates_the_same_stands(intake, order, again, data):
    booking = Booking()
    samples = [
        booking.customer(0),
        booking.appointment(0),
        booking.appointment(3, "updated", "Confirmed", hours=2),
        booking.customer(4, "updated", city="Provo"),
        booking.appointment(9, "deleted", "Deleted", hours=2, customerId=None),
    ]
    delivered = [samples[i] for i in order]
    for i in again:
        delivered.insert(data.draw(st.integers(0, len(delivered))), samples[i])
    found = await told_in_this_order(intake, delivered, booking)
    last = ExternalBookingReceived.model_validate(found[-1])
    assert (last.status, last.starts_at, last.provider_ref) == ("cancelled", START + timedelta(hours=2), "osei")
    assert last.changed_at == SAID + timedelta(minutes=9)
    moments = [each["changed_at"] for each in found]
    assert moments == sorted(moments)
    assert len({each["external_id"] for each in found}) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_moved_booking_stands_where_it_was_moved_to(intake, order):
    booking = Booking()
    samples = [booking.customer(), booking.appointment(), booking.appointment(1, "updated", "Confirmed", hours=3)]
    found = await told_in_this_order(intake, [samples[i] for i in order], booking)
    last = ExternalBookingReceived.model_validate(found[-1])
    assert (last.vendor, last.status, last.starts_at) == ("vagaro", "booked", START + timedelta(hours=3))
    assert (await intake.box(last.patient_id)).open(str(last.service_title)) == "First talk"


async def test_what_was_booked_is_a_lead_through_vagaro(intake):
    booking = Booking()
    await deliver(intake, booking.appointment(), booking.customer())
    patient = await intake.patient_of(booking.e164)
    events = await intake.events(patient)
    assert [name for name, _ in events] == ["LeadCreated", "TaskRaised", "ExternalBookingReceived"]
    assert events[0][1]["channel"] == "vagaro"
    shown = (await intake.http.get(f"/api/v1/patients/{patient}", headers=intake.running.as_staff("dana"))).json()
    assert (shown["name"], shown["email"]) == ("Rosa Delgado", booking.reach["email"])


async def test_who_is_known_by_their_phone_is_joined(intake):
    booking = Booking()
    patient = (await intake.lead(phone=booking.e164, name="Rosa")).json()["patient_id"]
    await deliver(intake, booking.customer(), booking.appointment())
    assert str(await intake.patient_of(booking.e164)) == patient
    assert (await intake.names(patient))[-1] == "ExternalBookingReceived"


async def test_both_halves_in_the_same_moment(intake):
    pairs = [Booking() for _ in range(12)]
    await asyncio.gather(
        *(intake.vagaro(webhook) for one in pairs for webhook in (one.appointment(), one.customer())),
        *(intake.vagaro(one.appointment(1, "updated", "Confirmed")) for one in pairs),
    )
    for one in pairs:
        found = await bookings(intake, one)
        assert found, "nobody was told"
        assert found[-1]["status"] == "booked"


async def test_a_changed_address_of_a_patient_is_no_new_contact(intake):
    booking = Booking()
    await deliver(intake, booking.customer(), booking.appointment())
    patient = await intake.patient_of(booking.e164)
    before = await intake.names(patient)
    await deliver(intake, booking.customer(5, "updated", city="Provo"))
    assert await intake.names(patient) == before
    await deliver(intake, booking.customer(6, "updated", mobilePhone="8015565999"))
    assert (await intake.names(patient))[len(before) :] == ["TaskRaised"]
    assert [str(task["subject"]) for task in await intake.open_tasks("contact-differs")][-1] == str(patient)


async def busy(intake: Intake) -> list[tuple[UUID, dict[str, Any]]]:
    found = await intake.rows(
        "select subject, body from event_log where type = 'passage.intake.ExternalBusyChanged.v1' order by id"
    )
    return [(row["subject"], json.loads(row["body"])) for row in found]


async def test_time_off_is_busy_time_and_free_again_when_deleted(intake):
    off = Booking()
    await deliver(intake, off.appointment(0, "created", "PersonalOff", customerId=None))
    ((subject, taken),) = (await busy(intake))[-1:]
    assert (taken["provider_ref"], taken["removed"]) == ("osei", False)
    await deliver(intake, off.appointment(1, "updated", "PersonalOff", customerId=None, hours=1))
    moved = (await busy(intake))[-1]
    assert moved[0] == subject
    assert datetime.fromisoformat(moved[1]["starts_at"]) == START + timedelta(hours=1)
    await deliver(intake, off.appointment(2, "deleted", "PersonalOff", customerId=None, hours=1))
    freed = (await busy(intake))[-1]
    assert (freed[0], freed[1]["removed"]) == (subject, True)


async def test_a_late_word_about_time_off_takes_nothing_again(intake):
    off, before = Booking(), len(await busy(intake))
    await deliver(
        intake,
        off.appointment(2, "deleted", "Deleted", customerId=None),
        off.appointment(0, "created", "PersonalOff", customerId=None),
    )
    assert len(await busy(intake)) == before


async def kept_of(intake: Intake, reason: str) -> list[dict[str, Any]]:
    return [each for each in await intake.kept() if each["door"] == "vagaro" and each["reason"].startswith(reason)]


async def test_a_booking_of_nobody_goes_to_a_person_and_is_still_taken_when_they_come(intake):
    booking = Booking()
    await deliver(intake, booking.appointment())
    await intake.come_due("vagaro-join")
    waiting = [each for each in await kept_of(intake, "customer-unknown") if booking.appointment_id in each["text"]]
    assert len(waiting) == 1
    assert UUID(waiting[0]["id"]) in [task["subject"] for task in await intake.open_tasks("contact-unreadable")]
    await deliver(intake, booking.customer())
    assert len(await bookings(intake, booking)) == 1
    assert UUID(waiting[0]["id"]) not in [task["subject"] for task in await intake.open_tasks("contact-unreadable")]


async def test_who_cannot_be_reached_is_found_by_a_person(intake):
    booking = Booking(mobilePhone="", email="none")
    await deliver(intake, booking.customer(), booking.appointment())
    waiting = (await kept_of(intake, "unusable"))[-1]
    assert "Rosa Delgado" in waiting["text"]
    answer = await intake.http.post(
        f"/api/v1/contacts/{waiting['id']}/resolve",
        json={"outcome": "became-lead", "lead": {"name": "Rosa Delgado", "phone": booking.e164}},
        headers=intake.running.as_staff("dana"),
    )
    assert answer.status_code == 200, answer.text
    assert len(await bookings(intake, booking)) == 1
    await deliver(intake, booking.appointment(4, "updated", "Cancel"))
    assert (await bookings(intake, booking))[-1]["status"] == "cancelled"


async def test_who_is_found_by_hand_is_asked_about_once_and_their_details_are_still_taken(intake):
    """The appointment came first and waits for a person; so does its customer, who can't be reached."""
    booking = Booking(mobilePhone="", email="none")
    await deliver(intake, booking.appointment(5))
    await intake.come_due("vagaro-join")
    await deliver(intake, booking.customer(1))
    waiting = [each for each in await kept_of(intake, "customer-unknown") if booking.appointment_id in each["text"]]
    other = (await kept_of(intake, "unusable"))[-1]
    answer = await intake.http.post(
        f"/api/v1/contacts/{waiting[0]['id']}/resolve",
        json={"outcome": "became-lead", "lead": {"name": "Rosa Delgado", "phone": booking.e164}},
        headers=intake.running.as_staff("dana"),
    )
    assert answer.status_code == 200, answer.text
    assert len(await bookings(intake, booking)) == 1
    assert other["id"] not in [each["id"] for each in await intake.kept()]
    assert UUID(other["id"]) not in [task["subject"] for task in await intake.open_tasks("contact-unreadable")]


async def test_a_customer_who_comes_after_a_person_found_them_adds_what_was_missing(intake):
    booking = Booking()
    await deliver(intake, booking.appointment(5))
    await intake.come_due("vagaro-join")
    (waiting,) = [each for each in await kept_of(intake, "customer-unknown") if booking.appointment_id in each["text"]]
    await intake.http.post(
        f"/api/v1/contacts/{waiting['id']}/resolve",
        json={"outcome": "became-lead", "lead": {"phone": booking.e164}},
        headers=intake.running.as_staff("dana"),
    )
    await deliver(intake, booking.customer(1))  # made before the appointment, delivered after
    updated = dict(await intake.events(await intake.patient_of(booking.e164)))["LeadUpdated"]
    assert updated["changed"] == ["name", "email"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bookingStatus": "Perplexed"}, "appointment:unknown-status"),
        ({"startTime": "tomorrow"}, "appointment:not-an-appointment"),
        ({"endTime": stamp(START - timedelta(hours=1))}, "appointment:not-an-appointment"),
        ({"eventType": "Class"}, "appointment:a-class"),
    ],
)
async def test_what_is_not_understood_is_kept_once_and_thanked_for(intake, change, reason):
    booking = Booking()
    webhook = booking.appointment(**change)
    await deliver(intake, webhook, webhook)
    found = [each for each in await kept_of(intake, reason) if booking.appointment_id in each["text"]]
    assert len(found) == 1


async def test_a_character_that_cannot_be_stored_loses_no_booking(intake):
    booking = Booking(customerFirstName="Ro\x00sa")
    await deliver(intake, booking.customer(), booking.appointment(serviceTitle="First\x00 talk"))
    created = dict(await intake.events(await intake.patient_of(booking.e164)))["LeadCreated"]
    assert (await intake.box(await intake.patient_of(booking.e164))).open(created["name"]) == "Rosa Delgado"
    assert len(await bookings(intake, booking)) == 1
    strange = booking.appointment(bookingStatus="Per\x00plexed")
    await deliver(intake, strange)
    assert [
        each for each in await kept_of(intake, "appointment:unknown-status") if booking.appointment_id in each["text"]
    ]


async def test_bytes_that_are_no_webhook_are_kept(intake):
    answer = await intake.vagaro(b"\xff{not json")
    assert answer.status_code == 204
    assert await kept_of(intake, "not-a-webhook")


async def test_created_at_counts_as_created_date(intake):
    booking = Booking()
    webhooks = [booking.customer(), booking.appointment()]
    for webhook in webhooks:
        webhook["createdAt"] = webhook.pop("createdDate")
    await deliver(intake, *webhooks)
    assert len(await bookings(intake, booking)) == 1


@pytest.mark.parametrize("kind", ["formResponse", "transaction", "giftCard"])
async def test_other_kinds_are_counted_and_passed_over(intake, kind):
    counted = "passage_intake_vagaro_ignored_total"
    await deliver(intake, {"id": uuid4().hex, "createdDate": stamp(SAID), "type": kind, "action": "created"})
    label = kind.lower() if kind != "giftCard" else "unknown"
    assert f'{counted}{{type="{label}"}}' in (await intake.http.get("/metrics")).text


async def test_a_wrong_token_is_refused_for_good(intake):
    refused = await intake.vagaro(Booking().customer(), token="x" * 43)
    assert (refused.status_code, refused.json()["code"]) == (401, "bad_token")
    assert (await intake.http.post("/webhooks/vagaro", json={})).status_code == 401


async def test_an_unknown_address_and_a_broken_database_are_asked_to_come_again(world, intake):
    async with world.start("intake", vagaro_addresses=["20.220.12.83"]) as other:
        refused = await (await Intake.of(other, world)).vagaro(Booking().customer())
    assert (refused.status_code, refused.json()["code"]) == (503, "unknown_address")
    booking = Booking()
    async with world.connection() as owner:
        await owner.execute("alter table intake.vagaro_customers rename to away")
        try:
            assert (await intake.vagaro(booking.customer())).status_code >= 500
        finally:
            await owner.execute("alter table intake.away rename to vagaro_customers")
    await deliver(intake, booking.customer(), booking.appointment())
    assert len(await bookings(intake, booking)) == 1


async def test_who_is_erased_is_forgotten_as_a_customer_too(intake):
    booking = Booking()
    await deliver(intake, booking.customer(), booking.appointment())
    patient = await intake.patient_of(booking.e164)
    assert await intake.erased(patient) == 204
    assert not await intake.rows("select 1 from vagaro_customers where patient_id = $1", patient)
    await deliver(intake, booking.customer(9, "updated"), booking.appointment(9, "updated", "Confirmed"))
    assert await intake.patient_of(booking.e164) not in (None, patient)
