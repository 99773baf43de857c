"""What a carrier's answer means: sent, refused for good, certainly not sent, or nobody knows. SMTP by a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP

from services.notifications.adapters.port import NotSent, Outgoing, Refused, Unsure
from services.notifications.adapters.smtp import SmtpSender
from services.notifications.adapters.twilio import TwilioSender
from services.notifications.settings import Settings
from shared.clinic import load
from shared.ids import new_id

CLINIC = load(Path(__file__).parents[2] / "deploy" / "clinics" / "harbor.toml")
NOW = datetime(2026, 11, 30, 19, 0, tzinfo=UTC)


def settings(**changes: Any) -> Settings:
    return Settings(
        **{
            "environment": "test", "database_url": "postgresql://nobody@nowhere/none", "clinic_file": "c",
            "clinic_key_file": "k", "public_url": "https://harbor.example", "twilio_account": "AC1",
            "twilio_token": "t", "twilio_from": "+18015550100", "smtp_host": "127.0.0.1",
            "smtp_security": "none", "vendor_timeout_seconds": 2, **changes,
        }
    )  # fmt: skip


def outgoing(**changes: Any) -> Outgoing:
    about = {
        "id": new_id(),
        "to": "jo@patients.example",
        "subject": "Su visita: mañana",
        "body": "Hola:\n\nsí.",
        "at": NOW,
    }
    return Outgoing(**{**about, "language": "es", **changes})


class Server:
    """An SMTP server that answers as it is told."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.taken: list[bytes] = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if (answer := self.answers.get("rcpt")) is None:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return answer

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get("data", "250 OK")
        if answer == "hang up":
            server.transport.abort()
        self.taken.append(envelope.content)
        return answer


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    made = await loop.create_server(partial(SMTP, server, enable_SMTPUTF8=True), "127.0.0.1", 0)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()


async def mailed(server: Server, message: Outgoing | None = None) -> None:
    async with listening(server) as port:
        await SmtpSender(settings(smtp_port=port), CLINIC).send(message or outgoing())


async def test_a_mail_is_plain_and_html_with_a_lasting_id():
    server, message = Server(), outgoing()
    await mailed(server, message)
    await mailed(server, message)
    first, again = (bytes(raw) for raw in server.taken)
    assert f"Message-ID: <{message.id}@harbor.example>".encode() in first
    assert first.split(b"boundary")[0] == again.split(b"boundary")[0]
    assert b"text/plain" in first
    assert b"text/html" in first
    assert b"Auto-Submitted: auto-generated" in first


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"rcpt": "550 no such user"}, Refused),
        ({"rcpt": "450 later"}, NotSent),
        ({"data": "554 refused"}, Refused),
        ({"data": "451 local error"}, NotSent),
        ({"data": "hang up"}, Unsure),
    ],
)
async def test_what_a_mail_server_says(answers, expected):
    with pytest.raises(expected):
        await mailed(Server(**answers))


async def test_no_mail_server_at_all_is_certain():
    async with listening(Server()) as port:
        pass
    with pytest.raises(NotSent):
        await SmtpSender(settings(smtp_port=port), CLINIC).send(outgoing())


@pytest.mark.parametrize("to", ["jo@patients.example\r\nBcc: all@patients.example", "", "no address"])
async def test_an_address_that_is_none_is_refused_and_smuggles_nothing(to):
    server = Server()
    with pytest.raises(Refused):
        await mailed(server, outgoing(to=to))
    assert not any(b"Bcc" in raw for raw in server.taken)


def texted(answer: Any) -> TwilioSender:
    def handler(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        found: httpx.Response = answer(request) if callable(answer) else answer
        return found

    return TwilioSender(settings(), httpx.AsyncClient(transport=httpx.MockTransport(handler)))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(400, json={"code": 21211}), Refused),
        (httpx.Response(400, content=b"nonsense"), Refused),
        (httpx.Response(429), NotSent),
        (httpx.Response(401, json={"code": 20003}), NotSent),
        (httpx.Response(500), Unsure),
        (httpx.Response(503), Unsure),
        (httpx.ConnectError("refused"), NotSent),
        (httpx.ConnectTimeout("slow"), NotSent),
        (httpx.ReadTimeout("slow"), Unsure),
        (httpx.RemoteProtocolError("gone"), Unsure),
    ],
)
async def test_what_twilio_says(answer, expected):
    with pytest.raises(expected):
        await texted(answer).send(outgoing(to="+18015550148"))


async def test_a_stop_that_twilio_knows_of_is_told_apart():
    with pytest.raises(Refused) as refused:
        await texted(httpx.Response(400, json={"code": 21610})).send(outgoing(to="+18015550148"))
    assert refused.value.opted_out


async def test_the_callback_carries_our_id():
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(201, json={"sid": "SM1", "status": "queued"})

    message = outgoing(to="+18015550148", body="Hi & bye")
    receipt = await texted(answer).send(message)
    assert receipt.vendor_id == "SM1"
    form = dict(httpx.QueryParams(asked[0].content.decode()))
    assert form["StatusCallback"] == f"https://harbor.example/webhooks/twilio/status?message={message.id}"
    assert form["Body"] == "Hi & bye"
    assert asked[0].headers["authorization"].startswith("Basic ")


async def test_only_the_same_words_since_the_first_try_are_ours():
    message = outgoing(to="+18015550148", body="Hi")
    made = {
        "direction": "outbound-api",
        "status": "delivered",
        "body": "Hi",
        "date_created": "Mon, 30 Nov 2026 19:00:01 +0000",
    }
    listed = [
        {**made, "sid": "SM1"},
        {**made, "sid": "SM2", "body": "Hello"},
        {**made, "sid": "SM3", "direction": "inbound"},
        {**made, "sid": "SM4", "date_created": "Sun, 29 Nov 2026 19:00:01 +0000"},
        {**made, "sid": "SM5", "date_created": "rubbish"},
    ]
    found = await texted(httpx.Response(200, json={"messages": listed})).look_up(message, NOW)
    assert [receipt.vendor_id for receipt in found] == ["SM1", "SM5"]
    for broken in (httpx.Response(500), httpx.Response(200, content=b"x"), httpx.ReadTimeout("slow")):
        with pytest.raises(NotSent):
            await texted(broken).look_up(message, NOW + timedelta(days=1))
