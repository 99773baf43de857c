-- For which time of a session each answer about preparing was given, and when a session was last given another time.
update facts f
   set facts = jsonb_set(f.facts, '{prep}', said.prep)
  from (select patient_id, jsonb_object_agg(visit, answers) as prep
          from (select patient_id, visit, jsonb_object_agg(item, answer) as answers
                  from (select distinct on (patient_id, payload ->> 'appointment_id', payload ->> 'item')
                               patient_id, payload ->> 'appointment_id' as visit, payload ->> 'item' as item,
                               jsonb_strip_nulls(jsonb_build_object('ok', payload -> 'ok', 'at', payload -> 'answered_at',
                                                                    'starts_at', payload -> 'starts_at')) as answer
                          from story
                         where source = 'notifications' and type = 'passage.notifications.PrepConfirmed.v1'
                         order by patient_id, payload ->> 'appointment_id', payload ->> 'item', sequence desc) newest
                 group by patient_id, visit) visits
         group by patient_id) said
 where f.source = 'notifications' and f.patient_id = said.patient_id and f.facts ? 'prep';

update facts f
   set facts = jsonb_set(f.facts, '{appointments}', f.facts -> 'appointments' || moved.visits)
  from (select f.patient_id,
               jsonb_object_agg(last.visit, f.facts -> 'appointments' -> last.visit
                                            || jsonb_build_object('moved_at', last.moved_at)) as visits
          from facts f
          join (select distinct on (patient_id, payload ->> 'appointment_id')
                       patient_id, payload ->> 'appointment_id' as visit,
                       to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
                       || case when date_trunc('second', at) = at then '' else to_char(at, '.US') end || 'Z' as moved_at
                  from story
                 where source = 'scheduling' and type = 'passage.scheduling.AppointmentRescheduled.v1'
                   and payload ->> 'starts_at' <> payload ->> 'was_at'
                 order by patient_id, payload ->> 'appointment_id', sequence desc) last
            on last.patient_id = f.patient_id and f.facts -> 'appointments' ? last.visit
         where f.source = 'scheduling'
         group by f.patient_id) moved
 where f.source = 'scheduling' and f.patient_id = moved.patient_id;
