-- The funnel asks when each patient first and last came to a step of the way: a handful of rows of a long story.
create index story_milestones on story (patient_id, type, at)
 where type in ('passage.intake.LeadCreated.v1', 'passage.intake.ExternalBookingReceived.v1',
                'passage.scheduling.ConsultationScheduled.v1', 'passage.assessment.AssessmentCompleted.v1',
                'passage.assessment.CandidateApproved.v1', 'passage.assessment.CandidateDeclined.v1',
                'passage.assessment.AlternativeRecommended.v1', 'passage.scheduling.SessionCompleted.v1');
