"""Two records of one person, joined and parted by the front desk: with the real intake, and what its events make."""

from uuid import UUID

import httpx
import pytest

from tests.support.dashboard import Desk
from tests.support.intake import Intake


@pytest.fixture(scope="module")
async def desk(world):
    async with world.start("dashboard") as running:
        yield Desk(running)


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


async def new(intake, **fields) -> str:
    return str((await intake.lead(**fields)).json()["patient_id"])


async def page(browser: httpx.AsyncClient, path: str) -> str:
    answer = await browser.get(path)
    return answer.text if answer.status_code == 200 else f"{answer.status_code} {answer.text}"


async def _has(browser, path: str, words: str) -> bool:
    return words in await page(browser, path)


async def joined(browser, eventually, one, other, stays):
    async def join() -> int:
        return (await browser.post(f"/patients/{one}/merge/{other}", data={"stays": stays})).status_code

    await eventually(join, equals=303, timeout=30)  # until intake has heard of scheduling


async def test_the_board_shows_one_person_and_two_again_when_they_are_parted(desk, intake, eventually):
    one = await new(intake, name="Maya Ruiz", phone="+18015560001", message="From my own phone")
    other = await new(intake, name="M. Ruiz-Vega", email="maya.ruiz@example.com", message="From work")
    await intake.lead(phone="+18015560001", email="maya.ruiz@example.com")
    live = desk.running.service.state.live
    asks = f"/patients/{one}/merge/{other}"
    async with await desk.as_staff("dana") as browser:
        await eventually(lambda: _has(browser, "/tasks", asks), timeout=30)
        both = await page(browser, asks)
        for words in ("Maya Ruiz", "M. Ruiz-Vega", "(801) 556-0001", "maya.ruiz@example.com", "This one stays"):
            assert words in both
        await joined(browser, eventually, one, other, one)
        await eventually(lambda: live.survivor(UUID(other)), equals=UUID(one), timeout=30)
        shown = await page(browser, f"/patients/{one}")
        assert "The record of M. Ruiz-Vega was joined to this one" in shown
        assert "by Dana Whitlock" in shown
        assert "From work" in shown
        assert UUID(other) not in live.people
        assert other not in await page(browser, "/")
        await eventually(lambda: _has(browser, "/tasks", asks), equals=False, timeout=30)
        assert (await browser.get(asks)).headers["location"] == f"/patients/{one}"

        parted = await browser.post(f"/patients/{one}/merge/{other}/apart")
        assert parted.headers["location"] == f"/patients/{one}"
        await eventually(lambda: UUID(other) in live.people, timeout=30)
        assert {live.people[UUID(it)].name for it in (one, other)} == {"Maya Ruiz", "M. Ruiz-Vega"}
        assert "was joined to this one" not in await page(browser, f"/patients/{one}")


async def test_the_other_is_found_by_the_search_and_never_the_same_record(desk, intake, eventually):
    one = await new(intake, name="Lena Searched", phone="+18015560003")
    other = await new(intake, name="Helena Searched", phone="+18015560004")
    live = desk.running.service.state.live
    await eventually(lambda: {UUID(one), UUID(other)} <= set(live.people), timeout=30)
    async with await desk.as_staff("dana") as browser:
        assert await _has(browser, f"/patients/{one}", f"/patients/{one}/merge")
        found = (await browser.post(f"/patients/{one}/merge", data={"q": "searched"})).text
        assert f"/patients/{one}/merge/{other}" in found
        assert f"/patients/{one}/merge/{one}" not in found
        nobody = (await browser.post(f"/patients/{one}/merge", data={"q": "no such person"})).text
        assert "Nobody else was found" in nobody
    for person in ("osei", "tran", "ops", "audit"):
        async with await desk.as_staff(person) as another:
            assert (await another.get(f"/patients/{one}/merge")).status_code == 403
            assert (await another.post(f"/patients/{one}/merge/{other}", data={"stays": one})).status_code == 403
    async with await desk.as_staff("tran") as monitor:
        assert "/merge" not in await page(monitor, f"/patients/{one}")


async def test_what_cannot_be_joined_is_said_in_the_readers_language(desk, intake, eventually):
    one = await new(intake, name="Ida Closed", phone="+18015560005")
    other = await new(intake, name="Ida Open", phone="+18015560006")
    closing = {"json": {"reason": "no-interest"}, "headers": intake.running.as_staff("dana")}
    assert (await intake.http.post(f"/api/v1/patients/{one}/close", **closing)).status_code == 204
    live = desk.running.service.state.live
    await eventually(lambda: {UUID(one), UUID(other)} <= set(live.people), timeout=30)
    for language, words in (("en", "is closed: nobody follows it"), ("es", "está cerrado: nadie lo sigue")):
        async with await desk.as_staff("dana") as browser:
            browser.headers["accept-language"] = language
            answer = await browser.post(f"/patients/{one}/merge/{other}", data={"stays": one})
            assert answer.status_code == 409
            assert words in answer.text


async def test_erasing_one_who_was_joined_leaves_nothing_of_either(desk, intake, eventually):
    one = await new(intake, name="Erna Joined", phone="+18015560007")
    other = await new(intake, name="E. Joined", email="erna@example.com", message="Please forget all of it")
    live = desk.running.service.state.live
    await eventually(lambda: {UUID(one), UUID(other)} <= set(live.people), timeout=30)
    async with await desk.as_staff("dana") as browser:
        await joined(browser, eventually, one, other, one)
        await eventually(lambda: _has(browser, f"/patients/{one}", "The record of E. Joined"), timeout=30)
        assert await intake.erased(one) == 204

        async def left() -> list[tuple[int, int]]:
            async with desk.running.service.pool.acquire() as conn:
                keys = "select count(*) from patient_keys where subject = $1"
                lines = "select count(*) from story where patient_id = $1"
                return [(await conn.fetchval(keys, it), await conn.fetchval(lines, it)) for it in (one, other)]

        await eventually(left, equals=[(0, 1), (0, 1)], timeout=30)
        await eventually(lambda: _has(browser, f"/patients/{one}", "erased at their wish"), timeout=30)
        shown = await page(browser, f"/patients/{one}")
    for words in ("Joined", "forget all of it", "erna@example.com", "/apart"):
        assert words not in shown
