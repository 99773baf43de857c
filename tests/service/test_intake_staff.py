"""What staff do: read on record, correct, close, erase; each only by the role that may."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.intake.handlers import people
from tests.support.intake import Intake


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def number(last: int) -> str:
    return f"+1801559{last:04d}"


async def new(intake, last, **more):
    return (await intake.lead(phone=number(last), **more)).json()["patient_id"]


async def call(intake, method, path, who="dana", **more):
    return await intake.http.request(method, f"/api/v1{path}", headers=intake.running.as_staff(who), **more)


async def test_reading_contact_details_is_on_record(intake):
    patient = await new(intake, 1, name="Maya", email="maya@example.com", date_of_birth="1984-03-09")
    shown = await call(intake, "GET", f"/patients/{patient}")
    assert shown.status_code == 200, shown.text
    found = shown.json()
    assert (found["name"], found["phone"], found["date_of_birth"]) == ("Maya", number(1), "1984-03-09")
    (row,) = await intake.rows("select actor, action, what from audit where subject = $1", UUID(patient))
    assert tuple(row) == ("staff:dana", "read", "contact")


@pytest.mark.parametrize(("who", "status"), [("dana", 200), ("osei", 200), ("tran", 200), ("audit", 403), ("ops", 403)])
async def test_only_the_care_team_reads_contact_details(intake, who, status):
    patient = await new(intake, 2)
    assert (await call(intake, "GET", f"/patients/{patient}", who)).status_code == status


async def test_without_a_token_nothing_is_shown(intake):
    assert (await intake.http.get(f"/api/v1/patients/{uuid4()}")).status_code == 401
    assert (await intake.http.get("/api/v1/contacts")).status_code == 401


async def test_nobody_unknown_is_found(intake):
    assert (await call(intake, "GET", f"/patients/{uuid4()}")).status_code == 404
    assert (await call(intake, "GET", "/patients/nonsense")).status_code == 422


async def test_a_correction_moves_by_what_the_patient_is_known(intake):
    patient = await new(intake, 3, email="old@example.com")
    done = await call(intake, "PATCH", f"/patients/{patient}", json={"phone": "801 559 0004", "name": "Maya R"})
    assert done.status_code == 204, done.text
    assert str(await intake.patient_of(number(4))) == patient
    assert await intake.patient_of(number(3)) is None
    name, updated = (await intake.events(patient))[-1]
    assert (name, updated["changed"]) == ("LeadUpdated", ["name", "phone"])
    assert (await intake.box(patient)).open_json(updated["contact"])["phone"] == number(4)


async def test_a_correction_leaves_a_way_to_reach_them(intake):
    patient = await new(intake, 5, email="one.way@example.com")
    emptied = await call(intake, "PATCH", f"/patients/{patient}", json={"phone": None})
    assert emptied.status_code == 204, emptied.text
    refused = await call(intake, "PATCH", f"/patients/{patient}", json={"email": None})
    assert (refused.status_code, refused.json()["code"]) == (422, "unusable_contact")
    assert (await call(intake, "GET", f"/patients/{patient}")).json()["email"] == "one.way@example.com"


async def test_a_corrected_number_moves_the_patients_zone(intake):
    patient = await new(intake, 31)
    assert (await call(intake, "PATCH", f"/patients/{patient}", json={"phone": "212 555 0131"})).status_code == 204
    _, updated = (await intake.events(patient))[-1]
    assert (updated["changed"], updated["zone"]) == (["phone", "zone"], "America/New_York")
    assert (await call(intake, "GET", f"/patients/{patient}")).json()["zone"] == "America/New_York"


@pytest.mark.parametrize("born", ["1899-12-31", "2199-01-01"])
async def test_a_birth_date_that_cannot_be_is_refused_with_its_remedy(intake, born):
    patient = await new(intake, 32)
    refused = await call(intake, "PATCH", f"/patients/{patient}", json={"date_of_birth": born})
    assert (refused.status_code, refused.json()["fields"][0]["name"]) == (422, "date_of_birth")
    assert refused.json()["fields"][0]["remedy"]


async def test_a_language_is_corrected_to_one_that_the_clinic_speaks(intake):
    patient = await new(intake, 45, name="Maya")
    for wrong in ("fr", None):
        refused = await call(intake, "PATCH", f"/patients/{patient}", json={"language": wrong})
        assert (refused.status_code, refused.json()["fields"][0]["name"]) == (422, "language")
        assert refused.json()["fields"][0]["remedy"]
    assert (await call(intake, "PATCH", f"/patients/{patient}", json={"language": "es"})).status_code == 204
    _, updated = (await intake.events(patient))[-1]
    assert (updated["changed"], updated["language"]) == (["language"], "es")
    before = await intake.names(patient)
    again = await call(intake, "PATCH", f"/patients/{patient}", json={"language": "es", "name": "Maya"})
    assert (again.status_code, await intake.names(patient)) == (204, before)
    assert (await call(intake, "GET", f"/patients/{patient}")).json()["language"] == "es"


async def test_a_correction_to_a_number_that_said_stop_sends_it_no_text(intake):
    await intake.text("STOP", number(33))
    patient = await new(intake, 34)
    await call(intake, "PATCH", f"/patients/{patient}", json={"phone": number(33)})
    revoked = dict(await intake.events(patient))["ConsentRevoked"]
    assert (revoked["kind"], revoked["channel"] == "text") == ("sms", False)


async def test_an_address_of_another_patient_is_refused(intake):
    one, other = await new(intake, 5), await new(intake, 6)
    refused = await call(intake, "PATCH", f"/patients/{one}", json={"phone": number(6)})
    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")
    assert str(await intake.patient_of(number(5))) == one
    assert str(await intake.patient_of(number(6))) == other


async def test_closing_ends_the_task_and_a_new_contact_reopens(intake):
    patient = await new(intake, 7)
    assert (await call(intake, "POST", f"/patients/{patient}/close", json={"reason": "no-interest"})).status_code == 204
    assert (await call(intake, "POST", f"/patients/{patient}/close", json={"reason": "no-interest"})).status_code == 204
    assert (await intake.names(patient))[-2:] == ["LeadClosed", "TaskClosed"]
    await intake.lead(phone=number(7), message="me again")
    events = (await intake.events(patient))[-3:]
    assert [name for name, _ in events] == ["LeadUpdated", "MessageReceived", "TaskRaised"]
    assert events[0][1]["changed"] == ["reopened"]


async def test_who_asks_for_no_more_texts_in_their_own_words_gets_none(intake):
    """A person reads it, and has a way to make it hold: for the number, until it writes START."""
    patient = await new(intake, 43, consent_sms=True)
    await intake.text("please don't text me any more", number(43))
    assert patient in {str(task["subject"]) for task in await intake.open_tasks("opt-out-doubt")}
    assert (await call(intake, "POST", f"/patients/{patient}/stop", "tran", json={"kind": "sms"})).status_code == 403
    for _ in range(2):
        assert (await call(intake, "POST", f"/patients/{patient}/stop", json={"kind": "sms"})).status_code == 204
    assert patient not in {str(task["subject"]) for task in await intake.open_tasks("opt-out-doubt")}
    revoked = [told for name, told in await intake.events(patient) if name == "ConsentRevoked"]
    assert {(told["kind"], told["channel"]) for told in revoked} == {("sms", "api")}
    await intake.lead(phone=number(43), consent_sms=True)
    shown = (await call(intake, "GET", f"/patients/{patient}")).json()
    assert (shown["may_text"], shown["consents"]) == (False, [])
    await intake.text("START", number(43))
    assert (await call(intake, "GET", f"/patients/{patient}")).json()["may_text"]


async def test_who_writes_that_they_would_rather_not_get_e_mail_gets_none(intake):
    patient = (await intake.lead(email="quiet44@example.com", consent_email=True)).json()["patient_id"]
    assert (await call(intake, "POST", f"/patients/{patient}/stop", json={"kind": "email"})).status_code == 204
    name, told = (await intake.events(patient))[-1]
    assert (name, told["kind"]) == ("ConsentRevoked", "email")
    assert (await call(intake, "GET", f"/patients/{patient}")).json()["consents"] == []
    assert (await call(intake, "POST", f"/patients/{patient}/stop", json={"kind": "all"})).status_code == 422
    nobody = "01a22f35-0000-7000-8000-000000000000"
    assert (await call(intake, "POST", f"/patients/{nobody}/stop", json={"kind": "sms"})).status_code == 404


async def test_erasing_leaves_nothing_that_can_be_read(intake):
    patient = await new(intake, 8, name="Maya", message="secret")
    assert (await call(intake, "POST", f"/patients/{patient}/erase")).status_code == 403
    assert await intake.erased(patient) == 204
    assert (await call(intake, "GET", f"/patients/{patient}")).status_code == 404
    events = await intake.events(patient)
    assert events[0][1]["key"] is None
    assert "PatientErased" in [name for name, _ in events]
    assert await intake.rows("select 1 from patient_keys where subject = $1", UUID(patient)) == []
    assert await intake.patient_of(number(8)) is None
    assert (await new(intake, 8)) != patient


async def test_with_a_person_goes_whatever_was_to_be_done_about_them(intake):
    patient = await new(intake, 41, name="Maya")
    await intake.lead(phone=number(41), name="Boris")
    await intake.text("cancel", number(41))
    await intake.text("wrong person", number(41))
    open_ = "select distinct kind from tasks where patient_id = $1 and closed_at is null order by 1"
    kinds = [row["kind"] for row in await intake.rows(open_, UUID(patient))]
    assert kinds == ["answer-lead", "contact-differs", "opt-out-doubt", "text-cancel"]
    assert await intake.erased(patient) == 204
    assert await intake.rows(open_, UUID(patient)) == []
    assert (await intake.names(patient)).count("TaskClosed") == 4


@pytest.mark.parametrize(("who", "reads"), [("dana", True), ("tran", True), ("ops", False)])
async def test_words_in_a_task_are_for_the_care_team_and_for_whose_task_it_is(intake, who, reads):
    patient = await new(intake, 42, message="what only the care team reads")
    tasks = (await call(intake, "GET", "/tasks", who)).json()["tasks"]
    (task,) = [one for one in tasks if one["patient_id"] == patient]
    assert (task["detail"] == "what only the care team reads") is reads
    assert reads or task["detail"] is None


async def test_a_treated_patients_chart_is_locked_with_its_date(intake):
    patient = await new(intake, 9)
    dosed = datetime.now(UTC) - timedelta(days=30)
    async with intake.running.service.transaction(actor="system:intake") as uow:
        await people.treated(uow, UUID(patient), dosed)
    refused = await call(intake, "POST", f"/patients/{patient}/erase", "ops")
    assert (refused.status_code, refused.json()["code"]) == (409, "chart_locked")
    assert str(dosed.year + 6) in refused.json()["detail"]
    assert (await call(intake, "GET", f"/patients/{patient}")).status_code == 200


@pytest.mark.parametrize(
    "behind",
    [
        "insert into parked (source, subject, sequence, reason, headers, body) values (3, $1, 99, 'gap', '{}', '')",
        """insert into dead_letters (fingerprint, source, subject, reason, error, topic, partition, "offset", record)
           values (uuid_send($1), 3, $1, 'permanent', 'boom', 'x', 0, 0, 'sealed')""",
    ],
)
async def test_nobody_is_erased_while_it_may_be_unknown_that_they_were_treated(intake, behind):
    patient = await new(intake, 43)
    await intake.rows(behind, UUID(patient))
    refused = await call(intake, "POST", f"/patients/{patient}/erase", "ops")
    assert (refused.status_code, refused.json()["code"]) == (503, "facts_behind")
    assert refused.json()["remedy"]
    assert (await call(intake, "GET", f"/patients/{patient}")).status_code == 200
    for table in ("parked", "dead_letters"):
        await intake.rows(f"delete from {table} where subject = $1", UUID(patient))
    assert await intake.erased(patient) == 204


async def test_nobody_is_erased_while_scheduling_is_not_heard(intake, world):
    patient = await new(intake, 44)
    async with world.connection() as owner:  # as old as when the broker is away
        await owner.execute("alter table intake.heard rename to away")
        await owner.execute("create table intake.heard (like intake.away including all)")
        await owner.execute("grant select on intake.heard to passage_intake")
        try:
            refused = await call(intake, "POST", f"/patients/{patient}/erase", "ops")
        finally:
            await owner.execute("drop table intake.heard")
            await owner.execute("alter table intake.away rename to heard")
    assert (refused.status_code, refused.json()["code"]) == (503, "facts_behind")


async def test_once_an_appointment_stands_the_lead_is_answered_and_doors_change_no_address(intake):
    patient = await new(intake, 10)
    async with intake.running.service.transaction(actor="system:intake") as uow:
        await people.arranged(uow, UUID(patient))
    assert (await intake.names(patient))[-1] == "TaskClosed"
    await intake.lead(phone=number(10), email="somebody@example.com")
    shown = (await call(intake, "GET", f"/patients/{patient}")).json()
    assert shown["email"] is None
    other = (await intake.lead(email="somebody@example.com")).json()["patient_id"]
    assert other != patient
    await intake.lead(phone=number(10), email="somebody@example.com")
    assert (await intake.lead(email="somebody@example.com")).json()["patient_id"] == other
    assert patient in {str(task["subject"]) for task in await intake.open_tasks("contact-differs")}
