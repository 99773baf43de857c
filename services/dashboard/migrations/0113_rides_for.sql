-- For which time of a session each ride was told, and when it was confirmed.
update facts f
   set facts = jsonb_set(f.facts, '{rides}', f.facts -> 'rides' || said.rides)
  from (select f.patient_id, jsonb_object_agg(last.visit, f.facts -> 'rides' -> last.visit || last.about) as rides
          from facts f
          join (select distinct on (patient_id, payload ->> 'appointment_id')
                       patient_id, payload ->> 'appointment_id' as visit,
                       jsonb_strip_nulls(jsonb_build_object('at', payload -> 'confirmed_at',
                                                            'starts_at', payload -> 'starts_at')) as about
                  from story
                 where source = 'notifications' and type in ('passage.notifications.TransportConfirmed.v1',
                                                             'passage.notifications.TransportMissing.v1')
                 order by patient_id, payload ->> 'appointment_id', sequence desc) last
            on last.patient_id = f.patient_id and f.facts -> 'rides' ? last.visit
         where f.source = 'notifications'
         group by f.patient_id) said
 where f.source = 'notifications' and f.patient_id = said.patient_id;
