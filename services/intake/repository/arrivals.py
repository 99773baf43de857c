"""Keys and addresses: what was said before, and whose a phone number or e-mail is. Few statements: doors are busy."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

# One statement decides who this is. `do update` waits for a transaction that is just claiming the same address and
# then returns its owner, which is how two contacts of one millisecond become one patient. Points come in sorted order.
CLAIM = """
with mine as (
    insert into accepted (producer, key, body, patient_id, answer_due) values ($1, $2, $3, $4, $7)
    on conflict do nothing returning true
), points as (
    insert into contact_points as p (kind, hash, patient_id)
    select kind, hash, $4 from unnest($5::text[], $6::bytea[]) as c(kind, hash)
     where exists (select from mine) order by kind, hash
    on conflict (kind, hash) do update set patient_id = p.patient_id
    returning kind, patient_id
)
select exists (select from mine) as claimed,
       (select patient_id from points where kind = 'phone') as by_phone,
       (select patient_id from points where kind = 'email') as by_email
"""
# The same for many at once, of those alone that nobody knows by any address; whoever loses a race for one of them is
# told by a lower count and gives back what was taken. Each address is looked up by itself (`limit`): joined, the plan
# that is made while few are known reads all of them every time.
CLAIM_NEW = """
with offered as (
    select * from unnest($6::uuid[], $7::text[], $8::bytea[]) as o(patient_id, kind, hash)
), known as (
    select o.patient_id from offered o
     cross join lateral (select from contact_points c where c.kind = o.kind and c.hash = o.hash limit 1) c
), strangers as (
    select * from unnest($1::text[], $2::bytea[], $3::bytea[], $4::uuid[]) as g(producer, key, body, patient_id)
     where not exists (select from known k where k.patient_id = g.patient_id)
), mine as (
    insert into accepted (producer, key, body, patient_id, answer_due)
    select producer, key, body, patient_id, $5 from strangers order by producer, key
    on conflict do nothing returning patient_id
), points as (
    insert into contact_points (kind, hash, patient_id)
    select o.kind, o.hash, o.patient_id from offered o join mine m using (patient_id) order by o.kind, o.hash
    on conflict do nothing returning patient_id
)
select m.patient_id, count(p.patient_id) as points from mine m left join points p using (patient_id) group by 1
"""
# By the keys that were taken: all that was accepted in a month would be read to find them by the patient.
GIVE_BACK = """
with keys as (
    delete from accepted
     where producer = any($2::text[]) and key = any($3::bytea[]) and patient_id = any($1::uuid[])
)
delete from contact_points where patient_id = any($1::uuid[])
"""
ANSWERED = "select body, patient_id, answer_due from accepted where producer = $1 and key = $2"
RECORD_ANSWER = "update accepted set patient_id = $3, answer_due = $4 where producer = $1 and key = $2"
FORGET_ACCEPTED = "delete from accepted where accepted_at < now() - $1::interval"
GIVE_POINT = """
insert into contact_points (kind, hash, patient_id) values ($1, $2, $3)
on conflict (kind, hash) do update set patient_id = excluded.patient_id where contact_points.patient_id = $4
"""
OWNERS = """
select c.kind, c.patient_id from unnest($1::text[], $2::bytea[]) as p (kind, hash)
 cross join lateral (select kind, patient_id from contact_points o
                      where o.kind = p.kind and o.hash = p.hash limit 1) c
"""
DROP_POINTS = "delete from contact_points where patient_id = $1"
# Those that came with a merge stay: they are somebody's own again when the two are taken apart.
DROP_OWN = "delete from contact_points where patient_id = $1 and kind = $2 and merged_from is null"


@dataclass(frozen=True, slots=True)
class Claim:
    """`claimed` is false when this key was used before; the owners are None where no such address was given."""

    claimed: bool
    by_phone: UUID | None
    by_email: UUID | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a key. `body` is the hash of what was said under it."""

    body: bytes
    patient_id: UUID | None
    answer_due: datetime | None


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key: who calls it that, and the hash of what was said under it."""

    producer: str
    key: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Points:
    """The keyed hashes of a contact's addresses."""

    phone: bytes | None
    email: bytes | None

    def columns(self) -> tuple[list[str], list[bytes]]:
        """Kinds and hashes, sorted by kind."""
        found = [(kind, value) for kind, value in (("email", self.email), ("phone", self.phone)) if value is not None]
        return [kind for kind, _ in found], [value for _, value in found]


async def claim(conn: asyncpg.Connection, key: Key, new_id: UUID, points: Points, due: datetime) -> Claim:
    """Take the key and the addresses; addresses nobody had now belong to `new_id`, who is also the answer so far."""
    kinds, hashes = points.columns()
    row = await conn.fetchrow(CLAIM, key.producer, key.key, key.body, new_id, kinds, hashes, due)
    return Claim(row["claimed"], row["by_phone"], row["by_email"])


async def claim_new(
    conn: asyncpg.Connection, wanted: Mapping[UUID, tuple[Key, Points]], due: datetime
) -> frozenset[UUID]:
    """Take keys and addresses of many, as patients with these ids; gives the ids of those who were new in every way.

    No key and no address may be wanted twice. Of the others nothing was taken.
    """
    keys = [key for key, _ in wanted.values()]
    offered = [
        (patient_id, kind, value)
        for patient_id, (_, points) in wanted.items()
        for kind, value in zip(*points.columns(), strict=True)
    ]
    rows = await conn.fetch(
        CLAIM_NEW, [key.producer for key in keys], [key.key for key in keys], [key.body for key in keys], list(wanted),
        due, [o[0] for o in offered], [o[1] for o in offered], [o[2] for o in offered],
    )  # fmt: skip
    counts = Counter(o[0] for o in offered)
    lost = [row["patient_id"] for row in rows if row["points"] < counts[row["patient_id"]]]
    if lost:
        given = [wanted[one][0] for one in lost]
        await conn.execute(GIVE_BACK, lost, [key.producer for key in given], [key.key for key in given])
    return frozenset(row["patient_id"] for row in rows).difference(lost)


async def answered(conn: asyncpg.Connection, producer: str, key: bytes) -> Answer | None:
    """What was answered to this key before."""
    row = await conn.fetchrow(ANSWERED, producer, key)
    return None if row is None else Answer(row["body"], row["patient_id"], row["answer_due"])


async def record_answer(conn: asyncpg.Connection, key: Key, patient_id: UUID | None, due: datetime | None) -> None:
    """Keep what is answered to a key that this transaction claimed."""
    await conn.execute(RECORD_ANSWER, key.producer, key.key, patient_id, due)


async def forget_accepted(conn: asyncpg.Connection, older_than: timedelta) -> str:
    """Forget keys; a contact that is sent again after that counts as a new one of the same person."""
    return str(await conn.execute(FORGET_ACCEPTED, older_than))


async def give_point(conn: asyncpg.Connection, kind: str, value: bytes, to: UUID, *, from_: UUID) -> None:
    """Make an address this patient's, unless it belongs to a third."""
    await conn.execute(GIVE_POINT, kind, value, to, from_)


async def owners(conn: asyncpg.Connection, points: Points) -> dict[str, UUID]:
    """Whose these addresses are."""
    return {row["kind"]: row["patient_id"] for row in await conn.fetch(OWNERS, *points.columns())}


async def drop_points(conn: asyncpg.Connection, patient_id: UUID) -> None:
    """A patient is no longer found by their addresses."""
    await conn.execute(DROP_POINTS, patient_id)


async def drop_own_points(conn: asyncpg.Connection, patient_id: UUID, kind: str) -> None:
    """A patient is no longer found by their own addresses of one kind."""
    await conn.execute(DROP_OWN, patient_id, kind)
