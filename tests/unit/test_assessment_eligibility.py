"""What a payer's answer means to a front desk."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from services.assessment.domain.eligibility import must_ask_again, question, understood
from services.assessment.domain.refusals import Invalid
from services.assessment.domain.sections import History, Insurance
from shared.contracts.assessment import InsuranceVerified

ON = date(2026, 11, 30)


def plan(status="ACTIVE_COVERAGE", **benefits):
    return {"plans": [{"name": "Silver PPO", "benefits": {"statuses": [{"status": status}], **benefits}}]}


def test_active_is_a_plan_and_never_a_covered_treatment():
    said = understood(
        plan(coPayment=[{"amount": "40.00"}], deductible=[{"amount": 1500}], coInsurance=[{"percent": "20"}])
    )
    assert (said.status, said.plan, said.advice) == ("active", "Silver PPO", ("coverage_unknown",))
    assert (said.copay, said.deductible, said.coinsurance) == ("40", "1500", "20")
    assert said.prior_authorisation == "unknown"


def test_prior_authorisation_is_said():
    said = understood({"plans": [{"benefits": {"statuses": [{"status": "ACTIVE", "priorAuthIndicator": "Y"}]}}]})
    assert said.prior_authorisation == "required"
    assert said.advice == ("coverage_unknown", "prior_authorisation")


def test_what_the_plan_excludes_or_limits_is_said_beside_active():
    assert understood(plan(nonCovered=[{"service": "MH"}])).advice == ("coverage_unknown", "not_covered")
    limited = understood(plan(nonCovered=[], limitations=[{"quantity": "20", "timePeriod": "CALENDAR_YEAR"}]))
    assert limited.advice == ("coverage_unknown", "limited")
    assert understood(plan("INACTIVE", nonCovered=[{}])).advice == ("ask_for_new_plan",)


@pytest.mark.parametrize(
    ("codes", "advice"),
    [
        (["75"], "ask_for_card"), (["71"], "ask_for_card"), (["72"], "ask_for_card"), (["73"], "ask_for_card"),
        (["79"], "enrolment"), (["41"], "enrolment"), (["50"], "enrolment"), (["51"], "enrolment"),
        (["15"], "fix_our_details"), (["97"], "fix_our_details"), (["58"], "call_payer"),
        (["60"], "check_dates"), (["56"], "check_dates"), (["T4"], "choose_payer"),
    ],
)  # fmt: skip
def test_each_refusal_says_what_to_do(codes, advice):
    said = understood({"plans": [], "errors": [{"code": code} for code in codes]})
    assert (said.status, said.advice) == ("rejected", (advice,))
    assert not must_ask_again(said)


@pytest.mark.parametrize("code", ["42", "80"])
def test_a_payer_that_cannot_answer_now_is_asked_again(code):
    assert must_ask_again(understood({"errors": [{"code": code}]}))


@pytest.mark.parametrize(
    "strange",
    [{}, {"plans": None}, {"plans": [None, 3, {"benefits": []}]}, {"errors": "no"}, plan(status=None),
     plan(coPayment=[{"amount": "much"}, "x"], deductible={})],
)  # fmt: skip
def test_an_answer_that_says_nothing_is_unknown(strange):
    assert understood(strange).status in {"unknown", "active"}


def test_what_to_ask_comes_from_the_card_and_the_history():
    card = Insurance(status="unknown", payer="Acme", member_id="M1", holder="Jo Doe")
    asked = question(card, History(born=date(1980, 4, 2)), on=ON)
    assert (asked.payer_id, asked.born) == ("Acme", date(1980, 4, 2))
    own = card.model_copy(update={"payer_id": "60054", "holder_born": date(1950, 1, 1)})
    assert question(own, None, on=ON).born == date(1950, 1, 1)
    with pytest.raises(Invalid):
        question(card.model_copy(update={"member_id": ""}), None, on=ON)


@pytest.mark.parametrize(
    "strange",
    [{"errors": [{"code": "not a code"}]}, {"errors": [{"code": "x" * 100}]}, {"errors": [{"code": "é"}]},
     {"errors": [{"code": {"a": 1}}, {"code": "75"}]}, plan(status="INACTIVÉ"), plan(status="A" * 100)],
)  # fmt: skip
def test_whatever_a_payer_calls_it_the_answer_can_be_told(strange):
    said = understood(strange)
    InsuranceVerified(
        patient_id=uuid4(), verification_id=uuid4(), status=said.status, by="payer", checked_at=datetime.now(UTC),
        codes=said.codes,
    )  # fmt: skip
    assert said.advice
