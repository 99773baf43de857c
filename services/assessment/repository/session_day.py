"""Vitals and side effects: written once, never changed."""

from uuid import UUID

import asyncpg

from services.assessment.rows import SideEffectRow, VitalsRow

ADD_VITALS = """
insert into vitals (id, patient_id, appointment_id, phase, taken_at, systolic, diastolic, heart_rate, spo2,
                    hold, flags, author, recorded_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (id) do nothing
returning id
"""
VITALS = """
select id, patient_id, appointment_id, phase, taken_at, systolic, diastolic, heart_rate, spo2,
       hold, flags, author, recorded_at
  from vitals where patient_id = $1 and ($2::uuid is null or appointment_id = $2)
 order by taken_at desc, id desc limit 200
"""
HELD_BEFORE = """
select count(*) from vitals
 where patient_id = $1 and appointment_id is not distinct from $2 and phase = 'baseline' and hold <> 'none'
   and taken_at < $3 and taken_at > $3 - interval '12 hours' and id <> $4
"""
READING = """
select id, patient_id, appointment_id, phase, taken_at, systolic, diastolic, heart_rate, spo2,
       hold, flags, author, recorded_at
  from vitals where id = $1
"""
EFFECT = """
select id, patient_id, appointment_id, effect, severity, began_at, note, author, recorded_at
  from side_effects where id = $1
"""
ADD_EFFECT = """
insert into side_effects (id, patient_id, appointment_id, effect, severity, began_at, note, author, recorded_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (id) do nothing
returning id
"""
EFFECTS = """
select id, patient_id, appointment_id, effect, severity, began_at, note, author, recorded_at
  from side_effects where patient_id = $1 and ($2::uuid is null or appointment_id = $2)
 order by began_at desc, id desc limit 200
"""


async def add_vitals(conn: asyncpg.Connection, row: VitalsRow) -> bool:
    """False when this reading was recorded already."""
    added = await conn.fetchval(
        ADD_VITALS, row.id, row.patient_id, row.appointment_id, row.phase, row.taken_at, row.systolic, row.diastolic,
        row.heart_rate, row.spo2, row.hold, row.flags, row.author, row.recorded_at,
    )  # fmt: skip
    return added is not None


async def vitals(conn: asyncpg.Connection, patient_id: UUID, appointment_id: UUID | None = None) -> list[VitalsRow]:
    """Newest first; of one appointment, or all."""
    return [VitalsRow(**dict(row)) for row in await conn.fetch(VITALS, patient_id, appointment_id)]


async def reading(conn: asyncpg.Connection, vitals_id: UUID) -> VitalsRow:
    """A reading that was recorded."""
    return VitalsRow(**dict(await conn.fetchrow(READING, vitals_id)))


async def effect(conn: asyncpg.Connection, report_id: UUID) -> SideEffectRow:
    """A side effect that was reported."""
    return SideEffectRow(**dict(await conn.fetchrow(EFFECT, report_id)))


async def held_before(conn: asyncpg.Connection, row: VitalsRow) -> int:
    """How many readings before this one, on the same day before the same dose, were held."""
    count: int = await conn.fetchval(HELD_BEFORE, row.patient_id, row.appointment_id, row.taken_at, row.id)
    return count


async def add_effect(conn: asyncpg.Connection, row: SideEffectRow) -> bool:
    """False when this report was recorded already."""
    added = await conn.fetchval(
        ADD_EFFECT, row.id, row.patient_id, row.appointment_id, row.effect, row.severity, row.began_at, row.note,
        row.author, row.recorded_at,
    )  # fmt: skip
    return added is not None


async def effects(
    conn: asyncpg.Connection, patient_id: UUID, appointment_id: UUID | None = None
) -> list[SideEffectRow]:
    """Newest first; of one appointment, or all."""
    return [SideEffectRow(**dict(row)) for row in await conn.fetch(EFFECTS, patient_id, appointment_id)]
