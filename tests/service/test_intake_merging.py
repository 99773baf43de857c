"""Two records of one person become one, and are two again: by the front desk, at any moment, and with no third."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.intake.domain.contact import Contact
from services.intake.handlers import leads, merging, people
from services.intake.repository.arrivals import Key
from shared.contracts.intake import Channel
from tests.support.intake import Intake
from tests.support.waiting import eventually

WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def number(last: int) -> str:
    return f"+1801557{last:04d}"


async def new(intake, **fields):
    return (await intake.lead(**fields)).json()["patient_id"]


async def call(intake, method, path, who="dana", **more):
    return await intake.http.request(method, f"/api/v1{path}", headers=intake.running.as_staff(who), **more)


async def ask(intake, what, survivor, absorbed, who="dana"):
    """Until scheduling's news is as fresh as it must be."""

    async def asked():
        path = f"/patients/{survivor}/{what}"
        answer = await call(intake, "POST", path, who, json={"absorbed_id": str(absorbed)})
        assert answer.status_code != 503, answer.text
        return answer

    return await eventually(asked, timeout=30)


async def joined(intake, survivor, absorbed):
    answer = await ask(intake, "merge", survivor, absorbed)
    assert answer.status_code == 204, answer.text


async def parted(intake, survivor, absorbed):
    answer = await ask(intake, "unmerge", survivor, absorbed)
    assert answer.status_code == 204, answer.text


async def shown(intake, patient):
    return (await call(intake, "GET", f"/patients/{patient}")).json()


async def open_kinds(intake, patient):
    sql = "select kind from tasks where patient_id = $1 and closed_at is null order by 1"
    return [row["kind"] for row in await intake.rows(sql, UUID(patient))]


async def test_a_later_contact_of_either_reaches_the_one_and_after_parting_each_their_own(intake):
    one, other = await new(intake, phone=number(1), name="Maya"), await new(intake, email="maya1@example.com")
    await joined(intake, one, other)
    name, told = (await intake.events(one))[-1]
    assert (name, told["absorbed_id"], told["reason"]) == ("LeadMerged", other, "same-person")
    assert await new(intake, email="maya1@example.com", message="me again") == one
    assert await new(intake, phone=number(1)) == one
    found = await shown(intake, one)
    assert [(it["patient_id"], it["email"], it["by"]) for it in found["merged"]] == [
        (other, "maya1@example.com", "staff:dana")
    ]
    assert (await shown(intake, other))["patient_id"] == one
    await parted(intake, one, other)
    name, told = (await intake.events(one))[-1]
    assert (name, told["absorbed_id"], told["reason"]) == ("LeadUnmerged", other, "two-people")
    assert await new(intake, email="maya1@example.com") == other
    assert await new(intake, phone=number(1)) == one


async def test_an_address_learned_from_the_other_is_not_kept_when_they_are_parted(intake):
    one, other = await new(intake, phone=number(2)), await new(intake, email="maya2@example.com")
    await joined(intake, one, other)
    await intake.lead(phone=number(2), email="maya2@example.com")
    assert (await shown(intake, one))["email"] == "maya2@example.com"
    await parted(intake, one, other)
    updated = [told for name, told in await intake.events(one) if name == "LeadUpdated"][-1]
    assert (updated["changed"], updated["has_email"]) == (["email"], False)
    assert ((await shown(intake, one))["email"], (await shown(intake, other))["email"]) == (None, "maya2@example.com")
    assert await new(intake, email="maya2@example.com") == other


async def test_who_keeps_an_address_is_who_it_leads_to(intake):
    """Both records may say the same e-mail from before: a contact by the phone of one gave the e-mail of the other."""
    one, other = await new(intake, phone=number(30)), await new(intake, email="maya30@example.com")
    await intake.lead(phone=number(30), email="maya30@example.com")
    await joined(intake, other, one)
    await parted(intake, other, one)
    assert (await shown(intake, other))["email"] == "maya30@example.com"
    assert await new(intake, email="maya30@example.com") == other


async def test_joining_ends_the_question_whether_they_are_one_and_no_other_task(intake):
    one, other = await new(intake, phone=number(3)), await new(intake, email="maya3@example.com")
    await intake.lead(phone=number(3), email="maya3@example.com")
    assert await open_kinds(intake, one) == ["answer-lead", "possible-duplicate"]
    await joined(intake, one, other)
    assert (await open_kinds(intake, one), await open_kinds(intake, other)) == (["answer-lead"], ["answer-lead"])
    async with intake.running.service.transaction(actor="system:intake") as uow:
        await people.arranged(uow, UUID(one))
    assert (await open_kinds(intake, one), await open_kinds(intake, other)) == ([], [])


async def test_twice_is_once(intake):
    one, other = await new(intake, phone=number(4)), await new(intake, phone=number(5))
    for what, told in (("merge", "LeadMerged"), ("unmerge", "LeadUnmerged")):
        answers = await asyncio.gather(*(ask(intake, what, one, other) for _ in range(4)))
        assert {answer.status_code for answer in answers} == {204}
        assert (await intake.names(one)).count(told) == 1


async def test_consents_stay_with_the_address_that_they_were_given_for(intake):
    one = await new(intake, phone=number(6))
    other = await new(intake, phone=number(7), email="maya7@example.com", consent_sms=True, consent_email=True)
    await joined(intake, one, other)
    assert (await shown(intake, one))["consents"] == []
    assert not any(name == "ConsentGiven" for name, _ in await intake.events(one))
    await parted(intake, one, other)
    assert (await shown(intake, other))["consents"] == ["email", "sms"]


async def test_a_stop_stands_whatever_is_joined_or_parted(intake):
    one = await new(intake, phone=number(8), consent_sms=True)
    other = await new(intake, phone=number(9), consent_sms=True)
    await joined(intake, one, other)
    await intake.text("STOP", number(9))
    for patient in (one, other):
        assert ("ConsentRevoked", "sms") in [(name, told.get("kind")) for name, told in await intake.events(patient)]
    await parted(intake, one, other)
    assert ((await shown(intake, other))["may_text"], (await shown(intake, other))["consents"]) == (False, [])
    await intake.lead(phone=number(9), consent_sms=True)
    assert (await shown(intake, other))["consents"] == []


async def test_who_asked_in_their_own_words_is_not_texted_under_any_of_their_records(intake):
    one = await new(intake, phone=number(31), consent_sms=True)
    other = await new(intake, phone=number(32), consent_sms=True)
    await intake.text("please don't text me any more", number(32))
    await joined(intake, one, other)
    assert (await call(intake, "POST", f"/patients/{one}/stop", json={"kind": "sms"})).status_code == 204
    assert "opt-out-doubt" not in await open_kinds(intake, other)
    await parted(intake, one, other)
    for patient in (one, other):
        found = await shown(intake, patient)
        assert (found["may_text"], found["consents"]) == (False, [])


@pytest.mark.parametrize("who", ["osei", "tran", "ops", "audit"])
async def test_only_the_front_desk_joins_and_parts(intake, who):
    for what in ("merge", "unmerge"):
        assert (await ask(intake, what, uuid4(), uuid4(), who)).status_code == 403


async def test_what_cannot_be_joined_is_refused_with_why_and_what_to_do(intake):
    one, other, third, closed = [await new(intake, phone=number(last)) for last in (10, 11, 12, 13)]
    await joined(intake, one, other)
    await call(intake, "POST", f"/patients/{closed}/close", json={"reason": "no-interest"})
    for survivor, absorbed, code in (
        (one, one, "same_record"),
        (other, one, "merged_away"),
        (third, other, "other_elsewhere"),
        (other, third, "merged_away"),
        (third, one, "other_has_others"),
        (closed, third, "closed"),
        (one, uuid4(), "other_unknown"),
    ):
        refused = await ask(intake, "merge", survivor, absorbed)
        assert (refused.status_code, refused.json()["code"]) == (409, code)
        assert refused.json()["detail"]
        assert refused.json()["remedy"]
    assert (await ask(intake, "merge", uuid4(), one)).status_code == 404
    assert (await ask(intake, "unmerge", third, other)).json()["code"] == "not_merged"
    assert (await ask(intake, "unmerge", uuid4(), other)).status_code == 404
    await joined(intake, third, closed)


async def test_who_was_treated_stays(intake):
    one, treated = await new(intake, phone=number(14)), await new(intake, phone=number(15))
    async with intake.running.service.transaction(actor="system:intake") as uow:
        await people.treated(uow, UUID(treated), datetime.now(UTC) - timedelta(days=3))
    refused = await ask(intake, "merge", one, treated)
    assert (refused.status_code, refused.json()["code"]) == (409, "other_treated")
    await joined(intake, treated, one)
    for patient in (treated, one):
        locked = await call(intake, "POST", f"/patients/{patient}/erase", "ops")
        assert (locked.status_code, locked.json()["code"]) == (409, "chart_locked")


async def test_nobody_is_joined_while_it_may_be_unknown_that_they_were_treated(intake):
    one, other = await new(intake, phone=number(16)), await new(intake, phone=number(17))
    parked = "insert into parked (source, subject, sequence, reason, headers, body) values (3, $1, 99, 'gap', '{}', '')"
    await intake.rows(parked, UUID(other))
    answer = await call(intake, "POST", f"/patients/{one}/merge", json={"absorbed_id": other})
    assert (answer.status_code, answer.json()["code"]) == (503, "facts_behind")
    await intake.rows("delete from parked where subject = $1", UUID(other))
    await joined(intake, one, other)


async def test_the_absorbed_id_means_the_survivor_for_whatever_staff_do(intake):
    one, other = await new(intake, phone=number(18)), await new(intake, phone=number(19))
    await joined(intake, one, other)
    assert (await call(intake, "PATCH", f"/patients/{other}", json={"phone": number(20)})).status_code == 204
    assert (await shown(intake, one))["phone"] == number(20)
    assert [str(await intake.patient_of(number(last))) for last in (19, 20)] == [one, one]
    await call(intake, "POST", f"/patients/{other}/stop", json={"kind": "sms"})
    assert (await shown(intake, one))["may_text"] is False
    await parted(intake, one, other)
    assert str(await intake.patient_of(number(19))) == other
    assert (await shown(intake, other))["phone"] == number(19)


async def test_erasing_one_erases_all_that_are_one_person(intake):
    one, other = await new(intake, phone=number(21)), await new(intake, phone=number(22), message="secret")
    await joined(intake, one, other)
    assert await intake.erased(other) == 204
    for patient in (one, other):
        assert (await intake.names(patient)).count("PatientErased") == 1
        assert (await intake.events(patient))[0][1]["key"] is None
        assert await intake.rows("select from patient_keys where subject = $1", UUID(patient)) == []
        assert await open_kinds(intake, patient) == []
    assert await intake.patient_of(number(22)) is None
    assert (await ask(intake, "unmerge", one, other)).status_code == 404
    assert (await ask(intake, "merge", one, other)).status_code == 404


async def test_a_contact_of_the_very_moment_of_joining_is_the_survivors(intake):
    one, other = await new(intake, phone=number(23)), await new(intake, phone=number(24))
    await joined(intake, one, other)
    await parted(intake, one, other)
    async with intake.running.service.transaction(actor="staff:dana") as uow:
        await eventually(lambda: _heard(uow, other), timeout=30)
        await merging.merge(uow, UUID(one), UUID(other), "same-person")
        coming = asyncio.create_task(intake.lead(phone=number(24), message="me"))
        await eventually(lambda: intake.rows(WAITING), equals=[(1,)])
    assert (await coming).json()["patient_id"] == one


async def _heard(uow, patient):
    await people.heard_of(uow, [UUID(patient)])
    return True


async def test_joining_waits_for_who_is_just_writing_and_takes_their_new_address_too(intake):
    one, other = await new(intake, phone=number(25)), await new(intake, phone=number(26))
    await joined(intake, one, other)
    await parted(intake, one, other)
    contact = Contact(channel=Channel.API, language="en", phone=number(26), email="maya26@example.com")
    async with intake.running.service.transaction(actor="system:test") as uow:
        accepted = await leads.accept(uow, contact, Key("test", b"26", b"26"))
        joining = asyncio.create_task(ask(intake, "merge", one, other))
        await eventually(lambda: intake.rows(WAITING), equals=[(1,)])
    assert (str(accepted.patient_id), (await joining).status_code) == (other, 204)
    assert await new(intake, email="maya26@example.com") == one
    await parted(intake, one, other)
    assert await new(intake, email="maya26@example.com") == other


async def test_joined_both_ways_and_parted_at_once_one_stays_and_no_address_is_lost(intake):
    one, other = await new(intake, phone=number(27)), await new(intake, phone=number(28))
    await joined(intake, one, other)
    await parted(intake, one, other)
    work = [(what, *pair) for what in ("merge", "unmerge", "merge") for pair in ((one, other), (other, one))]
    contacts = [intake.lead(phone=number(last)) for last in (27, 28) for _ in range(4)]
    answers = await asyncio.gather(*(ask(intake, *each) for each in work), *contacts)
    assert {answer.status_code for answer in answers} <= {201, 204, 409}
    into = {str(row["id"]): row["merged_into"] for row in await intake.rows("select id, merged_into from patients")}
    assert into[one] is None or into[other] is None
    meant = {patient: str(into[patient] or patient) for patient in (one, other)}
    assert str(await intake.patient_of(number(27))) == meant[one]
    assert str(await intake.patient_of(number(28))) == meant[other]
