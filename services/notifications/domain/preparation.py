"""What a patient prepares for one session, with the clock times of that session."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clinic.appointments import Preparation

FASTING = ("solids", "fluids")
"""What decides whether the session can begin at its time."""
_UNTIMED = ("sleep", "calm", "clothes")


@dataclass(frozen=True, slots=True)
class Item:
    """One point of the list; `at` is its moment, where it has one."""

    code: str
    at: datetime | None = None


def items(preparation: Preparation, dose_at: datetime, ends_at: datetime) -> tuple[Item, ...]:
    """The list of one session, each point of `PREPARATION` once.

    Hours count back from the dose, and on from the way home (FDA label and practice; the clinic's file has them).
    """
    return (
        Item("solids", dose_at - timedelta(hours=preparation.solids_hours)),
        Item("fluids", dose_at - timedelta(hours=preparation.clear_fluids_hours)),
        Item("alcohol", dose_at - timedelta(hours=preparation.alcohol_hours)),
        *(Item(code) for code in _UNTIMED),
        Item("driving", drive_again(preparation, ends_at)),
    )


def drive_again(preparation: Preparation, ends_at: datetime) -> datetime:
    """Before this nobody drives or works heavy machinery: a day and a night's sleep after the way home."""
    return ends_at + timedelta(hours=preparation.no_driving_hours)
