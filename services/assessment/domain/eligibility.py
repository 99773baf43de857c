"""What a payer's answer means to a front desk.

"Active" says that there is a plan, never that a treatment is covered. Codes: X12 271 AAA03 reject reasons and Stedi's
statuses of EB01.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from services.assessment.domain.refusals import Invalid
from services.assessment.domain.sections import History, Insurance

MENTAL_HEALTH, HEALTH_PLAN = "MH", "30"
"""Service types, in the order in which they are asked: one per request, the second when the first says nothing."""

AGAIN = frozenset({"42", "80"})
"""The payer cannot answer now: asked again with back-off."""

Advice = Literal[
    "coverage_unknown", "not_covered", "limited", "prior_authorisation", "ask_for_new_plan", "ask_for_card",
    "check_dates", "fix_our_details", "enrolment", "choose_payer", "call_payer",
]  # fmt: skip
"""What a front desk does next."""

ADVICE: dict[str, Advice] = {
    **dict.fromkeys(("15", "43", "44", "45", "97"), "fix_our_details"),
    **dict.fromkeys(("41", "50", "51", "79"), "enrolment"),
    **dict.fromkeys(("56", "57", "60", "61", "62", "63"), "check_dates"),
    **dict.fromkeys(("71", "72", "73", "75"), "ask_for_card"),
    "T4": "choose_payer",
}  # fmt: skip
Status = Literal["active", "inactive", "rejected", "unknown"]


_CODE = re.compile(r"[A-Za-z0-9_]{1,48}")
"""What of a payer's own words can be told as a code."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one person. Dates are days; `payer_id` is the payer's electronic id, or its name."""

    payer: str
    payer_id: str
    member_id: str
    holder: str
    born: date | None
    on: date


@dataclass(frozen=True, slots=True)
class Answer:
    """The payer's answer in figures and in what to do. Amounts are US dollars as text, percentages 0 to 100."""

    status: Status
    codes: tuple[str, ...]
    advice: tuple[Advice, ...]
    plan: str = ""
    copay: str | None = None
    coinsurance: str | None = None
    deductible: str | None = None
    out_of_pocket: str | None = None
    prior_authorisation: Literal["required", "not_required", "unknown"] = "unknown"

    def figures(self) -> dict[str, Any]:
        """Plain JSON values, without status and codes."""
        return {name: value for name, value in asdict(self).items() if name not in {"status", "codes"}}


def askable(insurance: Insurance | None) -> bool:
    """Whether a payer can be asked: it has a name and knows the member by an id."""
    return insurance is not None and bool(insurance.payer and insurance.member_id and insurance.status != "self_pay")


def question(insurance: Insurance | None, history: History | None, *, on: date) -> Question:
    """What to ask.

    Raises:
        Invalid: payer or member id is missing.
    """
    if insurance is None or not askable(insurance):
        raise Invalid(
            "nothing_to_ask",
            "A payer can be asked when the chart has its name and the member id.",
            "Record both from the card, then check again.",
            "member_id",
        )
    born = insurance.holder_born or (history.born if history else None)
    payer_id = insurance.payer_id or insurance.payer
    return Question(insurance.payer, payer_id, insurance.member_id, insurance.holder, born, on)


def understood(said: Mapping[str, Any]) -> Answer:
    """An answer in Stedi's shape, read tolerantly: what is missing or strange is unknown, never an error."""
    plans = [plan for plan in _list(said.get("plans")) if isinstance(plan, dict)]
    rejected = tuple(dict.fromkeys(str(e["code"]) for e in _dicts(said.get("errors")) if e.get("code")))
    if rejected:
        advice = tuple(dict.fromkeys(ADVICE.get(code, "call_payer") for code in rejected))
        named = (code if _CODE.fullmatch(code) else "other" for code in rejected)
        return Answer("rejected", tuple(dict.fromkeys(f"AAA:{code}" for code in named)), advice)
    benefits = [benefit for plan in plans if isinstance(benefit := plan.get("benefits"), dict)]
    statuses = [one for benefit in benefits for one in _dicts(benefit.get("statuses"))]
    statuses_named = tuple(dict.fromkeys(str(one["status"]) for one in statuses if one.get("status")))
    status: Status = _status(statuses_named)
    prior = _prior(statuses)
    return Answer(
        status=status,
        codes=tuple(name for name in statuses_named if _CODE.fullmatch(name)),
        advice=_advice(status, prior, benefits),
        plan=next((str(plan["name"])[:200] for plan in plans if plan.get("name")), ""),
        copay=_first(benefits, "coPayment", "amount"),
        coinsurance=_first(benefits, "coInsurance", "percent"),
        deductible=_first(benefits, "deductible", "amount"),
        out_of_pocket=_first(benefits, "outOfPocket", "amount"),
        prior_authorisation=prior,
    )


def must_ask_again(answer: Answer) -> bool:
    """Whether the payer itself says that it cannot answer now."""
    return any(code.removeprefix("AAA:") in AGAIN for code in answer.codes)


def _status(named: Iterable[str]) -> Status:
    names = set(named)
    if any(name.startswith("ACTIVE") for name in names):
        return "active"
    return "inactive" if any(name.startswith("INACTIVE") for name in names) else "unknown"


def _prior(statuses: list[dict[str, Any]]) -> Literal["required", "not_required", "unknown"]:
    said = {str(one.get("priorAuthIndicator", "")).upper() for one in statuses}
    if said & {"Y", "YES", "TRUE", "REQUIRED"}:
        return "required"
    return "not_required" if said & {"N", "NO", "FALSE", "NOT_REQUIRED"} else "unknown"


def _advice(status: Status, prior: str, benefits: list[dict[str, Any]]) -> tuple[Advice, ...]:
    """What a plan excludes or limits (EB01 I and F) for the service that was asked about is said beside "active"."""
    if status == "inactive":
        return ("ask_for_new_plan",)
    if status != "active":
        return ("call_payer",)
    said: dict[Advice, bool] = {
        "not_covered": any(_dicts(benefit.get("nonCovered")) for benefit in benefits),
        "limited": any(_dicts(benefit.get("limitations")) for benefit in benefits),
        "prior_authorisation": prior == "required",
    }
    return ("coverage_unknown", *(advice for advice, applies in said.items() if applies))


def _first(benefits: list[dict[str, Any]], name: str, field: str) -> str | None:
    for benefit in benefits:
        for one in _dicts(benefit.get(name)):
            try:
                return f"{Decimal(str(one[field])).normalize():f}"[:20]
            except (KeyError, InvalidOperation, ValueError):
                continue
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]
