"""Rate limits, held in PostgreSQL so that replicas share them.

The promise: within a minute a key, and an address, gets at most `per_minute` requests of one name, and `burst` of them
at once. One statement per request (GCRA: only the "theoretical arrival time" is kept), on technical time.
"""

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import asyncpg
from starlette.requests import Request

from shared.http.deps import ServiceDep
from shared.http.problems import TooMany

# A row comes back when the request is allowed; otherwise nothing was changed.
TAKE = """
insert into rate_limits as r (name, key, tat) values ($1, $2, clock_timestamp() + $3)
on conflict (name, key) do update set tat = greatest(r.tat, clock_timestamp()) + $3
 where greatest(r.tat, clock_timestamp()) <= clock_timestamp() + $4
returning 1
"""
WAIT = """
select extract(epoch from tat - $3::interval - clock_timestamp())::float8 from rate_limits where name = $1 and key = $2
"""
# In the order of its index, and by place: by name and key all rows would be read twice.
SWEEP = """
delete from rate_limits where tat < now() and ctid = any(array(select ctid from rate_limits where tat < now()
                                                                order by tat limit 1000))
"""
SWEEP_SHARE = 0.002


def limit(name: str, *, per_minute: int, burst: int | None = None) -> Callable[..., Awaitable[None]]:
    """A dependency that refuses with 429 and Retry-After. `burst` is `per_minute` unless told.

    Counted by the asking address (of IPv6 by its network) and, where a credential was sent, by that credential; the
    stricter one decides.
    """
    interval = timedelta(minutes=1) / per_minute
    tolerance = interval * ((burst or per_minute) - 1)

    async def limited(request: Request, service: ServiceDep) -> None:
        keys = [service.lookup.hash(kind, value) for kind, value in _askers(request)]
        async with service.pool.acquire() as conn:
            for key in keys:
                await take(conn, name, key, interval, tolerance)
            if random.random() < SWEEP_SHARE:
                await conn.execute(SWEEP)

    return limited


async def take(conn: asyncpg.Connection, name: str, key: bytes, interval: timedelta, tolerance: timedelta) -> None:
    """Count one request.

    Raises:
        TooMany: it is one too many.
    """
    if await conn.fetchval(TAKE, name, key, interval, tolerance) is None:
        wait = await conn.fetchval(WAIT, name, key, tolerance)
        seconds = max(1, round((wait or 0) + 0.5))
        raise TooMany(f"Wait {seconds} seconds.", headers={"Retry-After": str(seconds)})


def _askers(request: Request) -> list[tuple[str, str]]:
    address = network_of(request.client.host) if request.client else "unknown"
    credential = request.headers.get("x-api-key") or request.headers.get("authorization")
    return [("address", address), *([("credential", credential)] if credential else [])]


def network_of(host: str) -> str:
    """What one asker holds: an IPv4 address, or the 64 bits of IPv6 in which a subscriber has every address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return str(address) if isinstance(address, IPv4Address) else str(ip_network((address, 64), strict=False))
