"""`make demo`: the cast on a stack of its own; each of the twelve ends where it must, by the services' own word."""

import json
import re
import signal
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from rich.console import Console

from passage.context import NotConfigured
from passage.demo.cast import CAST
from passage.demo.run import MARK, run
from passage.demo.stage import Stage
from tests.support.person import Person
from tests.support.stack import Terminal, processes_mentioning
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


class Play:
    """How it ended, and what the services say of everybody."""

    def __init__(self, stage: Stage, ended: dict[str, dict[str, str]], terminal: Terminal) -> None:
        self.stage, self.ended, self.terminal = stage, ended, terminal

    def id(self, code: str) -> str:
        return str(UUID(self.ended[code]["patient_id"]))

    async def ask(self, person: str, service: str, path: str) -> Any:
        return await self.stage.staff[person].ask(service, "GET", f"/api/v1/{path}")

    async def chart(self, code: str) -> Any:
        return await self.ask("rios", "assessment", f"charts/{self.id(code)}")

    async def booked(self, code: str, *, session: bool = True) -> list[Any]:
        found = await self.ask("tran", "scheduling", f"patients/{self.id(code)}/appointments")
        return [one for one in found["appointments"] if bool(one["session"]) is session]

    async def states(self, code: str) -> list[str]:
        return [one["state"] for one in await self.booked(code)]

    async def tasks(self, code: str) -> set[str]:
        return {task["kind"] for task in await self.stage.tasks(self.id(code))}

    async def phone(self, code: str) -> list[str]:
        return await self.stage.outside.texts(next(role.phone for role in CAST if role.code == code))


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Play]:
    state = tmp_path_factory.mktemp("demo") / "state"
    terminal = Terminal(state, command="demo")

    def ended() -> dict[str, dict[str, str]]:
        assert terminal.process.poll() is None, terminal.end()
        found: dict[str, dict[str, str]] = json.loads((state / MARK).read_text())
        return found

    try:
        told = await eventually(ended, timeout=200, every=0.5, tolerate=(FileNotFoundError, json.JSONDecodeError))
        stage = await Stage.open(terminal.facts() or {})
        yield Play(stage, told, terminal)
        await stage.close()
    finally:
        terminal.send(signal.SIGINT)
        terminal.process.wait(40)


async def test_all_twelve_came_to_their_end(played: Play) -> None:
    assert {code: one["wrong"] for code, one in played.ended.items() if one["wrong"]} == {}
    assert len({played.id(code) for code in played.ended}) == len(CAST) == 12


async def test_treated_to_the_last_session(played: Play) -> None:
    assert await played.states("treated") == ["completed"] * 4
    assert await played.tasks("treated") == set()
    rides = (await played.ask("dana", "notifications", f"patients/{played.id('treated')}/messages"))["rides"]
    assert rides == [], "every visit is behind them"


async def test_something_else_was_recommended_in_their_language(played: Play) -> None:
    [decision] = (await played.chart("alternative"))["decisions"]
    assert (decision["action"], decision["provider"]["name"], decision["verified"]) == (
        "alternative", "Dr Lucía Ríos", True,
    )  # fmt: skip
    assert "Responda STOP" in (await played.phone("alternative"))[0]


async def test_more_was_asked_for(played: Play) -> None:
    [decision] = (await played.chart("more-information"))["decisions"]
    assert decision["action"] == "more_information"
    assert "more-information" in await played.tasks("more-information")


async def test_a_hard_flag_waits_for_a_provider_and_nothing_was_approved(played: Play) -> None:
    chart = await played.chart("hard-flag")
    assert ("CI_ANEURYSM", "hard") in {(flag["code"], flag["severity"]) for flag in chart["flags"]}
    assert (chart["state"], chart["decisions"], chart["approvals"]) == ("complete", [], [])
    assert "sign-decision" in await played.tasks("hard-flag")


async def test_without_a_ride_the_session_is_held(played: Play) -> None:
    assert await played.states("no-ride") == ["held", "booked", "booked", "booked"]
    assert "transport-missing" in await played.tasks("no-ride")


async def test_who_ate_was_at_the_door_and_not_dosed(played: Play) -> None:
    first, *rest = await played.booked("ate")
    assert (first["state"], [one["state"] for one in rest]) == ("cancelled", ["booked"] * 3)
    day = await played.ask("tran", "scheduling", f"appointments/{first['id']}/gates")
    assert (day["checked_in_at"] is None, day["dosed_at"]) == (False, None)
    assert "fasting" not in day["attested"]
    await eventually(lambda: played.tasks("ate"), equals=set())


async def test_who_did_not_come_is_called(played: Play) -> None:
    [talk] = await played.booked("no-show", session=False)
    assert talk["state"] == "no-show"
    assert "no-show" in await played.tasks("no-show")


async def test_stop_ended_the_texts_and_nothing_else(played: Play) -> None:
    known = await played.ask("dana", "intake", f"patients/{played.id('stop')}")
    assert known["may_text"] is False
    assert "no more texts" in (await played.phone("stop"))[-1]
    assert "answer-lead" in await played.tasks("stop")


async def test_two_doors_were_one_person_and_so_is_a_third(played: Play) -> None:
    lead = {"name": "Grace Kim", "phone": "(801) 555-0109"}
    headers = {"x-api-key": played.stage.facts["producer_key"], "idempotency-key": uuid4().hex}
    async with httpx.AsyncClient(base_url=played.stage.url("intake")) as http:
        answer = await http.post("/api/v1/leads", json=lead, headers=headers)
    assert answer.json()["patient_id"] == played.id("two-doors")


async def test_the_patient_moved_the_talk_to_another_day(played: Play) -> None:
    [talk] = await played.booked("reschedule", session=False)
    assert (talk["state"], talk["revision"] > 0, talk["booked_by"]) == ("booked", True, "patient")
    assert f"{datetime.fromisoformat(talk['starts_at']):%A %H:%M}" == "Tuesday 14:00"


async def test_somebody_else_takes_the_talk_of_a_provider_who_is_ill(played: Play) -> None:
    [talk] = await played.booked("provider-ill", session=False)
    assert (talk["provider_id"], talk["state"]) == ("rios", "booked")
    assert f"{datetime.fromisoformat(talk['starts_at']):%A %H:%M}" == "Tuesday 10:00"
    assert "calendar-conflict" not in await played.tasks("provider-ill")
    assert "calendar-conflict" in await played.tasks("reschedule"), "one is left for the visitor"


async def test_an_approval_that_ended_took_its_sessions_along(played: Play) -> None:
    [approval] = (await played.chart("revoked"))["approvals"]
    assert (approval["state"], approval["reason"]) == ("revoked", "changed:pregnancy")
    assert await played.states("revoked") == ["cancelled"] * 4


async def test_the_board_shows_everybody_once_and_clocks_that_run(played: Play) -> None:
    login = next(one for one in played.stage.facts["logins"] if one["id"] == "bell")
    bell = Person()
    await bell.sign_in(played.stage.url("dashboard"), login)

    async def cards() -> set[str]:
        page = await bell.open(played.stage.url("dashboard"))
        return set(re.findall(r'href="/patients/([0-9a-f-]{36})"', page.html))

    await eventually(cards, equals={played.id(code) for code in played.ended})
    await bell.close()


async def test_a_demo_that_runs_is_not_started_over(played: Play) -> None:
    with pytest.raises(NotConfigured, match="stop it first"):
        await run(played.terminal.state, ports="any", console=Console(quiet=True))


async def test_a_folder_with_somebodys_own_data_is_left_alone(tmp_path: Any) -> None:
    (tmp_path / "lock").touch()
    with pytest.raises(NotConfigured, match="somebody's own"):
        await run(tmp_path, ports="any", console=Console(quiet=True))
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


async def test_the_terminal_told_it_and_ctrl_c_ends_it(played: Play) -> None:
    played.terminal.send(signal.SIGINT)
    code, told = played.terminal.end()
    assert code == 0, told
    assert sorted(re.findall(r"✓ ([^:]+):", told)) == sorted(role.name for role in CAST)
    assert re.search(r"her session at 11:\d\d is held", " ".join(told.split()))
    for words in ("Staff log-ins", "make demo"):
        assert words in " ".join(told.split())
    assert processes_mentioning(str(played.terminal.state)) == []
