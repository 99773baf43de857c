"""The board: what the producers said, shown to staff, within a second and to nobody else."""

import asyncio
import time
import tracemalloc

import pytest

from shared.contracts.intake import LeadClosed
from shared.contracts.tasks import TaskRaised
from shared.ids import new_id
from tests.support.dashboard import Desk, Producers


@pytest.fixture(scope="module")
async def desk(world):
    async with world.start("dashboard") as running:
        yield Desk(running)


@pytest.fixture(scope="module")
async def producers(world):
    async with Producers.of(world) as made:
        yield made


async def board(browser) -> str:
    answer = await browser.get("/")
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_stranger_is_sent_to_sign_in(desk):
    answer = await desk.running.http.get("/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")


async def test_a_lead_is_on_the_board_within_a_second_of_its_commit(desk, producers, eventually):
    async with await desk.as_staff("dana") as browser:
        await producers.lead("Warm Up")
        await eventually(lambda: _shows(browser, "Warm Up"), timeout=15)
        await producers.lead("Maya Lindqvist", "I'd like to know more")
        began = time.monotonic()
        await eventually(lambda: _shows(browser, "Maya Lindqvist"), timeout=5, every=0.02)
        assert time.monotonic() - began < 1
        assert "I&#39;d like to know more" in await board(browser)


async def _shows(browser, text: str) -> bool:
    return text in await board(browser)


async def test_an_open_page_hears_of_a_change(desk, producers, eventually):
    async with await desk.as_staff("dana") as browser, browser.stream("GET", "/live/changes") as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("retry:")
        await producers.lead("Ruth Abara")
        async with asyncio.timeout(5):
            while not (await anext(lines)).startswith("event: changed"):
                pass
        assert await _shows(browser, "Ruth Abara")


async def test_a_page_that_was_away_learns_with_its_cursor_that_it_missed_something(desk, producers, eventually):
    async with await desk.as_staff("dana") as browser:
        cursor = str(desk.running.service.state.live.cursor)
        await producers.lead("Owen Hart")
        await eventually(lambda: _shows(browser, "Owen Hart"))
        async with browser.stream("GET", "/live/changes", headers={"last-event-id": cursor}) as stream:
            async with asyncio.timeout(3):
                async for line in stream.aiter_lines():
                    if line.startswith("event: changed"):
                        break


async def test_nobody_without_a_session_can_listen(desk):
    answer = await desk.running.http.get("/live/changes")
    assert answer.status_code == 401


async def test_a_page_that_was_away_for_longer_than_changes_are_kept_is_told_so(desk):
    long_ago = {"last-event-id": "1"}
    async with await desk.as_staff("dana") as dana, dana.stream("GET", "/live/changes", headers=long_ago) as stream:
        async with asyncio.timeout(3):
            async for line in stream.aiter_lines():
                if line.startswith("event: changed"):
                    break


async def test_two_replicas_of_one_consumer_group_both_tell_their_open_boards(world, desk, producers, eventually):
    """Each event is consumed by one of them; both follow the read model."""
    async with world.start("dashboard") as running:
        other = Desk(running)
        async with (
            await desk.as_staff("dana") as first,
            await other.as_staff("osei") as second,
            first.stream("GET", f"/live/board?round={desk.running.service.state.boards.round}") as here,
            second.stream("GET", f"/live/board?round={desk.running.service.state.boards.round}") as there,
        ):
            lines = here.aiter_lines(), there.aiter_lines()
            async with asyncio.timeout(5):
                while not (await anext(lines[1])).startswith("event: changed"):
                    pass  # the round of another replica means nothing here: the whole is asked for
            names = [f"Replicated {letter}" for letter in "ABCDEFGH"]
            for name in names:
                await producers.lead(name)
            async with asyncio.timeout(15):
                for one in lines:
                    missing = set(names)
                    while missing:
                        line = await anext(one)
                        missing -= {name for name in missing if name in line}


async def test_a_page_of_one_patient_hears_of_nobody_else(desk, producers, eventually):
    first, second = await producers.lead("First Person"), await producers.lead("Second Person")
    live = desk.running.service.state.live
    await eventually(lambda: {first, second} <= set(live.people), timeout=15)
    async with await desk.as_staff("dana") as browser:
        path = f"/live/changes?after={live.cursor}&patient={first}"
        async with browser.stream("GET", path) as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("retry:")
            [listener] = [it for it in live._listeners if it.patient_id == first]
            await producers.say("intake", LeadClosed(patient_id=second, reason="no_reply"))
            await eventually(lambda: live.people[second].patient.intake.closed, timeout=15)
            assert not listener.woken.is_set()
            await producers.say("intake", LeadClosed(patient_id=first, reason="no_reply"))
            async with asyncio.timeout(5):
                while not (await anext(lines)).startswith("event: changed"):
                    pass


async def test_the_funnel_counts_people_and_names_nobody(desk, producers, eventually):
    await producers.lead("Counted Person")
    async with await desk.as_staff("ops") as browser:
        await eventually(lambda: _shows(browser, "Counted Person"), timeout=15)
        known = len(desk.running.service.state.live.people)
        answer = await browser.get("/funnel")
    assert answer.status_code == 200
    assert f"How far {known} people came" in answer.text
    assert f'<span class="strong">{known}</span> <span class="quiet small">100%</span>' in answer.text
    assert "Web form" in answer.text
    assert "Counted Person" not in answer.text


async def test_a_column_that_is_too_long_has_a_page_of_its_own(desk, producers, eventually):
    for number in range(41):
        await producers.lead(f"Many {number:02}")
    live = desk.running.service.state.live
    await eventually(lambda: sum(one.name.startswith("Many") for one in live.people.values()), equals=41, timeout=20)
    async with await desk.as_staff("dana") as browser:
        assert 'href="/stages/new"' in await board(browser)
        whole = (await browser.get("/stages/new")).text
        assert [number for number in range(41) if f"Many {number:02}" not in whole] == []
        part = (await browser.get("/stages/new", headers={"hx-request": "true"})).text
        assert "<html" not in part
        assert "Many 40" in part
        beyond = await browser.get("/stages/new?page=9")
        assert (beyond.status_code, beyond.headers["location"]) == (303, "/stages/new?page=1")
        assert (await browser.get("/stages/closed")).status_code == 303
        assert (await browser.get("/stages/nowhere")).status_code == 422


TASKS = {
    "no-show": ("Did not come to the consultation at 09:00. Call today.", "Su hora quedó libre.", ""),
    "prep-not-kept": (
        "They could not keep to: solids.",
        "No cumplió: sin comida. Llame antes de que salga de casa.",
        "",
    ),
    "call-patient": ("Please call and tell them (eve): no channel.", "Dígale por teléfono: Cómo prepararse.", ""),
    "contact-differs": ("phone: +18015550177", "phone: +18015550177</span>", ""),
    "read-answer": ("I moved to another town", "", "I moved to another town"),
    "overlap-after-merge": ("Two of their appointments overlap.", "Dos citas se solapan", ""),
}
"""What a service wrote as a task's detail; what a reader of Spanish sees; what is quoted: somebody's own words only."""


async def test_a_task_quotes_people_and_says_the_rest_in_the_readers_language(desk, producers, eventually):
    patient, other = await producers.lead("Quoted Person"), await producers.lead("Someone Else")
    box = await producers.box(patient)
    occurrences = {
        "prep-not-kept": f"{new_id()}:solids:0",
        "call-patient": "eve:first",
        "possible-duplicate": str(other),
    }
    spoken = "https://recordings.example/RE1"
    raised = {kind: detail for kind, (detail, _, _) in TASKS.items()}
    raised |= {"possible-duplicate": f"of patient {other}.", "listen-voicemail": f"Voicemail, 0:42: {spoken}"}
    for kind, detail in raised.items():
        event = TaskRaised(task_id=new_id(), patient_id=patient, kind=kind, occurrence=occurrences.get(kind, "first"),
                           role="front_desk", detail=box.seal(detail))  # fmt: skip
        await producers.say("intake", event)
    async with await desk.as_staff("dana") as browser:

        async def page(path: str) -> str:
            return (await browser.get(path, headers={"accept-language": "es"})).text

        async def all_there() -> bool:
            return (await page("/tasks")).count("Quoted Person</a>") == len(raised)

        await eventually(all_there, timeout=15)
        shown = await page("/tasks")
        for detail, said, quoted in TASKS.values():
            assert said in shown
            assert (detail in shown) == (detail in said or detail == quoted)
            assert (f'<q class="quiet">{detail}</q>' in shown) == bool(quoted)
        assert "El teléfono es suyo; el correo es el de Someone Else." in shown
        door = f'href="/patients/{patient}/merge/{other}"'
        assert (door in shown, str(other) in shown.replace(door, "")) == (True, False)
        assert (f'href="{spoken}"' in shown, shown.count(spoken)) == (True, 1)
        assert '<q class="quiet">Voicemail, 0:42</q>' in shown
        task = next(it for it in desk.running.service.state.live.work.values() if it.kind == "no-show")
        assert "Su hora quedó libre." in await page(f"/tasks/{task.task_id}/close")


async def test_who_was_away_for_long_is_told_so_without_all_that_happened_being_read(world, desk):
    """After a rebuild that is a million changes, and on a Monday everybody opens their machine at nine."""
    async with world.connection() as owner:
        await owner.execute(
            "insert into dashboard.changes (xid, patient_id)"
            " select pg_current_xact_id(), uuidv7() from generate_series(1, 50000)"
        )
        cursor = await owner.fetchval("select min(xid)::text::bigint from dashboard.changes")
    live = desk.running.service.state.live
    async with desk.running.service.reading() as uow:
        tracemalloc.start()
        assert await live.changes(uow.conn, cursor, None)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 1_000_000
