"""Where a number comes from, so that `passage policy check` can say which of them nobody has signed yet."""

from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """How sure we are of a number."""

    PUBLISHED = "published"
    """Found in a published source. Needs a signature only where the clinic departs from it."""
    SINGLE = "single"
    """Found in one secondary source or at one clinic. Treated like PUBLISHED."""
    UNCHECKED = "unchecked"
    """From memory: to be looked up before a release, so it needs a signature."""
    PROPOSED = "proposed"
    """Our own proposal or the clinic's, with no authority behind it: needs a signature."""

    @property
    def needs_sign_off(self) -> bool:
        """Whether even the shipped value waits for the medical director."""
        return self in (Basis.UNCHECKED, Basis.PROPOSED)


@dataclass(frozen=True, slots=True)
class Origin:
    """Metadata of a policy field: `Annotated[int, Field(ge=1), PROPOSED] = 12`."""

    basis: Basis
    source: str = ""


PROPOSED = Origin(Basis.PROPOSED)
UNCHECKED = Origin(Basis.UNCHECKED)


def published(source: str) -> Origin:
    """A value with a published source."""
    return Origin(Basis.PUBLISHED, source)


def single(source: str) -> Origin:
    """A value with one secondary source."""
    return Origin(Basis.SINGLE, source)
