-- Under which text a consent was signed. Until now there was one only, and what an older version of this program still
-- writes while it is being replaced was signed under it too: hence the default.
alter table treatment_consents add column text_version text not null default '2026-11';
