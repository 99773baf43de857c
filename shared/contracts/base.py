"""What every event shares: a frozen model, a source, a type name and a subject.

The promise: types may be added later, none is ever changed. Fields may be added when they have a default;
a reader ignores the fields it does not know. `schemas/` holds what was promised so far.
"""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Source = Literal["intake", "assessment", "scheduling", "notifications"]
SOURCES: tuple[Source, ...] = ("intake", "assessment", "scheduling", "notifications")

Sealed = Annotated[str, Field(min_length=8, max_length=200_000, pattern=r"^s1\.")]
"""Text sealed with the patient's data key (`shared.security.sealing`): readable only while that key exists."""

Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:+-]+$")]
"""A word of the program's own vocabulary; never free text, never something that identifies a patient."""

Hash = Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[0-9a-f]+$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
Zone = Annotated[str, Field(min_length=1, max_length=64)]
Moment = AwareDatetime
"""A moment with its offset; UTC on the wire."""


class Contract(BaseModel):
    """Frozen and tolerant: added fields pass by. The line under a field says what it is, in the schemas too."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="iso8601", use_attribute_docstrings=True)


class WrappedKey(Contract):
    """A patient's data key, wrapped by the clinic's key `kid`."""

    kid: Code
    """The name of the clinic's key that wraps it; rotation gives a new one."""
    wrapped: str = Field(min_length=16, max_length=512)
    """The key under AES-256-GCM, bound to its subject; base64 without padding."""


class Event(Contract):
    """A fact. `VERSION` is the major version in the type's name."""

    VERSION: ClassVar[int] = 1

    @property
    def subject(self) -> UUID:
        """The key of the topic: the patient, or the task or resource where no patient is known."""
        raise NotImplementedError

    @classmethod
    def type_from(cls, source: str) -> str:
        """The CloudEvents type of this event when `source` publishes it."""
        return f"passage.{source}.{cls.__name__}.v{cls.VERSION}"


class PatientEvent(Event):
    """A fact about one patient."""

    patient_id: UUID
    """Whose fact it is; never rewritten, also not when two patients turn out to be one."""

    @property
    def subject(self) -> UUID:
        return self.patient_id
