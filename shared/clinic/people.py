"""Who works here, what they may do, and the rooms they do it in."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.clinic.opening import Week
from shared.clinic.part import Id, Language, Part

Role = Literal["front_desk", "provider", "monitor", "operations", "auditor"]
RoomKind = Literal["consultation", "im", "lozenge"]


class Licence(Part):
    """A licence to practise. Valid on both of its border days."""

    number: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{3,32}$")]
    state: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    valid_from: date
    valid_until: date
    prescriber: bool = False

    @model_validator(mode="after")
    def _dates_in_order(self) -> "Licence":
        if self.valid_until < self.valid_from:
            raise ValueError(
                f"valid_until ({self.valid_until}) is before valid_from ({self.valid_from}): exchange or correct them"
            )
        return self


class Person(Part):
    """A member of staff. The same id names the person in tokens, decisions and plans."""

    id: Id
    name: Annotated[str, Field(min_length=1, max_length=120)]
    title: Annotated[str, Field(max_length=120)] = ""
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    licence: Licence | None = None
    hours: Week | None = None
    airway: bool = False

    def licensed_on(self, day: date) -> bool:
        """Whether this person's licence is valid that day (in the clinic's zone)."""
        return self.licence is not None and self.licence.valid_from <= day <= self.licence.valid_until

    def prescribes_on(self, day: date) -> bool:
        """Whether this person may order and give the medicine that day."""
        return self.licence is not None and self.licence.prescriber and self.licensed_on(day)


class Room(Part):
    """A room or recliner that holds one patient at a time; `kinds` are the appointments it is fit for."""

    id: Id
    name: Annotated[str, Field(min_length=1, max_length=120)]
    kinds: Annotated[tuple[RoomKind, ...], Field(min_length=1)]
