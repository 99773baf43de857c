"""What `passage policy check` says about a policy file."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from shared.clinic.errors import ClinicError, Problem
from shared.clinic.loader import load
from shared.clinic.model import Clinic
from shared.clinic.signing import Open, still_open

_SOON = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Report:
    """`problems` stop the clinic from starting, `warnings` do not, `needs_sign_off` waits for the medical director."""

    clinic: Clinic | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    needs_sign_off: tuple[Open, ...]

    @property
    def usable(self) -> bool:
        """Whether services start with this file."""
        return not self.problems


def check(path: Path | str, today: date) -> Report:
    """Read a policy file and say everything there is to say about it on that day. Never raises for a bad file."""
    try:
        clinic = load(path)
    except ClinicError as error:
        return Report(None, error.problems, (), ())
    return Report(clinic, (), tuple(_licences(clinic, today)), tuple(still_open(clinic, clinic.sign_off)))


def _licences(clinic: Clinic, today: date) -> list[Problem]:
    found: list[Problem] = []
    for person in clinic.people:
        if person.licence is None:
            continue
        key, until = f"people[{person.id}].licence", person.licence.valid_until
        if until < today:
            found.append(
                Problem(key, f"{person.name}'s licence ended on {until}", "they can sign nothing until it is renewed")
            )
        elif until - today <= _SOON:
            found.append(Problem(key, f"{person.name}'s licence ends on {until}", "renew it in time"))
        elif person.licence.valid_from > today:
            found.append(
                Problem(
                    key,
                    f"{person.name}'s licence begins on {person.licence.valid_from}",
                    "until then they can sign nothing",
                )
            )
    if not any(person.prescribes_on(today) for person in clinic.people):
        found.append(Problem("people", "nobody may prescribe today", "no session can be planned"))
    return found
