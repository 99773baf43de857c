"""Patients' data keys, one row each in the service's own schema.

The promise: after `destroy` nothing of the patient can be opened here again, and `adopt` will not bring the key back,
however often the past is replayed. The table is read each time, so a key destroyed by another process is gone at once.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from uuid import UUID

import asyncpg

from shared.contracts.base import WrappedKey
from shared.errors import NotYet, Permanent
from shared.security.keyring import KEY, Keyring
from shared.security.sealing import Box, seal_record

CREATE = """
insert into patient_keys (subject, kid, wrapped)
select $1, $2, $3 where not exists (select from tombstones where subject = $1)
on conflict (subject) do nothing
returning kid, wrapped
"""
ADOPT_MANY = """
insert into patient_keys (subject, kid, wrapped)
select * from unnest($1::uuid[], $2::text[], $3::text[]) as k(subject, kid, wrapped)
 where (select true from tombstones t where t.subject = k.subject) is null
 order by subject
on conflict (subject) do nothing
"""
FIND = """
select k.kid, k.wrapped, t.subject is not null as erased
  from (select $1::uuid as subject) s
  left join patient_keys k using (subject)
  left join tombstones t using (subject)
"""
FIND_MANY = "select subject, kid, wrapped from patient_keys where subject = any($1::uuid[])"
STATES = """
select subject, false as erased from patient_keys where subject = any($1::uuid[])
union all
select subject, true as erased from tombstones where subject = any($1::uuid[])
"""
BURY = "insert into tombstones (subject) values ($1) on conflict do nothing"
DELETE = "delete from patient_keys where subject = $1"
# The first event, which carries the key, may once have been one of them; that it was is kept, its content is not.
EMPTY_LETTERS = "update dead_letters set record = $2 where subject = $1 and resolved_at is not null"
EMPTY = b'{"key": null, "value": null, "headers": []}'


class KeyState(Enum):
    """What a service knows of a patient it has heard of."""

    KNOWN = "known"
    ERASED = "erased"


class KeyMissing(NotYet):
    """This service has not been told the patient's key yet; it comes with LeadCreated."""

    def __init__(self, subject: UUID) -> None:
        super().__init__("LeadCreated")
        self.subject = subject


class KeyErased(Permanent):
    """The patient was erased; nothing about them can be read or sealed again."""

    def __init__(self, subject: UUID) -> None:
        super().__init__("the patient was erased")
        self.subject = subject


class PatientKeys:
    """The keys as seen by one connection; writes are part of its transaction."""

    def __init__(self, conn: asyncpg.Connection, keyring: Keyring) -> None:
        self._conn = conn
        self._keyring = keyring
        self._made: dict[UUID, Box] = {}

    async def create(self, subject: UUID) -> WrappedKey:
        """A fresh key for a new patient, or the one they already have.

        Raises:
            KeyErased: the patient was erased.
        """
        key = os.urandom(KEY)
        fresh = self._keyring.wrap(subject, key)
        if await self._conn.fetchrow(CREATE, subject, fresh.kid, fresh.wrapped) is None:
            self._made.pop(subject, None)
            return await self.find(subject)
        # Until this transaction commits nobody else can see the row, so nobody else can destroy it.
        if self._conn.is_in_transaction():
            self._made[subject] = Box(subject, key)
        return fresh

    def make_many(self, subjects: Sequence[UUID]) -> dict[UUID, WrappedKey]:
        """Fresh keys for people whose ids were made in this transaction. Whoever makes them people writes the rows of
        `patient_keys` too, in the same statement: doors are busy.
        """
        keys = {subject: os.urandom(KEY) for subject in subjects}
        self._made |= {subject: Box(subject, key) for subject, key in keys.items()}
        return {subject: self._keyring.wrap(subject, key) for subject, key in keys.items()}

    async def adopt(self, subject: UUID, key: WrappedKey) -> None:
        """Keep a key that another service made. A patient who was erased stays erased; the first key stays.

        Raises:
            Unsealable: the clinic's keys don't open it.
        """
        self._keyring.unwrap(subject, key)
        await self._conn.fetchrow(CREATE, subject, key.kid, key.wrapped)

    async def adopt_many(self, keys: Mapping[UUID, WrappedKey]) -> None:
        """Like `adopt`, for all in one statement.

        Raises:
            Unsealable: the clinic's keys don't open one of them.
        """
        for subject, key in keys.items():
            self._keyring.unwrap(subject, key)
        kids, closed = [key.kid for key in keys.values()], [key.wrapped for key in keys.values()]
        await self._conn.execute(ADOPT_MANY, list(keys), kids, closed)

    async def find(self, subject: UUID) -> WrappedKey:
        """The wrapped key.

        Raises:
            KeyMissing, KeyErased
        """
        row = await self._conn.fetchrow(FIND, subject)
        if row["erased"]:
            raise KeyErased(subject)
        if row["wrapped"] is None:
            raise KeyMissing(subject)
        return WrappedKey(kid=row["kid"], wrapped=row["wrapped"])

    async def box(self, subject: UUID) -> Box:
        """What seals and opens for the patient.

        Raises:
            KeyMissing, KeyErased
        """
        if subject in self._made:
            return self._made[subject]
        return Box(subject, self._keyring.unwrap(subject, await self.find(subject)))

    async def boxes(self, subjects: Collection[UUID]) -> dict[UUID, Box]:
        """Boxes of many patients; those without a key are left out."""
        rows = await self._conn.fetch(FIND_MANY, list(subjects))
        return {row["subject"]: self._box(row) for row in rows}

    async def states(self, subjects: Collection[UUID]) -> dict[UUID, KeyState]:
        """Who is known here and who was erased; those never heard of are left out."""
        rows = await self._conn.fetch(STATES, list(subjects))
        return {row["subject"]: KeyState.ERASED if row["erased"] else KeyState.KNOWN for row in rows}

    async def destroy(self, subject: UUID) -> None:
        """Delete the key, here and in what dead letters kept of it, and remember that it must not come back."""
        await self._conn.execute(BURY, subject)
        await self._conn.execute(DELETE, subject)
        await self._conn.execute(EMPTY_LETTERS, subject, seal_record(self._keyring, EMPTY))
        self._made.pop(subject, None)
        self._keyring.forget(subject)

    def _box(self, row: asyncpg.Record) -> Box:
        key = WrappedKey(kid=row["kid"], wrapped=row["wrapped"])
        return Box(row["subject"], self._keyring.unwrap(row["subject"], key))
