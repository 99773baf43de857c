"""The other tables of a clinic that has grown: what the services ask of, in states as they are found after years."""

import asyncpg

from tests.support.grown import grow

# The kernel's tables in one service's schema: their statements are looked at there.
FILL = (
    """
    insert into intake.inbox (source, subject, prior, sequence)
    select 1, md5('patient' || n)::uuid, 2, 3 from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.patient_keys (subject, kid, wrapped)
    select md5('patient' || n)::uuid, 'k1', repeat('x', 80) from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.audit (at, actor, action, what, subject)
    select now() - make_interval(mins => $1::integer - n), 'staff:osei', 'read', 'chart', md5('patient' || n)::uuid
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.audit_seals (id, entries, digest)
    select n, 100, ''::bytea from generate_series(1, $1::integer / 100) n
    """,
    """
    insert into intake.audit_sealed (audit_id, seal_id)
    select id, 1 + n / 100
      from (select id, row_number() over (order by id) - 1 as n, count(*) over () as all from intake.audit) a
     where n < a.all / 100 * 100
    """,
    """
    insert into intake.links (hash, purpose, subject, expires_at)
    select sha256(n::text::bytea), 'page', md5('patient' || n)::uuid, now() from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.rate_limits (name, key, tat)
    select 'page', sha256(n::text::bytea), now() + make_interval(secs => n - 50) from generate_series(1,
           $1::integer) n
    """,
    """
    insert into intake.tasks (id, kind, subject, occurrence, patient_id, role, deadline, raised_at, closed_at)
    select uuidv7(), 'answer', md5('patient' || n)::uuid, 'once', md5('patient' || n)::uuid, 'front-desk', now(),
           now(),
           case when n % 100 > 0 then now() end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.tombstones (subject) select md5('erased' || n)::uuid from generate_series(1,
                                   $1::integer / 50) n
    """,
    """
    insert into intake.parked (source, subject, sequence, reason, headers, body)
    select 1, md5('patient' || n)::uuid, 5, 'gap', '{}', ''::bytea from generate_series(1, 20) n
    """,
    """
    insert into intake.patients (id, channel, language, details, answer_due, created_at, updated_at, merged_into,
                                 merged_at,
                                 merged_by)
    select md5('patient' || n)::uuid, 'form', 'en', 'sealed', now(), now(), now(),
           case when n % 100 = 0 then md5('patient' || n - 1)::uuid end, case when n % 100 = 0 then now() end,
           case when n % 100 = 0 then 'staff:dana' end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.consents (patient_id, kind, given, channel, changed_at)
    select md5('patient' || n)::uuid, 'sms', true, 'form', now() from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.opt_outs (phone_hash, opted_out_at)
    select sha256(n::text::bytea), now() from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.kept_contacts (id, fingerprint, door, reason, received_at, resolved_at, patient_id)
    select uuidv7(), sha256(n::text::bytea), 'api:web', 'no-address', now(), case when n % 100 > 0 then now() end,
           md5('patient' || n)::uuid
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.vagaro_customers (ref, id, changed_at, rank, event, patient_id)
    select sha256(n::text::bytea), uuidv7(), now(), 0, ''::bytea, md5('patient' || n)::uuid
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.vagaro_appointments (ref, id, customer, content, changed_at, rank, event)
    select sha256(n::text::bytea), uuidv7(), sha256(n::text::bytea), '', now(), 0, ''::bytea
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.calls (sid, id, trusted, started_at, settled, settled_at)
    select sha256(n::text::bytea), uuidv7(), true, now() - make_interval(mins => n), 'missed', now()
      from generate_series(1, $1::integer) n
    """,
    """
    insert into dashboard.work (task_id, source, subject, patient_id, kind, occurrence, role, raised_at, closed_at)
    select md5('task' || n)::uuid, 'intake', md5('patient' || n)::uuid, md5('patient' || n)::uuid, 'answer', 'once',
           'front-desk', now(), case when n % 100 > 0 then now() end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into intake.dead_letters (fingerprint, source, subject, sequence, reason, error, topic, partition,
                                     "offset",
                                     record, resolved_at)
    select sha256(n::text::bytea), 1, md5('patient' || n)::uuid, n, 'invalid', 'ValueError',
           'passage.scheduling.v1', 0, n,
           'sealed', case when n % 100 > 0 then now() end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.charts (patient_id, state, opened_at, changed_at)
    select md5('patient' || n)::uuid, 'decided', now(), now() from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.aliases (absorbed_id, patient_id, since)
    select md5('absorbed' || n)::uuid, md5('patient' || n)::uuid, now() from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.section_versions (patient_id, kind, version, content, author, saved_at)
    select md5('patient' || n)::uuid, 'history', v, 'sealed', 'patient', now()
      from generate_series(1, $1::integer) n, generate_series(1, 2) v
    """,
    """
    insert into assessment.assessments (id, patient_id, version, content, content_hash, policy_hash, completed_by,
                                        completed_at)
    select md5('assessment' || n)::uuid, md5('patient' || n)::uuid, 1, 'sealed', 'hash', 'none', 'staff:osei', now()
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.decisions (id, patient_id, assessment_id, action, provider_id, licence, licence_state,
                                      signed_at,
                                      policy_hash, statement, digest, signature)
    select md5('decision' || n)::uuid, md5('patient' || n)::uuid, md5('assessment' || n)::uuid, 'approve', 'osei',
           'CO-1',
           'CO', now(), 'none', '{}', 'hash', 'mac'
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.approvals (id, patient_id, decision_id, route, sessions, valid_until, state, ended_at)
    select md5('approval' || n)::uuid, md5('patient' || n)::uuid, md5('decision' || n)::uuid, 'im', 6, now(),
           case when n % 20 > 0 then 'expired' else 'in_force' end, case when n % 20 > 0 then now() end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.safety_concerns (id, patient_id, kind, level, raised_at, raised_by, cleared_at, cleared_by)
    select uuidv7(), md5('patient' || n)::uuid, 'suicide-risk', 'moderate', now(), 'patient',
           case when n % 100 > 0 then now() end, case when n % 100 > 0 then 'staff:osei' end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.vitals (id, patient_id, appointment_id, phase, taken_at, hold, flags, author, recorded_at)
    select uuidv7(), md5('patient' || n)::uuid, md5('appointment' || n)::uuid, 'baseline', now(), 'none', '{}',
           'staff:kim',
           now()
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.side_effects (id, patient_id, effect, severity, began_at, author, recorded_at)
    select uuidv7(), md5('patient' || n)::uuid, 'nausea', 'mild', now(), 'patient', now()
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.eligibility_checks (id, patient_id, state, asked_by, asked_at, checked_at)
    select uuidv7(), md5('patient' || n)::uuid, case when n % 100 > 0 then 'answered' else 'waiting' end,
           'patient', now(),
           now()
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.consent_texts (hash, route, version, language, body) values ('hash', 'im', '1', 'en', '')
    """,
    """
    insert into assessment.consents (id, patient_id, route, text_hash, name, signed_at, signed_by, signature,
                                     ended_at,
                                     ended)
    select uuidv7(), md5('patient' || n)::uuid, 'im', 'hash', 'sealed', now(), 'patient', 'mac',
           case when n % 20 > 0 then now() end, case when n % 20 > 0 then 'replaced' end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into assessment.told_steps (patient_id, step, told_at)
    select md5('patient' || n)::uuid, 'goals', now() from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.approvals (approval_id, patient_id, assessment_id, assessment_version, assessment_hash,
                                      route,
                                      sessions, provider_id, signed_at, valid_until, policy_hash, state)
    select md5('approval' || n)::uuid, md5('patient' || n)::uuid, uuidv7(), 1, 'hash', 'im', 6, 'osei', now(), now(),
           'none', case when n % 20 > 0 then 'expired' else 'current' end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.courses (course_id, approval_id, patient_id, state, journey)
    select md5('course' || n)::uuid, md5('approval' || n)::uuid, md5('patient' || n)::uuid, 'planned', uuidv7()
      from generate_series(1, $1::integer) n
    """,
    # a year of a clinic's sessions, nearly all of them over
    """
    insert into scheduling.appointments (appointment_id, patient_id, kind, state, starts_at, ends_at, zone,
                                         provider_id,
                                         room_id, monitor_id, mode, booked_by, policy_hash, course_id, approval_id,
                                         number,
                                         of_total, route, dose_at, room_until)
    select md5('session' || n)::uuid, md5('patient' || n)::uuid, 'session',
           case when n % 100 > 0 then 'completed' else 'booked' end, t, t + interval '3 hours', 'America/Denver',
           'osei',
           'room-1', 'kim', 'in_person', 'staff', 'none', md5('course' || n)::uuid, md5('approval' || n)::uuid, 1,
           6, 'im',
           t + interval '30 minutes', t + interval '3 hours'
      from generate_series(1, $1::integer) n, lateral (select now() + make_interval(hours => n - $1::integer) as t)
    """,
    """
    insert into scheduling.busy (busy_id, resource, during)
    select uuidv7(), 'person:' || n % 10, tstzrange(now() + make_interval(hours => n),
                                                now() + make_interval(hours => n + 1))
      from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.requests (actor, key, digest, appointment_id)
    select 'staff:dana', n::text, ''::bytea, uuidv7() from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.treatment_consents (consent_id, patient_id, route, signed_at)
    select uuidv7(), md5('patient' || n)::uuid, 'im', now() from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.concerns (concern_id, patient_id, level, cleared)
    select uuidv7(), md5('patient' || n)::uuid, 'moderate', n % 100 > 0 from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.vitals (vitals_id, appointment_id, phase, taken_at)
    select uuidv7(), md5('session' || n)::uuid, 'baseline', now() from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.rides (appointment_id, confirmed)
    select md5('session' || n)::uuid, true from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.preparation (appointment_id, item, ok, answered_at)
    select md5('session' || n)::uuid, 'fasting', true, now() from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.session_days (appointment_id, checked_in_at)
    select md5('session' || n)::uuid, now() from generate_series(1, $1::integer) n
    """,
    """
    insert into scheduling.external_bookings (vendor, external_id, patient_id, appointment_id, changed_at)
    select 'vagaro', n::text, md5('patient' || n)::uuid, md5('appointment' || n)::uuid, now()
      from generate_series(1, $1::integer) n
    """,
    """
    insert into notifications.patients (id, phone_hash, has_phone, language, sms_consent)
    select md5('patient' || n)::uuid, sha256(n::text::bytea), true, 'en', true from generate_series(1, $1::integer) n
    """,
    """
    insert into notifications.aliases (absorbed_id, patient_id)
    select md5('absorbed' || n)::uuid, md5('patient' || n)::uuid from generate_series(1, $1::integer) n
    """,
    """
    insert into notifications.visits (id, patient_id, kind, course_id, number, of, starts_at, ends_at, zone, state)
    select md5('session' || n)::uuid, md5('patient' || n)::uuid, 'session', md5('course' || n)::uuid, 1, 6, now(),
           now(), 'America/Denver', case when n % 100 > 0 then 'done' else 'ahead' end
      from generate_series(1, $1::integer) n
    """,
    # most were sent long ago, some wait for their day, a few go out at this moment
    """
    insert into notifications.messages (id, patient_id, kind, occurrence, channel, text, visit_id, visits, ladder,
                                        planned_at, due_at, state, not_before, lease_until, vendor_id, sent_at)
    select md5(kind || n)::uuid, md5('patient' || n)::uuid, kind, 'once', 'sms', kind, md5('session' || n)::uuid,
           array[md5('session' || n)::uuid], true, now(), now(), state, case state when 'ready' then now() end,
           case state when 'sending' then now() end, case state when 'sent' then kind || n end,
           case state when 'sent' then now() end
      from generate_series(1, $1::integer) n, unnest(array['booked', 'reminder', 'after']) kind,
           lateral (select case when n % 1000 = 0 then 'ready' when n % 1000 = 1 then 'sending'
                                when n % 50 = 2 then 'planned' else 'sent' end as state)
    """,
    """
    update notifications.messages set carried_by = md5('booked' || n)::uuid
      from generate_series(2, $1::integer, 1000) n where id = md5('reminder' || n)::uuid
    """,
    """
    insert into notifications.questions (id, patient_id, kind, visit_id, message_id, asked_at, closed_at)
    select uuidv7(), md5('patient' || n)::uuid, 'ride', md5('session' || n)::uuid, md5('reminder' || n)::uuid, now(),
           case when n % 100 > 0 then now() end
      from generate_series(1, $1::integer) n
    """,
    """
    insert into notifications.preparation (visit_id, item, ok, answered_at)
    select md5('session' || n)::uuid, 'fasting', true, now() from generate_series(1, $1::integer) n
    """,
)


async def grow_whole(owner: asyncpg.Connection, patients: int) -> None:
    """Fill every table whose size follows the patients, as the owner."""
    await grow(owner, patients)
    for statement in FILL:
        await owner.execute(statement, *([patients] if "$1" in statement else []))
    await owner.execute("vacuum analyze")
