-- A chart's page shows a patient's concerns and consents also where they are over; the indexes knew the open ones only.
create index safety_concerns_patient on safety_concerns (patient_id, raised_at desc);
create index consents_patient on consents (patient_id, signed_at desc);
