"""The facts of a run, read from the tables, the topics, the carriers' ledger and the clients' history."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from passage.recover import READERS
from shared.clinic import load
from shared.contracts.base import SOURCES
from shared.contracts.topics import TOPICS
from shared.db.migrate import fill
from shared.inbox import dead_letters
from shared.inbox.positions import NAME
from shared.security.keyring import Keyring
from shared.security.keys import PatientKeys
from tests.chaos.arena import BUSINESS_NOW, CONSUMERS, Arena
from tests.chaos.clients import Crowd
from tests.chaos.facts import Booking, Delivery, Effect, Facts, Letter, Logged, Message
from tests.chaos.page import OpenPage, projection

HOLDS = timedelta(days=3)
IN_TIME = timedelta(hours=2)
"""As the clinic promises: news of a visit is told at once when it would come later than this before it."""

LOG = "select event_id, subject, sequence, type, at, body from {source}.event_log order by id"
POSITIONS = "select source, subject, sequence from {consumer}.inbox"
PARKED = "select source, subject, sequence from {consumer}.parked"
LETTERS = (
    'select id, source, subject, sequence, reason, topic, partition, "offset", record from {consumer}.dead_letters'
)
MOVES = "select consumer, source, subject, prior, sequence, at from chaos.moves order by n"
MET = {
    "assessment": "select patient_id as patient, count(*) as n from assessment.charts group by 1",
    "scheduling": "select patient_id as patient, count(*) as n from scheduling.patients group by 1",
    "notifications": "select id as patient, count(*) as n from notifications.patients group by 1",
    "dashboard": """
        select patient_id as patient, count(*) as n from dashboard.story
         where type = 'passage.intake.LeadCreated.v1' group by 1""",
}
# The row that an event tells of, by the event's type: a set of ids, and the field of the body that names one.
ROWS = {
    "passage.intake.LeadCreated.v1": ("patient_id", "select id from intake.patients"),
    "passage.intake.TaskRaised.v1": ("task_id", "select id from intake.tasks"),
    "passage.assessment.TaskRaised.v1": ("task_id", "select id from assessment.tasks"),
    "passage.assessment.AssessmentCompleted.v1": ("assessment_id", "select id from assessment.assessments"),
    "passage.assessment.CandidateApproved.v1": ("approval_id", "select id from assessment.approvals"),
    "passage.scheduling.ConsultationScheduled.v1": (
        "appointment_id", "select appointment_id as id from scheduling.appointments"),
    "passage.scheduling.SessionScheduled.v1": (
        "appointment_id", "select appointment_id as id from scheduling.appointments"),
    "passage.notifications.TaskRaised.v1": ("task_id", "select id from notifications.tasks"),
    "passage.notifications.MessageSent.v1": (
        "message_id", "select id from notifications.messages where sent_at is not null"),
}  # fmt: skip
CREATED = """
select subject, body->>'contact' as contact from intake.event_log where type = 'passage.intake.LeadCreated.v1'
"""
SAID = """
select subject, body->>'body' as words from intake.event_log where type = 'passage.intake.MessageReceived.v1'
"""
MESSAGES = """
select m.*, p.zone from notifications.messages m join notifications.patients p on p.id = m.patient_id
"""
BOOKINGS = 'select resource, appointment_id, lower(during) as start, upper(during) as "end" from scheduling.bookings'
APPOINTMENTS = "select appointment_id, state from scheduling.appointments"
TIMERS = """
select '{source} ' || kind || ' due ' || due_at || coalesce(' ' || error, '') as kind, subject::text as id
  from {source}.timers where due_at < $1
"""
REQUESTS = (
    "select 'a replay asked of {source}' as kind, id::text as id from {source}.replay_requests where done_at is null"
)
UNSENT = """
select 'a message in ' || state as kind, id::text as id from notifications.messages where state in ('ready', 'sending')
"""
PENDING_COURSES = (
    "select 'a course to plan' as kind, course_id::text as id from scheduling.courses where state = 'pending'"
)
BEHIND = """
select count(*) from {source}.streams s
  left join {consumer}.inbox i on i.source = $1 and i.subject = s.subject
 where coalesce(i.sequence, 0) < s.sequence
"""
LATE = timedelta(seconds=5)


async def waiting(conn: asyncpg.Connection) -> dict[str, list[str]]:
    """What is still under way, by kind."""
    due = await conn.fetchval(BUSINESS_NOW) - LATE
    found: dict[str, list[str]] = {}
    rows = [*await conn.fetch(UNSENT), *await conn.fetch(PENDING_COURSES)]
    for source in SOURCES:
        rows += await conn.fetch(fill(TIMERS, source=source), due)
        rows += await conn.fetch(fill(REQUESTS, source=source))
    for row in rows:
        found.setdefault(row["kind"], []).append(row["id"])
    return found


async def behind(conn: asyncpg.Connection) -> int:
    """How many positions are not at their subject's end."""
    number = {name: key for key, name in NAME.items()}
    return sum(
        [
            await conn.fetchval(fill(BEHIND, source=source, consumer=consumer), number[source])
            for source, readers in READERS.items()
            for consumer in readers
        ]
    )


async def collect(arena: Arena, crowd: Crowd, page: OpenPage | None) -> Facts:
    """Everything that the invariants look at."""
    assert arena.plan is not None
    conn = await arena.connect()
    try:
        facts = Facts(
            contacts=crowd.contacts,
            attempts=crowd.attempts,
            topic=arena.tap.records,
            readers={source: tuple(readers) for source, readers in READERS.items()},
            poison=arena.poison,
            tampered=arena.tampered,
            wiped_at=arena.wiped_at,
            moves=arena.moves,
            unsure=arena.unsure,
            samples=arena.samples,
            log=await _log(conn),
            effects=await _effects(conn),
            waiting=await waiting(conn) | ({"held up by a long transaction": arena.delayed} if arena.delayed else {}),
        )
        await _inboxes(conn, arena.keyring, facts)
        await _people(conn, arena.keyring, facts)
        await messages_into(conn, facts, arena.state / "sandbox.jsonl", arena.clinic)
        await _calendar(conn, facts)
        if page is not None:
            facts.streamed, facts.projected = page.shows, await projection(conn)
    finally:
        await conn.close()
    facts.offsets = await offsets(arena.kafka_address)
    return facts


async def _log(conn: asyncpg.Connection) -> list[Logged]:
    stand = {type_: {str(r["id"]) for r in await conn.fetch(sql)} for type_, (_, sql) in ROWS.items()}
    found = []
    for source in SOURCES:
        for r in await conn.fetch(fill(LOG, source=source)):
            row = None
            if r["type"] in ROWS:
                row = json.loads(r["body"])[ROWS[r["type"]][0]] in stand[r["type"]]
            found.append(Logged(str(r["event_id"]), source, str(r["subject"]), r["sequence"], r["type"], r["at"], row))
    return found


async def _effects(conn: asyncpg.Connection) -> list[Effect]:
    return [
        Effect(r["consumer"], NAME[r["source"]], str(r["subject"]), sequence, r["at"])
        for r in await conn.fetch(MOVES)
        for sequence in range(r["prior"] + 1, r["sequence"] + 1)
    ]


async def _inboxes(conn: asyncpg.Connection, keyring: Keyring, facts: Facts) -> None:
    for consumer in CONSUMERS:
        for r in await conn.fetch(fill(POSITIONS, consumer=consumer)):
            facts.positions[consumer, NAME[r["source"]], str(r["subject"])] = r["sequence"]
        for r in await conn.fetch(fill(PARKED, consumer=consumer)):
            facts.parked.add((consumer, NAME[r["source"]], str(r["subject"]), r["sequence"]))
        for r in await conn.fetch(fill(LETTERS, consumer=consumer)):
            raw = dead_letters.unseal(
                keyring, r["record"], topic=r["topic"], partition=r["partition"], offset=r["offset"]
            )
            event = (NAME[r["source"]], str(r["subject"]), r["sequence"]) if r["source"] else None
            facts.letters.append(
                Letter(consumer, str(r["id"]), hashlib.sha256(raw.value).hexdigest(), r["reason"], event)
            )
    for consumer, sql in MET.items():
        facts.met[consumer] = {str(r["patient"]): r["n"] for r in await conn.fetch(sql)}


async def _people(conn: asyncpg.Connection, keyring: Keyring, facts: Facts) -> None:
    """Whom each address leads to and which words were told, opened from the events themselves."""
    await conn.execute("set search_path = intake")
    created, said = await conn.fetch(CREATED), await conn.fetch(SAID)
    boxes = await PatientKeys(conn, keyring).boxes({r["subject"] for r in (*created, *said)})
    for r in created:
        email = boxes[r["subject"]].open_json(r["contact"]).get("email")
        if email:
            facts.owners.setdefault(email, []).append(str(r["subject"]))
    facts.words = dict(Counter(boxes[r["subject"]].open(r["words"]) for r in said))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


async def messages_into(conn: asyncpg.Connection, facts: Facts, ledger: Path, clinic_file: Path) -> None:
    """The ledger of messages, and what the carriers have."""
    clinic = load(clinic_file)
    hours = clinic.messages.send_between
    facts.send_between = (_clock(hours.start), _clock(hours.end))
    for r in await conn.fetch(MESSAGES):
        until = r["until_at"] or r["due_at"] + HOLDS
        facts.messages.append(
            Message(
                id=str(r["id"]), patient=str(r["patient_id"]), kind=r["kind"], channel=r["channel"], state=r["state"],
                due_at=r["due_at"], latest=until if r["ladder"] else until - IN_TIME, attempts=r["attempts"],
                zone=r["zone"] or clinic.zone, exempt=r["exempt"], sent_at=r["sent_at"],
                carried=r["carried_by"] is not None,
            )
        )  # fmt: skip
    if ledger.exists():
        facts.deliveries = list(deliveries(ledger.read_text(encoding="utf-8").splitlines()))


def deliveries(lines: Iterable[str]) -> Iterable[Delivery]:
    """What the sandbox's state file says has reached the carriers, once each."""
    seen: set[str] = set()
    for line in lines:
        found: dict[str, Any] = json.loads(line)
        if found["kind"] == "mail":
            headers = {name.lower(): value for name, value in found["headers"].items()}
            message = headers["message-id"].strip("<>").partition("@")[0]
            yield Delivery(found["id"], message, "email", datetime.fromisoformat(found["at"]))
        elif found["kind"] == "text" and found["direction"] == "outbound-api" and found["sid"] not in seen:
            seen.add(found["sid"])
            message = parse_qs(urlsplit(found["callback"] or "").query).get("message", [""])[0]
            yield Delivery(found["sid"], message, "sms", datetime.fromisoformat(found["created_at"]))


async def _calendar(conn: asyncpg.Connection, facts: Facts) -> None:
    facts.bookings = [
        Booking(r["resource"], str(r["appointment_id"]), r["start"], r["end"]) for r in await conn.fetch(BOOKINGS)
    ]
    facts.appointments = {str(r["appointment_id"]): r["state"] for r in await conn.fetch(APPOINTMENTS)}


async def offsets(bootstrap: str) -> dict[tuple[str, str, int], int]:
    """Where each group stands: (consumer, topic, partition) → its committed offset."""
    # All partitions by name: the embedded broker does not know the question without them.
    every = [TopicPartition(topic.name, number) for topic in TOPICS for number in range(topic.partitions)]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return {
            (consumer, place.topic, place.partition): at.offset
            for consumer in CONSUMERS
            for place, at in (await admin.list_consumer_group_offsets(f"passage.{consumer}", partitions=every)).items()
            if at.offset >= 0
        }
    finally:
        await admin.close()
