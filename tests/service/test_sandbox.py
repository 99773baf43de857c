"""The sandbox speaks Twilio's and SMTP's protocols as the real ones do; its clock passes nothing that is due."""

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from twilio.request_validator import RequestValidator

from deploy.embedded.processes import any_free_port
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.staff import codes
from deploy.sandbox.world import World as Outside
from shared.ids import new_id
from tests.support.sandbox import Sandbox, sandbox
from tests.support.serving import serving

CLINIC, PATIENT = "+13035550100", "+18015550148"


class Clinic:
    """A webhook address that checks signatures, as a service would."""

    def __init__(self, token: str) -> None:
        self.received: list[dict[str, str]] = []
        self.answer = "<Response></Response>"
        self.failures = 0
        self.url = ""
        self.app = FastAPI()
        validator = RequestValidator(token)

        @self.app.post("/hook")
        async def hook(request: Request) -> Response:
            form = {name: str(value) for name, value in (await request.form()).items()}
            assert validator.validate(self.url, form, request.headers["x-twilio-signature"])
            if self.failures:
                self.failures -= 1
                return Response(status_code=503)
            self.received.append(form)
            return Response(self.answer, media_type="application/xml")


@pytest.fixture
async def clinic(world) -> AsyncIterator[Clinic]:
    made, port = Clinic(world.secrets.twilio_token), any_free_port()
    made.url = f"http://127.0.0.1:{port}/hook"
    async with serving(made.app, port):
        yield made


@pytest.fixture
async def outside(world, clinic) -> AsyncIterator[Sandbox]:
    async with sandbox(world, inbound_url=clinic.url, state_file=None) as started:
        yield started


async def twilio(outside: Sandbox, **form: str) -> httpx.Response:
    account = outside.settings.account_sid
    return await outside.http.post(
        f"/twilio/2010-04-01/Accounts/{account}/Messages.json",
        data={"To": PATIENT, "From": CLINIC, "Body": "hello", **form},
        auth=(account, outside.settings.auth_token.get_secret_value()),
    )


async def listed(outside: Sandbox, **query: str) -> Any:
    account = outside.settings.account_sid
    auth = (account, outside.settings.auth_token.get_secret_value())
    return await outside.http.get(f"/twilio/2010-04-01/Accounts/{account}/Messages.json", params=query, auth=auth)


async def test_a_text_is_queued_sent_delivered_and_each_step_reported_with_a_signature(outside, clinic, eventually):
    answer = await twilio(outside, StatusCallback=clinic.url)
    assert answer.status_code == 201
    body = answer.json()
    assert body["status"] == "queued"
    assert body["direction"] == "outbound-api"
    assert body["sid"].startswith("SM")
    assert body["date_created"].endswith("+0000")
    await eventually(lambda: [one["MessageStatus"] for one in clinic.received], equals=["sent", "delivered"])
    (text,) = await outside.texts(PATIENT)
    assert text["status"] == "delivered"


async def test_a_text_can_be_fetched_and_listed_by_number_and_date(outside, eventually):
    sid = (await twilio(outside)).json()["sid"]
    await twilio(outside, To="+18015550199")
    today, tomorrow = (f"{datetime.now(UTC) + timedelta(days=n):%Y-%m-%d}" for n in (0, 1))
    page = (await listed(outside, To=PATIENT, **{"DateSent>": today})).json()
    assert [one["sid"] for one in page["messages"]] == [sid]
    assert (await listed(outside, To=PATIENT, **{"DateSent>": tomorrow})).json()["messages"] == []
    assert (await listed(outside, To=PATIENT, **{"DateSent<": today})).json()["messages"] != []
    assert (await listed(outside, DateSent=today, PageSize="1")).json()["next_page_uri"]
    assert (await listed(outside, DateSent="soon")).status_code == 400
    account = outside.settings.account_sid
    auth = (account, outside.settings.auth_token.get_secret_value())
    path = f"/twilio/2010-04-01/Accounts/{account}/Messages/"
    assert (await outside.http.get(f"{path}{sid}.json", auth=auth)).json()["sid"] == sid
    missing = await outside.http.get(f"{path}SM0.json", auth=auth)
    assert (missing.status_code, missing.json()["code"]) == (404, 20404)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": "12"}, 21211),
        ({"To": "nonsense"}, 21211),
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"From": "+18005550000"}, 21606),
        ({"Body": " "}, 21602),
        ({"Body": "x" * 1601}, 21617),
    ],
)
async def test_what_twilio_refuses_is_refused_with_its_code(outside, form, code):
    answer = await twilio(outside, **form)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["more_info"].endswith(str(code))


@pytest.mark.parametrize("auth", [None, ("AC0", "x"), ("", "")])
async def test_without_the_accounts_credentials_nothing_works(outside, auth):
    path = f"/twilio/2010-04-01/Accounts/{outside.settings.account_sid}/Messages.json"
    answer = await outside.http.post(path, data={"To": PATIENT}, auth=auth)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    broken = await outside.http.get(path, headers={"authorization": "Basic %%%"})
    assert broken.status_code == 401


async def test_a_patients_text_reaches_the_clinic_signed_and_its_answer_the_phone(outside, clinic, eventually):
    clinic.answer = "<Response><Message>Thank &amp; you</Message></Response>"
    await outside.say(PATIENT, "Karin, my wife")
    await eventually(lambda: len(clinic.received), equals=1)
    assert clinic.received[0]["Body"] == "Karin, my wife"
    assert clinic.received[0]["From"] == PATIENT
    assert clinic.received[0]["To"] == CLINIC

    async def answers() -> list[str]:
        return [one["body"] for one in await outside.texts(PATIENT)]

    await eventually(answers, equals=["Thank & you"])


async def test_a_webhook_that_fails_is_tried_again(outside, clinic, eventually):
    clinic.failures = 1
    await outside.say(PATIENT, "1")
    await eventually(lambda: [one["Body"] for one in clinic.received], equals=["1"])


async def test_a_clinic_that_heeds_stop_itself_gets_it_and_may_confirm(outside, clinic, eventually):
    await outside.say(PATIENT, "STOP")
    await eventually(lambda: len(clinic.received), equals=1)
    assert (await twilio(outside, Body="You get no more texts from us.")).status_code == 201


async def test_twilios_own_handling_of_stop_and_start(world, clinic, eventually):
    async with sandbox(world, inbound_url=clinic.url, state_file=None, opt_out="twilio") as outside:
        await outside.say(PATIENT, "Stop ")
        await eventually(lambda: len(clinic.received), equals=1)
        refused = await twilio(outside)
        assert (refused.status_code, refused.json()["code"]) == (400, 21610)
        assert "unsubscribed" in (await outside.texts(PATIENT))[0]["body"]
        await outside.say(PATIENT, "START")
        await eventually(lambda: len(clinic.received), equals=2)
        assert (await twilio(outside)).status_code == 201


async def test_faults_of_the_phone_network_can_be_switched_on(outside, clinic, eventually):
    await outside.break_(sms="down")
    assert (await twilio(outside)).status_code == 503
    assert await outside.texts(PATIENT) == []
    await outside.break_(sms="accept_then_500")
    assert (await twilio(outside)).status_code == 500
    assert len(await outside.texts(PATIENT)) == 1, "it was taken all the same"
    await outside.break_(sms="undeliverable")
    await twilio(outside, StatusCallback=clinic.url)
    await eventually(lambda: [one["MessageStatus"] for one in clinic.received], equals=["sent", "undelivered"])
    assert clinic.received[-1]["ErrorCode"] == "30003"
    await outside.break_()
    assert (await twilio(outside)).status_code == 201
    unknown = await outside.http.post("/api/faults", json={"sms": "on fire"})
    assert unknown.status_code == 422


def send(outside: Sandbox, to: str, subject: str = "We have your message") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Harbor Clinic <hello@harbor.example>", to, subject
    mail.set_content("Grüße\n\nhttps://harbor.example/x")
    mail.add_alternative("<p>Grüße <script>alert(1)</script></p>", subtype="html")
    mail.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename="visit.ics")
    with smtplib.SMTP("127.0.0.1", outside.settings.smtp_port, timeout=10) as server:
        server.send_message(mail)


async def test_a_mail_arrives_with_its_words_and_attachments(outside):
    await asyncio.to_thread(send, outside, "jonah@example.org")
    (mail,) = await outside.mails("JONAH@example.org")
    assert mail["subject"] == "We have your message"
    assert mail["text"] == "Grüße\n\nhttps://harbor.example/x"
    assert mail["attachments"] == ["visit.ics"]
    shown = await outside.http.get(f"/mails/{mail['id']}/html")
    assert "default-src 'none'" in shown.headers["content-security-policy"], "nothing of a mail may run"
    assert (await outside.http.get("/mails/none/html")).status_code == 404


async def test_faults_of_the_mail_system_can_be_switched_on(outside):
    await outside.break_(smtp="down")
    with pytest.raises(smtplib.SMTPException):
        await asyncio.to_thread(send, outside, "a@example.org")
    assert await outside.mails("a@example.org") == []
    await outside.break_(smtp="accept_then_500")
    with pytest.raises(smtplib.SMTPException):
        await asyncio.to_thread(send, outside, "a@example.org")
    assert len(await outside.mails("a@example.org")) == 1, "it was taken all the same"


async def test_a_restart_keeps_what_was_said(world, tmp_path):
    state = tmp_path / "state" / "sandbox.jsonl"
    async with sandbox(world, inbound_url="", state_file=state, opt_out="twilio") as outside:
        await twilio(outside)
        await outside.say(PATIENT, "STOP")
        await asyncio.to_thread(send, outside, "jonah@example.org")
    with state.open("a") as file:
        file.write('{"kind": "text", "sid": "cut off in the mid')
    async with sandbox(world, inbound_url="", state_file=state, opt_out="twilio") as outside:
        assert "hello" in [one["body"] for one in await outside.texts(PATIENT)]
        assert len(await outside.mails("jonah@example.org")) == 1
        assert (await twilio(outside)).json()["code"] == 21610


async def test_the_page_shows_phone_and_mailbox_and_takes_an_answer(outside, clinic, eventually):
    await twilio(outside, Body="Who takes you home? <b>Open</b> http://127.0.0.1:8405/r/7Kd2.")
    await asyncio.to_thread(send, outside, "jonah@example.org")
    page = (await outside.http.get("/")).text
    assert '<a href="http://127.0.0.1:8405/r/7Kd2">http://127.0.0.1:8405/r/7Kd2</a>.' in page
    assert "&lt;b&gt;Open" in page
    assert "jonah@example.org" in page
    answer = await outside.http.post("/texts", data={"phone": PATIENT, "body": "Karin"})
    assert answer.status_code == 303
    assert "%2B18015550148" in answer.headers["location"]
    await eventually(lambda: [one["Body"] for one in clinic.received], equals=["Karin"])
    typed = await outside.http.post("/texts", data={"phone": "(801) 555-0177", "body": "Hi"})
    assert "%2B18015550177" in typed.headers["location"], "a new number, as people write it"
    wrong = await outside.http.post("/texts", data={"phone": "7", "body": "Hi"}, follow_redirects=True)
    assert "Invalid &#39;To&#39; Phone Number" in wrong.text
    assert "inline" not in page
    assert "script-src" not in wrong.headers["content-security-policy"], "default-src 'self' holds for scripts"


async def test_the_page_hears_of_changes_at_once(outside):
    async with outside.http.stream("GET", "/changes") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        await twilio(outside)
        async with asyncio.timeout(5):
            while await anext(lines) != "event: changed":
                pass


def test_the_sandbox_refuses_to_be_anywhere_but_in_development(world):
    with pytest.raises(ValueError, match="environment"):
        SandboxSettings(**{**world.wiring.settings("sandbox"), "environment": "production"})


def test_the_demo_staffs_authenticator_codes_are_shown(tmp_path):
    file = tmp_path / "staff.json"
    assert codes(file) == []
    file.write_text(
        json.dumps({"staff": [{"id": "dana", "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "password": "p"}]})
    )
    (one,) = codes(file)
    assert (one.id, one.password, len(one.code)) == ("dana", "p", 6)
    assert 0 < one.seconds <= 30


async def test_memory_alone_is_enough():
    outside = Outside()
    await outside.opt_out(PATIENT, stopped=True)
    await outside.opt_out(PATIENT, stopped=False)
    assert outside.opted_out == set()


# The clock


async def timer(world, service: str, kind: str, due: datetime) -> None:
    async with world.connection(service) as conn:
        await conn.execute(
            "insert into timers (kind, subject, occurrence, due_at) values ($1, $2, '1', $3)", kind, new_id(), due
        )


async def fire(world, service: str, kind: str, then: timedelta | None = None) -> datetime:
    """Play the service: wait for the timer to be due in business time, fire it, return when it was."""
    while True:
        async with world.connection(service) as conn:
            offset = await conn.fetchval("select offset_seconds from clock.state")
            now = datetime.now(UTC) + timedelta(seconds=offset)
            query = "delete from timers where kind = $1 and due_at <= $2 returning due_at"
            due = await conn.fetchval(query, kind, now)
        if due is not None:
            if then is not None:
                await timer(world, service, f"after-{kind}", due + then)
            return now
        await asyncio.sleep(0.02)


async def test_time_stops_at_everything_that_is_due_on_the_way(fresh_world):
    world = fresh_world
    async with sandbox(world, inbound_url="", state_file=None) as outside:
        began = datetime.fromisoformat((await outside.http.get("/api/clock")).json()["now"])
        first, second = began + timedelta(hours=20), began + timedelta(hours=30)
        await timer(world, "notifications", "reminder", first)
        await timer(world, "scheduling", "hold", second)
        fired = [
            asyncio.create_task(fire(world, "notifications", "reminder", then=timedelta(hours=2))),
            asyncio.create_task(fire(world, "notifications", "after-reminder")),
            asyncio.create_task(fire(world, "scheduling", "hold")),
        ]
        moved = await outside.forward(seconds=3 * 86_400)
        moments = [await task for task in fired]
        assert moved["steps"] == 3
        assert moved["stuck"] == []
        for moment, due in zip(moments, (first, first + timedelta(hours=2), second), strict=True):
            assert timedelta() <= moment - due < timedelta(seconds=5), "each at its own moment"
        assert datetime.fromisoformat(moved["now"]) >= began + timedelta(days=3)


async def test_the_next_due_time_is_one_step_and_a_dead_timer_is_named(fresh_world, monkeypatch):
    monkeypatch.setattr("deploy.sandbox.stepping._PATIENCE_SECONDS", 0.3)
    async with sandbox(fresh_world, inbound_url="", state_file=None) as outside:
        assert (await outside.forward(next=True))["steps"] == 0, "nothing is due"
        due = datetime.now(UTC) + timedelta(hours=5)
        await timer(fresh_world, "scheduling", "hold", due)
        assert (await outside.http.get("/api/clock")).json()["next_due"] == due.isoformat()
        moved = await outside.forward(next=True)
        assert moved["stuck"] == ["scheduling/hold"], "nobody fired it"
        assert abs(datetime.fromisoformat(moved["now"]) - due) < timedelta(seconds=5)


async def test_time_only_goes_forward(outside):
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert (await outside.http.post("/api/clock", json={"to": past})).status_code == 422
    assert (await outside.http.post("/api/clock", json={"forward_seconds": -5})).status_code == 422
    assert (await outside.http.post("/api/clock", json={})).status_code == 422
    assert (await outside.http.post("/api/clock", json={"next": True, "forward_seconds": 5})).status_code == 422


async def test_without_a_database_there_is_no_clock_to_move(world):
    async with sandbox(world, inbound_url="", state_file=None, database_url=None) as outside:
        assert (await outside.http.post("/api/clock", json={"next": True})).status_code == 409
        assert (await outside.http.get("/api/clock")).json()["movable"] is False
        assert "can't be moved" in (await outside.http.get("/")).text
