"""Whatever is done to a chart in whatever order, an approval always is about exactly what was assessed."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.assessment.domain import chart as charts
from services.assessment.domain.chart import Chart, State
from services.assessment.domain.decision import Approve, Assessed, Decline, Signer, Terms, check
from services.assessment.domain.refusals import Refused
from services.assessment.domain.sections import REQUIRED
from services.assessment.handlers.charts import today
from shared.clinic import load
from shared.contracts.assessment import ApprovalExpired, ApprovalRevoked, CandidateApproved

BY = Signer("osei", "UT-1", "UT")
TERMS = Terms(("im",), 4, 8, timedelta(days=90), "cd" * 32)
REVOKED_BY = ("medication", "diagnosis", "pregnancy")
KINDS = ("medication", "diagnosis", "pregnancy", "goals", "insurance", "tried")


class Way(RuleBasedStateMachine):
    """One chart, with a model of what it says beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.chart = Chart(uuid4())
        self.now = datetime(2026, 12, 3, 16, tzinfo=UTC)
        self.said = 0  # rises with every change that the clinic named
        self.seen: dict = {}  # completed assessment → what was said then
        self.assessed: dict = {}
        self.approved_at: int | None = None
        self.facts: list = []

    @rule(kind=st.sampled_from(KINDS), hard=st.booleans())
    def change(self, kind, hard):
        raised = ("CI_ICP",) if hard else ()
        if kind in REVOKED_BY or hard:
            self.said += 1
        self.chart, event = charts.changed(self.chart, kinds={kind}, raised=raised, revoked_by=REVOKED_BY, now=self.now)
        self.facts += [event] if event else []

    @rule()
    def complete(self):
        new = uuid4()
        try:
            self.chart = charts.completed(self.chart, assessment_id=new, present=REQUIRED)
        except Refused:
            assert self.chart.state is State.COMPLETE or self.chart.approval
            return
        self.seen[new] = self.said
        self.assessed[new] = Assessed(new, self.chart.completed, new.hex * 2, ())

    @precondition(lambda self: self.assessed)
    @rule(data=st.data(), yes=st.booleans())
    def decide(self, data, yes):
        about = data.draw(st.sampled_from(list(self.assessed.values())))
        bound = {"assessment_id": about.id, "assessment_version": about.version, "assessment_hash": about.content_hash}
        decision = (
            Approve(action="approve", route="im", sessions=6, **bound)
            if yes
            else Decline(action="decline", reason="no", **bound)
        )
        current = self.assessed.get(self.chart.assessment) if self.chart.state is State.COMPLETE else None
        try:
            current = check(decision, current, crisis_open=False, terms=TERMS, today=self.now.date())
        except Refused:
            assert about != current
            return
        self.chart, event = charts.decided(
            self.chart,
            decision,
            current,
            decision_id=uuid4(),
            signer=BY,
            now=self.now,
            terms=TERMS,
            seal=lambda t: "s1." + "x" * 8,
        )
        self.facts.append(event)
        self.approved_at = self.seen[about.id] if yes else self.approved_at

    @rule(days=st.integers(1, 120))
    def wait(self, days):
        self.now += timedelta(days=days)
        if self.chart.approval:
            self.chart, event = charts.expired(self.chart, self.chart.approval.id, now=self.now)
            self.facts += [event] if event else []

    @invariant()
    def an_approval_in_force_is_about_what_is_said_now(self):
        if self.chart.approval:
            assert self.approved_at == self.said
            assert self.chart.approval.valid_until > self.now
            assert self.chart.state is State.DECIDED

    @invariant()
    def every_approval_ends_once_and_none_begins_while_another_holds(self):
        holding = None
        for fact in self.facts:
            if isinstance(fact, CandidateApproved):
                assert holding is None
                holding = fact.approval_id
            if isinstance(fact, (ApprovalRevoked, ApprovalExpired)):
                assert holding == fact.approval_id
                holding = None
        assert holding == (self.chart.approval.id if self.chart.approval else None)


Way.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestWay = Way.TestCase


def test_the_day_of_a_licence_is_the_clinics_own():
    clinic = load(Path("deploy/clinics/harbor.toml"))
    late = datetime(2026, 12, 4, 5, 30, tzinfo=UTC)  # half past ten in the evening before, in Denver
    assert today(SimpleNamespace(now=late, clinic=clinic)) == date(2026, 12, 3)
