"""Tables of a clinic that has grown: rows of so many patients, made in the database itself, and analysed."""

import asyncpg

FILL = (
    """
    insert into intake.streams (subject, sequence)
    select md5('patient' || n)::uuid, 3 from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.event_log (xid, event_id, subject, sequence, partition, type, time, actor, correlation, body)
    select (3 + n % 500)::text::xid8, uuidv7(), md5('patient' || n)::uuid, s, n % 12,
           'passage.intake.LeadUpdated.v1', now(), 'patient', uuidv7(),
           '{"changed": ["language"], "language": "es"}'
      from generate_series(1, $1::integer) n, generate_series(1, 3) s
    """,
    """
    insert into intake.timers (kind, subject, occurrence, due_at)
    select 'answer', md5('patient' || n)::uuid, 'once', now() + make_interval(secs => n)
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.contact_points (kind, hash, patient_id)
    select 'phone', sha256(n::text::bytea), md5('patient' || n)::uuid from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.accepted (producer, key, body, patient_id, answer_due)
    select 'api:web', sha256(n::text::bytea), ''::bytea, md5('patient' || n)::uuid, now()
      from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.inbox (source, subject, prior, sequence)
    select 1, md5('patient' || n)::uuid, 2, 3 from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.patient_keys (subject, kid, wrapped)
    select md5('patient' || n)::uuid, 'k1', repeat('x', 80) from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.facts (patient_id, source, facts)
    select md5('patient' || n)::uuid, 'intake', '{"language": "en"}' from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.findable (patient_id, hash)
    select md5('patient' || n)::uuid, sha256(n::text::bytea) from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.story (source, subject, sequence, patient_id, type, at, actor, payload)
    select 'intake', md5('patient' || n)::uuid, s, md5('patient' || n)::uuid, 'passage.intake.LeadUpdated.v1',
           now() - make_interval(secs => n), 'patient', '{"language": "es"}'
      from generate_series(1, $1::integer) n, generate_series(1, 3) s
    """,
    """
    insert into dashboard.changes (xid, at, patient_id)
    select (3 + n)::text::xid8, now() - make_interval(secs => $1::integer - n), md5('patient' || n)::uuid
      from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.audit (at, actor, action, what, subject)
    select now() - make_interval(mins => $1::integer - n), 'staff:osei', 'read', 'chart', md5('patient' || n)::uuid
      from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.audit_seals (id, entries, digest)
    select n, 100, ''::bytea from generate_series(1, $1::integer / 100) n
    """,
    """
    insert into dashboard.audit_sealed (audit_id, seal_id)
    select id, 1 + n / 100
      from (select id, row_number() over (order by id) - 1 as n, count(*) over () as all from dashboard.audit) a
     where n < a.all / 100 * 100
    """,
    """
    insert into scheduling.patients (patient_id)
    select md5('patient' || n)::uuid from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.appointments (appointment_id, patient_id, kind, state, starts_at, ends_at, zone, provider_id,
                                         mode, booked_by, policy_hash)
    select md5('appointment' || n)::uuid, md5('patient' || n)::uuid, 'consultation', 'booked',
           now() + make_interval(hours => n), now() + make_interval(hours => n, mins => 50), 'America/Denver', 'osei',
           'video', 'staff', 'none' from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.bookings (resource, during, appointment_id)
    select 'provider:osei', tstzrange(starts_at, ends_at), appointment_id from scheduling.appointments
    """,
)


async def grow(owner: asyncpg.Connection, patients: int) -> None:
    """Fill the tables whose size follows the patients, as the owner; what was in them is gone."""
    await owner.execute(
        "truncate intake.streams, intake.event_log, intake.timers, intake.contact_points, intake.accepted,"
        " dashboard.inbox, dashboard.patient_keys, dashboard.facts, dashboard.story, scheduling.patients,"
        " scheduling.bookings, scheduling.appointments cascade"
    )
    for statement in FILL:
        await owner.execute(statement, *([patients] if "$1" in statement else []))
    # the relay has published all of it
    await owner.execute("update intake.relay set cursor = pg_current_snapshot()::text, cursor_at = clock_timestamp()")
    await owner.execute("vacuum analyze")
