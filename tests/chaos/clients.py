"""Everybody who wants something of the clinic while it is under fire; each request and answer goes into the history.

A client repeats what was not answered, with the same key, until it hears a yes or a no.
"""

import asyncio
import json
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from twilio.request_validator import RequestValidator

from shared.contracts.topics import SUBMISSIONS
from tests.chaos.arena import REPLICA, Arena
from tests.chaos.facts import Attempt, Contact

AGAIN = frozenset({0, 425, 429, 500, 502, 503, 504})
PATIENCE_SECONDS = 60.0
"""How long a client goes on asking after the run's end."""
AREAS = ("385", "801", "435")
DECISIONS: tuple[dict[str, Any], ...] = (
    {"action": "approve", "route": "im", "sessions": 4},
    {"action": "decline", "reason": "Not now."},
    {"action": "more_information", "question": "Since when?"},
)


@dataclass(slots=True)
class Known:
    """A patient as their clients know them."""

    id: str
    email: str
    phone: str | None
    since: float


@dataclass(slots=True)
class Crowd:
    """What the clients share, and what they leave for the checker."""

    arena: Arena
    pace: float = 1.0
    """How long clients pause between their wishes, against their usual pauses."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    contacts: list[Contact] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    patients: dict[str, Known] = field(default_factory=dict)
    booked: dict[str, str] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    numbers: int = 1000
    _deadline: float = float("inf")

    def ends(self) -> None:
        """No new wishes from now on."""
        self.stop.set()
        self._deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS

    async def pause(self, random_: random.Random, least: float, most: float) -> None:
        await asyncio.sleep(self.pace * random_.uniform(least, most))

    def phone(self) -> str:
        self.numbers += 1
        return f"+1{AREAS[self.numbers % 3]}555{1000 + self.numbers // 3 % 9000}"

    async def ask(
        self, http: httpx.AsyncClient, who: str, id_: str, method: str, path: str, **request: Any
    ) -> tuple[int, Any]:
        """Ask until there is an answer that settles it; (0, None) when there never was."""
        status, answer = 0, None
        while asyncio.get_running_loop().time() < self._deadline:
            self.arena.history.note(who, id_, f"{method} {path}", body=request.get("json"))
            try:
                reply = await http.request(method, path, **request)
                status = reply.status_code
                answer = reply.json() if reply.headers.get("content-type", "").find("json") >= 0 else None
            except (httpx.HTTPError, ValueError) as error:
                status, answer = 0, type(error).__name__
            self.arena.history.note(who, id_, f"heard {status}", answer=answer)
            if status not in AGAIN:
                return status, answer
            await asyncio.sleep(0.1)
        return 0, None

    def an_old_friend(self, random_: random.Random, *, age: float = 2.0) -> Known | None:
        """Somebody whom everybody has had time to hear of."""
        now = asyncio.get_running_loop().time()
        found = [one for one in self.patients.values() if now - one.since > age]
        return random_.choice(found) if found else None


Client = Callable[[Crowd, random.Random, str], Awaitable[None]]


async def leads_over_http(crowd: Crowd, random_: random.Random, who: str) -> None:
    """A website: leads with a key each, some sent twice at once, some unusable, some by the other process."""
    arena = crowd.arena
    headers = {"x-api-key": arena.facts["producer_key"]}
    doors = [arena.url("intake"), arena.address(REPLICA)]
    async with httpx.AsyncClient(timeout=5) as http:
        while not crowd.stop.is_set():
            key = uuid.UUID(int=random_.getrandbits(128), version=4).hex
            email = f"{key[:12]}@patients.example"
            phone = crowd.phone() if random_.random() < 0.5 else None
            lead: dict[str, Any] = {"name": f"Lead {key[:6]}", "email": email, "consent_email": True}
            if phone:
                lead |= {"phone": phone, "consent_sms": True}
            if random_.random() < 0.05:
                lead = {"name": "Nobody", "email": f"not an address {key[:6]}"}
                email = lead["email"]
            send = [
                crowd.ask(
                    http, who, key, "POST", f"{random_.choice(doors)}/api/v1/leads", json=lead,
                    headers=headers | {"idempotency-key": key},
                )
                for _ in range(2 if random_.random() < 0.15 else 1)
            ]  # fmt: skip
            for status, answer in await asyncio.gather(*send):
                patient = answer["patient_id"] if status == 201 else None
                crowd.contacts.append(Contact(key, "http", email, status, patient))
                if patient:
                    now = asyncio.get_running_loop().time()
                    crowd.patients.setdefault(patient, Known(patient, email, phone, now))
            await crowd.pause(random_, 0.05, 0.2)


async def submissions_over_kafka(crowd: Crowd, random_: random.Random, who: str) -> None:
    """A producer that prefers Kafka. What the broker did not acknowledge it sends again, with the same key; and when it
    is told that the broker was emptied, all that it sent, because nobody knows what had been read.
    """
    sent: dict[str, bytes] = {}
    epoch = 0
    while not crowd.stop.is_set() or epoch != crowd.arena.tap.epoch:
        producer = AIOKafkaProducer(bootstrap_servers=crowd.arena.kafka_address, acks="all", request_timeout_ms=5_000)
        try:
            await producer.start()
            while not crowd.stop.is_set() or epoch != crowd.arena.tap.epoch:
                if epoch != crowd.arena.tap.epoch:
                    for key, words in list(sent.items()):
                        await producer.send_and_wait(SUBMISSIONS, words, key=key.encode())
                    epoch = crowd.arena.tap.epoch
                await _submit(crowd, random_, who, producer, sent)
                await crowd.pause(random_, 0.2, 0.5)
        except (KafkaError, OSError) as error:
            crowd.arena.history.note(who, "", "the broker is away", error=type(error).__name__)
            await asyncio.sleep(0.3)
        finally:
            await producer.stop()


async def _submit(
    crowd: Crowd, random_: random.Random, who: str, producer: AIOKafkaProducer, sent: dict[str, bytes]
) -> None:
    key = uuid.UUID(int=random_.getrandbits(128), version=4).hex
    email = f"{key[:12]}@submitted.example"
    words = json.dumps({"name": f"Letter {key[:6]}", "email": email, "consent_email": True}).encode()
    crowd.arena.history.note(who, key, "submits", email=email)
    times = 2 if random_.random() < 0.1 else 1
    for _ in range(times):
        await producer.send_and_wait(SUBMISSIONS, words, key=key.encode())
    crowd.arena.history.note(who, key, "acknowledged")
    crowd.contacts.append(Contact(key, "kafka", email, 202))
    sent[key] = words


async def texts(crowd: Crowd, random_: random.Random, who: str) -> None:
    """Patients text the clinic, as Twilio brings it: the same message id until it is taken."""
    arena = crowd.arena
    assert arena.plan is not None
    validator = RequestValidator(arena.plan.wiring.secrets.twilio_token)
    url = f"{arena.url('intake')}/webhooks/twilio/messages"
    async with httpx.AsyncClient(timeout=5) as http:
        while not crowd.stop.is_set():
            friend = crowd.an_old_friend(random_, age=0.5)
            if friend is None or friend.phone is None:
                await asyncio.sleep(0.1)
                continue
            sid = f"SM{random_.getrandbits(128):032x}"
            words = random_.choice(["1", "yes, a friend drives me", f"ref {sid}", f"my question is {sid}"])
            form = {"MessageSid": sid, "From": friend.phone, "To": "+13035550100", "Body": words, "NumMedia": "0"}
            signed = {"x-twilio-signature": validator.compute_signature(url, form)}
            status, _ = await crowd.ask(http, who, sid, "POST", url, data=form, headers=signed)
            if sid in words:
                crowd.contacts.append(Contact(sid, "text", words, status))
            await crowd.pause(random_, 0.2, 0.5)


async def front_desk(crowd: Crowd, random_: random.Random, who: str) -> None:
    """Books consultations, moves and cancels some; everybody wants the first times."""
    arena = crowd.arena
    async with httpx.AsyncClient(base_url=arena.url("scheduling"), timeout=10) as http:
        while not crowd.stop.is_set():
            friend = crowd.an_old_friend(random_)
            if friend is None:
                await asyncio.sleep(0.1)
                continue
            key = uuid.UUID(int=random_.getrandbits(128), version=4).hex
            headers = arena.as_staff("dana", "scheduling") | {"idempotency-key": key}
            first = (await arena.business_now()).date().isoformat()
            path = f"/api/v1/offers?mode=video&days=10&from={first}"
            status, found = await crowd.ask(http, who, key, "GET", path, headers=headers)
            offers = found["offers"] if status == 200 else []
            if not offers:
                await asyncio.sleep(0.3)
                continue
            at = random_.choice(offers[:8])["starts_at"]
            if friend.id in crowd.booked:
                await _change(crowd, random_, who, http, friend, key, at)
            else:
                await _book(crowd, who, http, friend, key, at, headers)
            await crowd.pause(random_, 0.1, 0.4)


async def _book(
    crowd: Crowd, who: str, http: httpx.AsyncClient, friend: Known, key: str, at: str, headers: dict[str, str]
) -> None:
    body = {"patient_id": friend.id, "starts_at": at, "mode": "video"}
    status, answer = await crowd.ask(http, who, key, "POST", "/api/v1/consultations", json=body, headers=headers)
    appointment = answer["id"] if status == 201 else None
    crowd.attempts.append(Attempt(key, "a booking", status, appointment))
    if appointment:
        crowd.booked[friend.id] = appointment


async def _change(
    crowd: Crowd, random_: random.Random, who: str, http: httpx.AsyncClient, friend: Known, key: str, at: str
) -> None:
    appointment = crowd.booked[friend.id]
    how, body = ("reschedule", {"starts_at": at, "reason": "patient"})
    if random_.random() < 0.25:
        how, body = "cancel", {"reason": "patient"}
    headers = crowd.arena.as_staff("dana", "scheduling")
    path = f"/api/v1/appointments/{appointment}/{how}"
    status, _ = await crowd.ask(http, who, appointment, "POST", path, json=body, headers=headers)
    crowd.attempts.append(Attempt(key, how, status, appointment if status == 200 else None))
    if how == "cancel":
        crowd.booked.pop(friend.id, None)


async def provider(crowd: Crowd, random_: random.Random, who: str) -> None:
    """Completes charts and signs: sessions for some, a question or a no for others."""
    async with httpx.AsyncClient(base_url=crowd.arena.url("assessment"), timeout=10) as http:
        while not crowd.stop.is_set():
            friend = crowd.an_old_friend(random_)
            if friend is None or friend.id in crowd.decided:
                await asyncio.sleep(0.1)
                continue
            crowd.decided.add(friend.id)
            await _decide(crowd, random_, who, http, friend)
            await crowd.pause(random_, 0.3, 0.8)


async def _decide(crowd: Crowd, random_: random.Random, who: str, http: httpx.AsyncClient, friend: Known) -> None:
    chart = f"/api/v1/charts/{friend.id}"

    async def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = crowd.arena.as_staff("osei", "assessment", step_up=True)
        return await crowd.ask(http, who, friend.id, method, chart + path, json=body, headers=headers)

    for kind, content in (("history", {"born": "1980-04-02"}), ("goals", {"hopes": "sleep"}), ("tried", {})):
        status, _ = await ask("PUT", f"/{kind}", {"version": 0, "content": content})
        if status == 404:
            crowd.decided.discard(friend.id)
            return
    await ask("POST", "/complete")
    status, known = await ask("GET", "")
    about = known["assessment"] if status == 200 else None
    if about is None:
        return
    bound = {"assessment_id": about["id"], "assessment_version": about["version"], "assessment_hash": about["hash"]}
    what = random_.choice(DECISIONS)
    status, _ = await ask("POST", "/decision", {**what, **bound})
    crowd.attempts.append(Attempt(friend.id, f"a decision ({what['action']})", status))


CLIENTS: tuple[tuple[str, Client], ...] = (
    ("website-1", leads_over_http),
    ("website-2", leads_over_http),
    ("kafka-producer", submissions_over_kafka),
    ("patients", texts),
    ("desk-1", front_desk),
    ("desk-2", front_desk),
    ("provider", provider),
)


async def work(crowd: Crowd, seed: int) -> None:
    """All clients, until the crowd is told to end and each has heard its last answer."""
    async with asyncio.TaskGroup() as group:
        for number, (who, client) in enumerate(CLIENTS):
            group.create_task(client(crowd, random.Random(seed * 100 + number), who), name=who)
