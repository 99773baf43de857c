"""A contact: what somebody who wants to reach the clinic said about themselves, read and made safe."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.intake.domain.words import same_person_name
from shared.contracts.intake import Channel, ConsentKind

PointKind = Literal["email", "phone"]
FieldName = Literal["name", "phone", "email", "message", "language", "date_of_birth"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A field that cannot be used as it is; `code` names the text that says why and what to do."""

    field: FieldName
    code: str


class Unusable(Exception):
    """Nothing was kept of it; every field that stands in the way is named."""

    def __init__(self, wrong: tuple[Wrong, ...]) -> None:
        super().__init__(", ".join(f"{each.field}:{each.code}" for each in wrong))
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Contact:
    """`phone` is E.164, `email` lower-case with an ASCII domain; at least one of them is there.

    `language` is one that the clinic speaks. It is `chosen` where it isn't the first, which may be nobody's choice.
    """

    channel: Channel
    language: str
    phone: str | None = None
    email: str | None = None
    name: str | None = None
    message: str | None = None
    date_of_birth: date | None = None
    zone: str | None = None
    consents: tuple[ConsentKind, ...] = ()
    campaign: str | None = None
    chosen: bool = False

    def points(self) -> tuple[tuple[PointKind, str], ...]:
        """By what the person is known again, always in this order: two transactions then wait, never deadlock."""
        found: list[tuple[PointKind, str]] = []
        if self.email is not None:
            found.append(("email", self.email))
        if self.phone is not None:
            found.append(("phone", self.phone))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Details:
    """What intake keeps about a patient, sealed as one."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    date_of_birth: date | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """What a new contact of a known person adds, and what speaks against what we know."""

    details: Details
    changed: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


def of_another(known: Details, contact: Contact) -> bool:
    """Whether the contact gives a name that can't be the known person's: somebody else may be writing."""
    return bool(known.name and contact.name) and not same_person_name(known.name or "", contact.name or "")


def learn(known: Details, contact: Contact, *, open_to_new: bool) -> Learned:
    """Fill gaps, overwrite nothing.

    Whoever knows a patient's number can fill in a form, so a public door never changes where we write to: a
    different value is a difference for a person to settle, and so is a new one once treatment has begun to be
    arranged (`open_to_new` is false), or from somebody of another name: families share a telephone.
    """
    open_to_new = open_to_new and not of_another(known, contact)
    filled: dict[str, str | date] = {}
    differs: list[str] = []
    for name in ("name", "phone", "email", "date_of_birth"):
        have, new = getattr(known, name), getattr(contact, name)
        if new is None or new == have:
            continue
        if have is None and (open_to_new or name == "name"):
            filled[name] = new
        elif name != "name" or not same_person_name(have, new):
            differs.append(name)
    details = Details(**{**{name: getattr(known, name) for name in Details.__slots__}, **filled})
    return Learned(details, tuple(filled), tuple(differs))
