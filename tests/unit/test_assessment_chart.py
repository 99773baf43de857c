"""A chart's way, and a decision bound to exactly what was assessed."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.assessment.domain import chart as charts
from services.assessment.domain.canonical import canonical, digest
from services.assessment.domain.changes import kinds
from services.assessment.domain.chart import Chart, State
from services.assessment.domain.decision import (
    AnyDecision,
    Approve,
    Ask,
    Assessed,
    Decline,
    Recommend,
    Signer,
    Terms,
    check,
    sign,
    signer,
)
from services.assessment.domain.refusals import Conflicting, Invalid, NotEntitled
from services.assessment.domain.screening import Finding, Resistance
from services.assessment.domain.sections import (
    Allergy,
    Condition,
    Diagnosis,
    Goals,
    History,
    Insurance,
    Medication,
    SectionKind,
    Tried,
    read,
)
from shared.clinic.people import Licence, Person
from shared.contracts.assessment import (
    AlternativeRecommended,
    CandidateApproved,
    CandidateDeclined,
    MoreInformationRequested,
    Severity,
)

PATIENT = uuid4()
NOW = datetime(2026, 12, 3, 16, 0, tzinfo=UTC)
TODAY = date(2026, 12, 3)
HASH = "ab" * 32
POLICY = "cd" * 32
BY = Signer("osei", "UT-1234", "UT")
TERMS = Terms(("im", "lozenge"), 4, 8, timedelta(days=90), POLICY)
ALL = (SectionKind.HISTORY, SectionKind.GOALS, SectionKind.TRIED)


def seal(text: str) -> str:
    return f"s1.{text}padding"


def assessed(**over) -> Assessed:
    return Assessed(**({"id": uuid4(), "version": 1, "content_hash": HASH, "flags": ()} | over))


def bound(to: Assessed) -> dict:
    return {"assessment_id": to.id, "assessment_version": to.version, "assessment_hash": to.content_hash}


def approve(to: Assessed, **over) -> Approve:
    return Approve(**(bound(to) | {"action": "approve", "route": "im", "sessions": 6} | over))


def complete() -> Chart:
    return charts.completed(Chart(PATIENT, State.GATHERING), assessment_id=uuid4(), present=ALL)


def approved() -> Chart:
    it = assessed()
    chart, _ = charts.decided(
        complete(), approve(it), it, decision_id=uuid4(), signer=BY, now=NOW, terms=TERMS, seal=seal
    )
    return chart


# — gathering —


def test_a_chart_is_complete_when_history_goals_and_tried_are_there_insurance_or_not():
    assert complete().state is State.COMPLETE
    assert complete().completed == 1
    for missing in ALL:
        present = [kind for kind in ALL if kind is not missing]
        with pytest.raises(Invalid, match="sections_missing") as refused:
            charts.completed(Chart(PATIENT, State.GATHERING), assessment_id=uuid4(), present=present)
        assert missing.value in refused.value.detail


def test_a_chart_that_waits_or_is_approved_cannot_be_completed_again():
    for chart in (complete(), approved()):
        with pytest.raises(Conflicting):
            charts.completed(chart, assessment_id=uuid4(), present=ALL)


def test_a_change_takes_a_waiting_assessment_back():
    chart, event = charts.changed(complete(), kinds={"goals"}, raised=(), revoked_by=(), now=NOW)
    assert (chart.state, chart.assessment, event) == (State.GATHERING, None, None)
    assert chart.completed == 1


# — an approval ends —


def test_an_approval_survives_changes_that_the_clinic_did_not_name():
    chart = approved()
    after, event = charts.changed(chart, kinds={"goals", "insurance"}, raised=(), revoked_by={"medication"}, now=NOW)
    assert after == chart
    assert event is None


@pytest.mark.parametrize("kind", ["medication", "diagnosis", "pregnancy"])
def test_a_named_change_revokes_the_approval(kind):
    chart = approved()
    after, event = charts.changed(chart, kinds={kind}, raised=(), revoked_by={kind}, now=NOW)
    assert after.approval is None
    assert after.state is State.GATHERING
    assert event.approval_id == chart.approval.id
    assert event.reason == f"changed:{kind}"


def test_a_hard_flag_that_the_provider_has_not_seen_always_revokes():
    after, event = charts.changed(approved(), kinds={"allergy"}, raised={"CI_ALLERGY"}, revoked_by=(), now=NOW)
    assert after.approval is None
    assert event.reason == "flag:CI_ALLERGY"


def test_an_approval_expires_at_its_moment_and_only_itself():
    chart = approved()
    until = chart.approval.valid_until
    assert until == NOW + timedelta(days=90)
    assert charts.expired(chart, chart.approval.id, now=until - timedelta(seconds=1)) == (chart, None)
    assert charts.expired(chart, uuid4(), now=until) == (chart, None)
    after, event = charts.expired(chart, chart.approval.id, now=until)
    assert after.approval is None
    assert event.approval_id == chart.approval.id


def test_nothing_to_revoke_is_said():
    with pytest.raises(Conflicting):
        charts.revoked(complete(), "provider", now=NOW)


# — deciding —


@pytest.mark.parametrize("wrong", [{"id": uuid4()}, {"version": 2}, {"content_hash": "ef" * 32}])
def test_a_decision_about_another_version_is_refused(wrong):
    it = assessed()
    other = Assessed(**({"id": it.id, "version": it.version, "content_hash": it.content_hash, "flags": ()} | wrong))
    with pytest.raises(Conflicting, match="assessment_changed"):
        check(approve(other), it, crisis_open=False, terms=TERMS, today=TODAY)


def test_nothing_assessed_is_nothing_to_decide():
    with pytest.raises(Conflicting, match="nothing_to_decide"):
        check(approve(assessed()), None, crisis_open=False, terms=TERMS, today=TODAY)


@pytest.mark.parametrize("sessions", [3, 9])
def test_sessions_stay_within_the_clinics_course(sessions):
    it = assessed()
    with pytest.raises(Invalid, match="sessions_out_of_bounds"):
        check(approve(it, sessions=sessions), it, crisis_open=False, terms=TERMS, today=TODAY)


def test_a_route_that_is_not_offered_is_refused():
    it = assessed()
    only_im = Terms(("im",), 4, 8, TERMS.valid, POLICY)
    with pytest.raises(Invalid, match="route_not_offered"):
        check(approve(it, route="lozenge"), it, crisis_open=False, terms=only_im, today=TODAY)


def test_each_hard_flag_needs_its_own_reason():
    it = assessed(flags=(("CI_HTN_UNCTRL", Severity.HARD), ("CI_ICP", Severity.HARD), ("REL_SUD", Severity.REVIEW)))
    with pytest.raises(Invalid) as refused:
        check(approve(it, acknowledged={"CI_ICP": "cleared"}), it, crisis_open=False, terms=TERMS, today=TODAY)
    assert "CI_HTN_UNCTRL" in refused.value.detail
    assert "CI_ICP" not in refused.value.detail
    reasons = {"CI_ICP": "cleared by neurology", "CI_HTN_UNCTRL": "controlled since May"}
    assert check(approve(it, acknowledged=reasons), it, crisis_open=False, terms=TERMS, today=TODAY) is it
    with pytest.raises(ValidationError):
        approve(it, acknowledged={"CI_ICP": "  "})


def test_an_open_safety_concern_refuses_approval_and_nothing_else():
    it = assessed()
    with pytest.raises(Conflicting, match="safety_concern_open"):
        check(approve(it), it, crisis_open=True, terms=TERMS, today=TODAY)
    decline = Decline(action="decline", reason="not here", **bound(it))
    assert check(decline, it, crisis_open=True, terms=TERMS, today=TODAY) is it


def test_a_follow_up_lies_ahead():
    it = assessed()
    for day, fine in ((TODAY, False), (TODAY + timedelta(days=1), True), (None, True)):
        body = Recommend(action="alternative", alternative="cbt", reason="first", follow_up_on=day, **bound(it))
        if fine:
            check(body, it, crisis_open=False, terms=TERMS, today=TODAY)
        else:
            with pytest.raises(Invalid, match="follow_up_past"):
                check(body, it, crisis_open=False, terms=TERMS, today=TODAY)


def test_each_decision_becomes_its_fact():
    it = assessed()
    bodies = {
        CandidateApproved: approve(it, conditions="BP under 140/90"),
        AlternativeRecommended: Recommend(action="alternative", alternative="cbt", reason="try first", **bound(it)),
        MoreInformationRequested: Ask(action="more_information", question="ECG?", wanted=["history"], **bound(it)),
        CandidateDeclined: Decline(action="decline", reason="not safe", **bound(it)),
    }
    for expected, body in bodies.items():
        chart = complete()
        after, event = charts.decided(chart, body, it, decision_id=uuid4(), signer=BY, now=NOW, terms=TERMS, seal=seal)
        assert type(event) is expected
        assert event.provider_id == "osei"
        assert event.licence == "UT-1234"
        assert event.assessment_hash == HASH
        assert event.policy_hash == POLICY
        asked = isinstance(body, Ask)
        assert after.state is (State.GATHERING if asked else State.DECIDED)
        assert (after.approval is not None) is isinstance(body, Approve)


def test_unknown_actions_and_fields_are_refused():
    adapter = TypeAdapter(AnyDecision)
    body = approve(assessed()).model_dump(mode="json")
    assert isinstance(adapter.validate_python(body), Approve)
    for broken in (body | {"action": "maybe"}, body | {"extra": 1}, body | {"route": "iv"}, body | {"sessions": 0}):
        with pytest.raises(ValidationError):
            adapter.validate_python(broken)


# — who may sign —


def provider(**over) -> Person:
    licence = Licence(number="UT-1", state="UT", valid_from=date(2025, 1, 1), valid_until=date(2026, 12, 3))
    given_ = {
        "id": "osei", "name": "Dr Osei", "roles": ("provider",), "email": "o@example.org", "languages": ("en",),
        "licence": licence,
    }  # fmt: skip
    return Person(**(given_ | over))


def test_a_licence_counts_on_its_last_day_and_not_after():
    assert signer(provider(), date(2026, 12, 3)).licence == "UT-1"
    with pytest.raises(NotEntitled, match="licence_not_valid"):
        signer(provider(), date(2026, 12, 4))
    with pytest.raises(NotEntitled, match="licence_not_valid"):
        signer(provider(), date(2024, 12, 31))


@pytest.mark.parametrize(
    "who", [None, provider(licence=None), provider(roles=("front_desk",)), provider(roles=("monitor",))]
)
def test_nobody_else_signs(who):
    with pytest.raises(NotEntitled):
        signer(who, TODAY)


def test_what_was_signed_names_everything_and_any_change_shows():
    it = assessed()
    signed = sign(approve(it), decision_id=uuid4(), patient_id=PATIENT, signer=BY, now=NOW, policy_hash=POLICY)
    assert signed.statement["licence"] == {"number": "UT-1234", "state": "UT"}
    assert signed.statement["decision"]["assessment_hash"] == HASH
    assert digest(signed.statement) == signed.digest
    altered = signed.statement | {"decision": signed.statement["decision"] | {"sessions": 8}}
    assert digest(altered) != signed.digest


# — contents and changes —

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=6), st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_keys(value, random):
    keys = list(value)
    random.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)


def test_the_hash_changes_with_content_version_flags_and_policy():
    history = {SectionKind.HISTORY: (1, {"notes": "a"})}
    resistance = Resistance((), 2)
    flag = Finding("CI_ICP", Severity.HARD, "l", "r", "s", "b")
    hashes = {
        charts.contents(PATIENT, history, (), resistance, POLICY)[1],
        charts.contents(PATIENT, {SectionKind.HISTORY: (2, {"notes": "a"})}, (), resistance, POLICY)[1],
        charts.contents(PATIENT, {SectionKind.HISTORY: (1, {"notes": "b"})}, (), resistance, POLICY)[1],
        charts.contents(PATIENT, history, (flag,), resistance, POLICY)[1],
        charts.contents(PATIENT, history, (), resistance, HASH)[1],
        charts.contents(UUID(int=1), history, (), resistance, POLICY)[1],
    }
    assert len(hashes) == 6


BEFORE = History(
    born=date(1980, 1, 1),
    medications=(Medication(name="Sertraline", dose="50 mg"), Medication(name="Zinc")),
    diagnoses=(Diagnosis(name="Depression", code="F33.2"),),
)


def taking(*medications: tuple[str, str]) -> History:
    return BEFORE.model_copy(update={"medications": tuple(Medication(name=n, dose=d) for n, d in medications)})


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE.model_copy(update={"medications": BEFORE.medications[::-1]}), set()),
        (BEFORE.model_copy(update={"notes": "talked long"}), set()),
        (taking((" sertraline", "50  MG"), ("zinc", "")), set()),
        (taking(("Sertraline", "100 mg"), ("Zinc", "")), {"medication"}),
        (BEFORE.model_copy(update={"diagnoses": ()}), {"diagnosis"}),
        (BEFORE.model_copy(update={"conditions": (Condition(code="CI_ICP"),)}), {"diagnosis"}),
        (BEFORE.model_copy(update={"conditions": (Condition(code="CI_PREGNANCY"),)}), {"pregnancy"}),
        (BEFORE.model_copy(update={"allergies": (Allergy(substance="latex"),)}), {"allergy"}),
        (BEFORE.model_copy(update={"born": date(1981, 1, 1)}), {"birth_date"}),
    ],
)  # fmt: skip
def test_a_change_is_named_by_what_it_means(after, expected):
    assert kinds(BEFORE, after) == expected


def test_other_sections_change_under_their_own_name():
    assert kinds(None, Tried()) == {"tried"}
    assert kinds(Goals(hopes="sleep"), Goals(hopes="sleep")) == set()
    assert kinds(Goals(hopes="sleep"), Goals(hopes="work")) == {"goals"}
    assert kinds(None, Insurance(status="self_pay")) == {"insurance"}


# — bad input —


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "pay \u202egnp.exe", "\u2067x"])
def test_characters_that_hide_or_reorder_are_refused(text):
    with pytest.raises(ValidationError):
        Goals(hopes=text)


@pytest.mark.parametrize("text", ["أريد أن أنام", "睡眠", "dormir mejor", "line\nline", "👩‍👩‍👧"])
def test_every_script_is_welcome(text):
    assert Goals(hopes=text).hopes == text


def test_input_refuses_unknown_fields_and_storage_tolerates_them():
    with pytest.raises(ValidationError):
        Goals.model_validate({"hopes": "x", "later": 1})
    assert read(SectionKind.GOALS, {"hopes": "x", "later": 1}) == Goals(hopes="x")
    nested = {"conditions": [{"code": "CI_ICP", "since": 2030}]}
    assert read(SectionKind.HISTORY, nested) == History(conditions=(Condition(code="CI_ICP"),))


def test_a_payer_is_named_and_dates_are_in_order():
    with pytest.raises(ValidationError, match="payer"):
        Insurance(status="active")
    with pytest.raises(ValidationError, match="before the start"):
        Tried.model_validate(
            {"trials": [{"kind": "therapy", "name": "CBT", "start": "2026-02-01", "end": "2026-01-01"}]}
        )
