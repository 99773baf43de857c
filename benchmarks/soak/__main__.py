"""`python -m benchmarks.soak [--minutes 10] [--per-second 20] [--every 30]`: a steady load, and what grows under it.

The stack of `make up`'s services takes contacts over HTTP, one in five of them from somebody known. Every line says the
memory of each process (MB, PSS), open connections, dead rows, the log's size on disk (WAL, MB), and what waits between
the services. At the end each is judged by the slope of its second half: flat, or growing by how much an hour. What
grows with patients is allowed for: the tables are not judged, and the dashboard, which keeps everybody in memory, may
take so much for each.
"""

import argparse
import asyncio
import contextlib
import json
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import asyncpg
import httpx
import uvloop

from benchmarks.accept import UNLIMITED
from benchmarks.harness import Stage
from benchmarks.harness.load import People
from benchmarks.harness.stage import Process, pss
from services.intake.api.producers import add_api_key

SERVICES = ("intake", "assessment", "scheduling", "notifications", "dashboard")
CLIENTS = 4
KNOWN_SHARE = 0.2
REMEMBERED = 1_000
# Connections: pools breathe by two, which an hour can take for a slope; one lost every ten minutes is six.
ALLOWED_PER_HOUR = {"dead rows": 50_000.0, "connections": 6.0, "WAL MB": 512.0, "behind": 50.0}
JUDGED_FROM_SECONDS = 600
ALLOWED_MB_PER_HOUR = 20.0
MB_PER_PATIENT = {"dashboard": 0.01}
"""Facts, an open task, and the card as it is sent."""
PATIENTS = "patients"
STATE = """
select (select count(*) from pg_stat_activity where datname = current_database()) as connections,
       (select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables) as dead,
       (select coalesce(sum(size), 0) / 1048576.0 from pg_ls_waldir()) as wal,
       (select count(*) from intake.patients) as patients,
       (select count(*) from intake.streams s left join dashboard.inbox i on (i.source, i.subject) = (1, s.subject)
         where coalesce(i.sequence, 0) < s.sequence) as behind
"""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Growth per hour over the second half, by least squares. Points are (seconds, value)."""
    half = points[len(points) // 2 :]
    at = sum(second for second, _ in half) / len(half)
    mean = sum(value for _, value in half) / len(half)
    spread = sum((second - at) ** 2 for second, _ in half)
    return 3600 * sum((second - at) * (value - mean) for second, value in half) / spread if spread else 0.0


async def look(owner: asyncpg.Connection, processes: Sequence[Process]) -> dict[str, float]:
    """One line of figures by their names."""
    row = await owner.fetchrow(STATE)
    memory = {process.name: pss(process.program.pid) for process in processes}
    rest = {name: float(row[column]) for name, column in NAMES.items()}
    return {**memory, **rest}


NAMES = {"connections": "connections", "dead rows": "dead", "WAL MB": "wal", "behind": "behind", PATIENTS: "patients"}


async def load(url: str, key: str, per_second: float) -> None:
    """Contacts at a steady pace until cancelled; what is refused for being too much is counted by the service."""
    people, chance, known = People(), random.Random(5), list[dict[str, object]]()

    async def client(calling: httpx.AsyncClient) -> None:
        while True:
            name, said = people.lead()
            if known and chance.random() < KNOWN_SHARE:
                said = {**chance.choice(known), "message": f"One more thing: {name}"}
            elif len(known) < REMEMBERED:
                known.append(said)
            headers = {"x-api-key": key, "idempotency-key": name}
            answer = await _handed_in(calling, said, headers)
            assert answer.status_code in (201, 503), answer.text
            await asyncio.sleep(chance.expovariate(per_second / CLIENTS))

    async with httpx.AsyncClient(base_url=url, timeout=60) as calling:
        await asyncio.gather(*(client(calling) for _ in range(CLIENTS)))


async def _handed_in(calling: httpx.AsyncClient, said: object, headers: dict[str, str]) -> httpx.Response:
    """Sent again under the same key where a kept connection was closed in the moment of its next use."""
    try:
        return await calling.post("/api/v1/leads", json=said, headers=headers)
    except httpx.TransportError:
        return await calling.post("/api/v1/leads", json=said, headers=headers)


async def soak(minutes: float, per_second: float, every: float) -> int:
    """Run it; 1 when something grew."""
    stage = Stage(full=True, scale=None, say=print)
    try:
        await stage.open()
        async with stage.world() as world, AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(
                    stage.process(world, name, **({"producer_per_minute": UNLIMITED} if name == "intake" else {}))
                )
                for name in SERVICES
            ]
            owner = await stack.enter_async_context(world.connection())
            key = await _key(world.dsn("intake"))
            pushing = asyncio.create_task(load(processes[0].url, key, per_second))
            lines = await _watch(owner, processes, pushing, minutes, every)
            pushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pushing
    finally:
        await asyncio.shield(stage.close())
    return _judge(lines)


async def _key(dsn: str) -> str:
    conn = await asyncpg.connect(dsn)
    try:
        return await add_api_key(conn, "soak")
    finally:
        await conn.close()


async def _watch(
    owner: asyncpg.Connection, processes: Sequence[Process], pushing: asyncio.Task[None], minutes: float, every: float
) -> list[tuple[float, dict[str, float]]]:
    began = time.monotonic()
    lines: list[tuple[float, dict[str, float]]] = []
    while (at := time.monotonic() - began) < minutes * 60 and not pushing.done():
        lines.append((at, await look(owner, processes)))
        if len(lines) == 1:
            print("   min  " + "  ".join(f"{name:>13}" for name in lines[0][1]))
        print(f"{at / 60:6.1f}  " + "  ".join(f"{value:13.1f}" for value in lines[-1][1].values()), flush=True)
        await asyncio.wait([pushing], timeout=every)
    if pushing.done():
        pushing.result()
    return lines


def _judge(lines: Sequence[tuple[float, dict[str, float]]]) -> int:
    if lines[-1][0] < JUDGED_FROM_SECONDS:
        print(
            f"too short to say what is flat: processes still warm up in the first {JUDGED_FROM_SECONDS // 60} minutes"
        )
        return 0
    growing = {}
    hourly = {name: slope([(at, values[name]) for at, values in lines]) for name in lines[0][1]}
    patients = hourly.pop(PATIENTS)
    print(f"{PATIENTS:14} {patients:+10.0f} an hour")
    for name, grown in hourly.items():
        allowed = ALLOWED_PER_HOUR.get(name, ALLOWED_MB_PER_HOUR) + MB_PER_PATIENT.get(name, 0.0) * patients
        growing[name] = grown > allowed
        print(f"{name:14} {grown:+10.1f} an hour   {'GROWS' if growing[name] else 'flat'} (allowed {allowed:.0f})")
    print(json.dumps({"flat": not any(growing.values()), "lines": len(lines)}))
    return int(any(growing.values()))


def main() -> int:
    """Read the arguments and run."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--per-second", type=float, default=20, help="contacts")
    asked.add_argument("--every", type=float, default=30, help="seconds between two lines")
    given = asked.parse_args()
    return uvloop.run(soak(given.minutes, given.per_second, given.every))


if __name__ == "__main__":
    raise SystemExit(main())
