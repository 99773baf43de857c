"""What is compared: per service, the rows that say nothing but what other services' events said.

Each statement gives `subject`, `key` and `row` (JSON) of the subjects after $1 up to and with $2, from the real schema
or from the scratch one. Rows that a service also changes by itself are left out, or those of their columns that it
changes; of people who were erased nothing is compared but that they are.
"""

from dataclasses import dataclass

from shared.consuming import Consumes
from shared.contracts.readers import Reader

_FACTS = """
select patient_id as subject, source as key, to_jsonb(t)::text as row from {schema}.facts t
 where patient_id > $1 and patient_id <= $2
"""
_STORY = """
select subject, source || ' ' || sequence as key, to_jsonb(t)::text as row from {schema}.story t
 where subject > $1 and subject <= $2
"""
_WORK = """
select subject, task_id::text as key, to_jsonb(t)::text as row from {schema}.work t
 where subject > $1 and subject <= $2
"""
_FINDABLE = """
select patient_id as subject, encode(hash, 'hex') as key, '{{}}' as row from {schema}.findable
 where patient_id > $1 and patient_id <= $2
"""
_ALIASES = """
select patient_id as subject, absorbed_id::text as key, (to_jsonb(t) - 'since')::text as row from {schema}.aliases t
 where patient_id > $1 and patient_id <= $2
"""
# Keys that a service made for tasks and contacts of its own are no other service's word. The others: those whom the
# events, applied again, made known or erased.
_KEYS = """
select subject, state as key, jsonb_build_object('state', state)::text as row from (
    select subject, 'known' as state from {schema}.patient_keys
    union all
    select subject, 'erased' from {schema}.tombstones) k
 where subject > $1 and subject <= $2
   and (exists (select from pg_temp.patient_keys f where f.subject = k.subject)
        or exists (select from pg_temp.tombstones f where f.subject = k.subject))
"""
_CHARTS = """
select patient_id as subject, 'chart' as key, jsonb_build_object('patient_id', patient_id)::text as row
  from {schema}.charts c
 where patient_id > $1 and patient_id <= $2
   and not exists (select from {schema}.tombstones t where t.subject = c.patient_id)
"""
_BOOKABLE = """
select patient_id as subject, 'patient' as key, jsonb_build_object('erased', erased)::text as row
  from {schema}.patients where patient_id > $1 and patient_id <= $2
"""
_MERGED = """
select merged_into as subject, patient_id::text as key, jsonb_build_object('merged_into', merged_into)::text as row
  from {schema}.patients where merged_into > $1 and merged_into <= $2
"""
_TREATMENT_CONSENTS = """
select patient_id as subject, consent_id::text as key, to_jsonb(t)::text as row from {schema}.treatment_consents t
 where patient_id > $1 and patient_id <= $2
   and not exists (select from {schema}.tombstones x where x.subject = t.patient_id)
"""
_CONCERNS = """
select patient_id as subject, concern_id::text as key, to_jsonb(t)::text as row from {schema}.concerns t
 where patient_id > $1 and patient_id <= $2
   and not exists (select from {schema}.tombstones x where x.subject = t.patient_id)
"""
# `state` is also changed by an approval of somebody who turned out to be the same person.
_APPROVALS = """
select patient_id as subject, approval_id::text as key, (to_jsonb(t) - 'state')::text as row from {schema}.approvals t
 where patient_id > $1 and patient_id <= $2
   and not exists (select from {schema}.tombstones x where x.subject = t.patient_id)
"""
_REACHABLE = """
select id as subject, 'patient' as key,
       jsonb_build_object('name', name, 'contact', contact, 'phone_hash', phone_hash, 'has_phone', has_phone,
                          'has_email', has_email, 'language', language, 'zone', zone,
                          'erased', erased_at is not null)::text as row
  from {schema}.patients p
 where id > $1 and id <= $2 and not exists (select from {schema}.tombstones t where t.subject = p.id)
"""


@dataclass(frozen=True, slots=True)
class Model:
    """One service's read model. `applied` names the events whose handlers build it; None means all of them."""

    service: Reader
    tables: dict[str, str]
    applied: tuple[str, ...] | None
    mend: str

    def consumes(self) -> Consumes:
        """The service's own handlers of those events."""
        found = _handlers(self.service)
        if self.applied is None:
            return found
        chosen = Consumes()
        chosen.handlers = {type_: it for type_, it in found.handlers.items() if type_.split(".")[2] in self.applied}
        return chosen


_REBUILD = "`passage rebuild dashboard --subject ID` builds a patient's rows anew; without --subject all of them"
_BY_HAND = (
    "compare the rows with `passage replay {service} --dry-run` and the audit trail: the event is right, the row was "
    "changed besides the program; restore it from a backup"
)

MODELS: tuple[Model, ...] = (
    Model(
        "dashboard",
        {
            "facts": _FACTS,
            "story": _STORY,
            "work": _WORK,
            "aliases": _ALIASES,
            "findable": _FINDABLE,
            "patient_keys": _KEYS,
        },
        None,
        _REBUILD,
    ),
    Model(
        "assessment",
        {"charts": _CHARTS, "aliases": _ALIASES, "patient_keys": _KEYS},
        ("LeadCreated", "LeadMerged", "LeadUnmerged"),
        _BY_HAND,
    ),
    Model(
        "scheduling",
        {
            "patients": _BOOKABLE,
            "patients (merged)": _MERGED,
            "approvals": _APPROVALS,
            "treatment_consents": _TREATMENT_CONSENTS,
            "concerns": _CONCERNS,
            "patient_keys": _KEYS,
        },
        (
            "LeadCreated",
            "LeadMerged",
            "LeadUnmerged",
            "PatientErased",
            "CandidateApproved",
            "TreatmentConsentSigned",
            "TreatmentConsentWithdrawn",
            "SafetyConcernRaised",
            "SafetyConcernCleared",
        ),
        _BY_HAND,
    ),
    Model(
        "notifications",
        {"patients": _REACHABLE, "aliases": _ALIASES, "patient_keys": _KEYS},
        ("LeadCreated", "LeadUpdated", "LeadMerged", "LeadUnmerged"),
        _BY_HAND,
    ),
)


def _handlers(service: Reader) -> Consumes:
    """Imported here and not above: a command that verifies one service need not load all."""
    import importlib

    found: Consumes = importlib.import_module(f"services.{service}.consumers").consumes
    return found
