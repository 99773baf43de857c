-- By which door somebody's newest words came, for those who wrote before the board told it.
update facts f
   set facts = f.facts || jsonb_build_object('said_by', said.door)
  from (select distinct on (patient_id) patient_id, payload ->> 'channel' as door
          from story
         where source = 'intake'
           and (type = 'passage.intake.MessageReceived.v1'
                or (type = 'passage.intake.LeadUpdated.v1' and payload ? 'message' and payload ? 'channel'))
         order by patient_id, sequence desc) said
 where f.source = 'intake' and f.patient_id = said.patient_id and not f.facts ? 'erased';
