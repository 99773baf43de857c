"""`kill -9` of services and their relays while leads come in: each accepted lead ends everywhere once."""

import asyncio
import itertools
import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.embedded.stack import Stack
from shared.db.migrate import SERVICES
from tests.support.stack import started
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
VICTIMS = ("assessment", "notifications", "intake", "scheduling", "dashboard", "intake")
CLIENTS = 4
LEADS_BETWEEN = 20

LEADS = """
select subject, count(*) as events from intake.event_log
 where type = 'passage.intake.LeadCreated.v1' group by subject
"""
# Where each consumer writes down a patient whom it has met.
MET = {
    "assessment": "select patient_id as patient, count(*) as n from assessment.charts group by 1",
    "scheduling": "select patient_id as patient, count(*) as n from scheduling.patients group by 1",
    "notifications": "select id as patient, count(*) as n from notifications.patients group by 1",
    "dashboard": """
        select patient_id as patient, count(*) as n from dashboard.story
         where type = 'passage.intake.LeadCreated.v1' group by 1""",
}
BEHIND = """
select count(*) from intake.streams s
 left join {schema}.inbox i on i.source = 1 and i.subject = s.subject
 where coalesce(i.sequence, 0) < s.sequence
"""
UNSENT = "select count(*) from notifications.messages where state in ('planned', 'ready', 'sending')"


async def send_leads(stack: Stack, key: str, client: int, accepted: dict[str, str], stop: asyncio.Event) -> None:
    """One producer: each lead with a key of its own, the same request again until it is answered."""
    numbers = itertools.count()
    async with httpx.AsyncClient(base_url=stack.url("intake"), timeout=5) as http:
        while not stop.is_set():
            number = next(numbers)
            lead = {
                "name": f"Lead {client}-{number}",
                "email": f"lead-{client}-{number}@example.org",
                "consent_email": True,
            }
            idempotency = str(uuid.uuid4())
            while not stop.is_set():
                try:
                    answer = await http.post(
                        "/api/v1/leads",
                        json=lead,
                        headers={"x-api-key": key, "idempotency-key": idempotency},
                    )
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 201:
                    accepted[idempotency] = answer.json()["patient_id"]
                    break
                assert answer.status_code in (429, 500, 503), answer.text
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.02)


async def counts(conn: asyncpg.Connection, sql: str) -> dict[str, int]:
    return {str(row["patient"]): row["n"] for row in await conn.fetch(sql)}


async def test_every_accepted_lead_ends_in_every_consumer_once(tmp_path: Path) -> None:
    stack, teller = await started(tmp_path / "state")
    try:
        facts: dict[str, Any] = json.loads((stack.state / "stack.json").read_text())
        key = json.loads((stack.state / "secrets" / "producer.json").read_text())["key"]
        accepted: dict[str, str] = {}
        stop = asyncio.Event()
        clients = [asyncio.create_task(send_leads(stack, key, n, accepted, stop)) for n in range(CLIENTS)]
        for victim in VICTIMS:
            before = len(accepted)
            await eventually(partial(more_than, accepted, before + LEADS_BETWEEN), timeout=60)
            stack.kill(victim)
        for name in set(VICTIMS):
            await eventually(partial(is_ready, stack, name), timeout=60, tolerate=(httpx.TransportError,))
        stop.set()
        await asyncio.gather(*clients)
        assert {name for name in VICTIMS if any(name in told for told in teller.troubles)} == set(VICTIMS)

        conn = await asyncpg.connect(facts["database_url"])
        try:
            await check(conn, set(accepted.values()))
            await eventually(lambda: conn.fetchval(UNSENT), equals=0, timeout=60)
            check_mailbox(stack.state / "sandbox.jsonl")
        finally:
            await conn.close()
    finally:
        await stack.stop()


def more_than(accepted: dict[str, str], count: int) -> bool:
    return len(accepted) > count


async def is_ready(stack: Stack, name: str) -> bool:
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{stack.url(name)}/ready", timeout=5)).status_code == 200


async def check(conn: asyncpg.Connection, patients: set[str]) -> None:
    """By id, not by count."""
    created = {str(row["subject"]): row["events"] for row in await conn.fetch(LEADS)}
    assert patients <= set(created), "an accepted lead has no event"
    assert set(created.values()) == {1}, "a lead was created twice"
    for service in MET:
        await eventually(partial(conn.fetchval, BEHIND.format(schema=service)), equals=0, timeout=60)
        assert await counts(conn, MET[service]) == created, service
    for service in SERVICES:
        assert await conn.fetchval(f"select count(*) from {service}.dead_letters") == 0
        assert await conn.fetchval(f"select count(*) from {service}.parked") == 0


def check_mailbox(file: Path) -> None:
    """Everybody was answered; a mail that came twice is the same mail, by its Message-ID."""
    answers: dict[str, set[str]] = {}
    for line in file.read_text().splitlines():
        mail = json.loads(line)
        if mail["kind"] == "mail":
            headers = {name.lower(): value for name, value in mail["headers"].items()}
            answers.setdefault(mail["to"], set()).add(headers["message-id"])
    assert answers
    assert {len(messages) for messages in answers.values()} == {1}
