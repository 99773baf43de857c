"""Appointments, courses, and what must be true before each of them. Sources: FDA label and clinic practice."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.clinic.basis import PROPOSED, published, single
from shared.clinic.part import Days, Hours, Minutes, Part

Mode = Literal["in_person", "video", "phone"]
SessionRoute = Literal["im", "lozenge"]


class Consultation(Part):
    """The first talk, with a provider."""

    minutes: Annotated[int, Field(ge=10, le=240), PROPOSED] = 60
    buffer: Annotated[Minutes, PROPOSED] = 15
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = ("in_person", "video")
    earliest_notice_hours: Annotated[Hours, PROPOSED] = 4
    offer_days: Annotated[int, Field(ge=1, le=90), PROPOSED] = 14
    step_minutes: Annotated[int, Field(ge=5, le=120), PROPOSED] = 30


class PrescriberTime(Part):
    """Minutes that a session takes of a prescriber: around the dose and at discharge."""

    before_dose: Annotated[Minutes, PROPOSED] = 10
    after_dose: Annotated[Minutes, PROPOSED] = 5
    discharge: Annotated[Minutes, PROPOSED] = 0


class SessionKind(Part):
    """The phases of a session in minutes. The dose comes after `check_in`; `observation` counts from the dose.

    The monitor is with the patient from the dose to the end of `discharge`, the room is held through `turnover`
    and `padding`.
    """

    check_in: Annotated[Minutes, PROPOSED] = 30
    onset: Minutes
    effect: Minutes
    observation: Annotated[Minutes, PROPOSED]
    discharge: Annotated[Minutes, PROPOSED] = 15
    turnover: Annotated[Minutes, PROPOSED] = 15
    padding: Minutes = 0
    prescriber: PrescriberTime = PrescriberTime()

    @model_validator(mode="after")
    def _watched_to_the_end(self) -> "SessionKind":
        if self.observation < self.onset + self.effect:
            raise ValueError(
                f"observation ({self.observation}) ends before onset and effect ({self.onset + self.effect}) do: "
                f"make it {self.onset + self.effect} or more"
            )
        return self

    @property
    def stay(self) -> int:
        """Minutes from check-in until the patient may leave."""
        return self.check_in + self.observation + self.discharge

    @property
    def block(self) -> int:
        """Minutes for which the room is taken."""
        return self.stay + self.turnover + self.padding


class Appointments(Part):
    """What can be booked. Both routes exist; a clinic that offers one says so in `routes`."""

    consultation: Consultation = Consultation()
    session: dict[SessionRoute, SessionKind]
    routes: Annotated[tuple[SessionRoute, ...], Field(min_length=1)] = ("im", "lozenge")
    airway_on_site: bool = False

    @model_validator(mode="after")
    def _each_route_has_phases(self) -> "Appointments":
        for route in self.routes:
            if route not in self.session:
                raise ValueError(f'routes names "{route}", but appointments.session.{route} is missing: add its phases')
        return self


class Course(Part):
    """How the sessions of an induction are spaced. Gaps run from dose to dose."""

    sessions_default: Annotated[int, Field(ge=1, le=24), published("induction of 6 sessions")] = 6
    sessions_min: Annotated[int, Field(ge=1, le=24), published("4 to 8")] = 4
    sessions_max: Annotated[int, Field(ge=1, le=24), published("4 to 8")] = 8
    gap_min_hours: Annotated[int, Field(ge=1, le=24 * 30), PROPOSED] = 48
    gap_target_days: Annotated[int, Field(ge=1, le=30), PROPOSED] = 3
    gap_max_days: Annotated[int, Field(ge=1, le=60), PROPOSED] = 7
    reevaluate_after_days: Annotated[int, Field(ge=1, le=365), PROPOSED] = 14
    within_days: Annotated[int, Field(ge=7, le=365), published("induction in 7 to 28 days")] = 28
    earliest_notice_hours: Annotated[Hours, PROPOSED] = 72
    step_minutes: Annotated[int, Field(ge=5, le=120), PROPOSED] = 15
    review_after_session: Annotated[int, Field(ge=1, le=24), PROPOSED] = 3
    cancellation_notice_hours: Annotated[Hours, single("one clinic's terms")] = 48
    preparation_visit: Annotated[bool, single("preparatory visit before the first session")] = True
    integration_from_hours: Annotated[Hours, Field(), PROPOSED] = 24
    integration_until_hours: Annotated[Hours, Field(), PROPOSED] = 72
    integration_sessions: Annotated[int, Field(ge=0, le=24), PROPOSED] = 2
    outcome_from_days: Annotated[Days, PROPOSED] = 14
    outcome_until_days: Annotated[Days, PROPOSED] = 31

    @model_validator(mode="after")
    def _in_order(self) -> "Course":
        if not self.sessions_min <= self.sessions_default <= self.sessions_max:
            raise ValueError(
                f"sessions_default ({self.sessions_default}) must lie between sessions_min ({self.sessions_min}) "
                f"and sessions_max ({self.sessions_max})"
            )
        if not self.gap_min_hours <= self.gap_target_days * 24 <= self.gap_max_days * 24:
            raise ValueError(
                f"the gaps must grow: gap_min_hours ({self.gap_min_hours}) ≤ gap_target_days ({self.gap_target_days}) "
                f"× 24 ≤ gap_max_days ({self.gap_max_days}) × 24"
            )
        if (self.sessions_min - 1) * self.gap_min_hours > self.within_days * 24:
            raise ValueError(
                f"{self.sessions_min} sessions {self.gap_min_hours} h apart do not fit within_days "
                f"({self.within_days}): allow more days or a smaller gap"
            )
        return self


class Approval(Part):
    """How soon a provider decides, how long a signature holds, and which change takes it back."""

    sign_within_hours: Annotated[Hours, PROPOSED] = 24
    valid_days: Annotated[int, Field(ge=1, le=365), PROPOSED] = 90
    revoked_by: Annotated[tuple[Literal["medication", "diagnosis", "pregnancy", "flags"], ...], PROPOSED] = (
        "medication", "diagnosis", "pregnancy",
    )  # fmt: skip


TREATMENT_TEXT = "2026-11"
"""The version of the words that patients sign before treatment, as they ship. Grows with every change of them."""


class Consent(Part):
    """Which text for treatment counts. With a new `revision` everybody signs again, also where no word changed."""

    revision: Annotated[int, Field(ge=0, le=9999)] = 0

    @property
    def version(self) -> str:
        """The version of the text as it is signed today: what ships, and the clinic's own number where it has one.

        Never only the clinic's: a file that was not touched must not vouch for words that a release has changed.
        """
        return f"{TREATMENT_TEXT}.{self.revision}" if self.revision else TREATMENT_TEXT


class Preparation(Part):
    """What the patient does before and after a session; hours count back from the dose."""

    solids_hours: Annotated[Hours, published("8 h after a fatty meal")] = 8
    light_solids_hours: Annotated[Hours, published("6 h after a light meal")] = 6
    clear_fluids_hours: Annotated[Hours, published("2 h")] = 2
    alcohol_hours: Annotated[Hours, single("24 h before and after")] = 24
    no_driving_hours: Annotated[Hours, published("not before the next day after restful sleep, and at least 24 h")] = 24
    answer_hours: Annotated[Hours, PROPOSED] = 3
    """Who has not said by then, counted back from check-in, whether they eat and drink as asked is called."""

    @model_validator(mode="after")
    def _in_order(self) -> "Preparation":
        if not self.clear_fluids_hours <= self.light_solids_hours <= self.solids_hours:
            raise ValueError(
                "clear_fluids_hours ≤ light_solids_hours ≤ solids_hours must hold: correct the one that is off"
            )
        return self


class Transport(Part):
    """The way home. Without a confirmed escort at the cut-off, counted from check-in, the session is held."""

    required: Annotated[bool, published("escort required; no escort means cancel")] = True
    cut_off_hours: Annotated[Hours, PROPOSED] = 12


class Contact(Part):
    """How soon a person answers, and where somebody in danger turns."""

    answer_minutes_open: Annotated[int, Field(ge=1, le=24 * 60), PROPOSED] = 15
    answer_minutes_after_opening: Annotated[int, Field(ge=0, le=24 * 60), PROPOSED] = 60
    emergency: Annotated[str, Field(pattern=r"^[0-9]{2,6}$")] = "911"
    crisis: Annotated[str, Field(pattern=r"^[0-9 +-]{2,20}$")] = "988"
