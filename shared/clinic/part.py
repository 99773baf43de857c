"""The base of every part of the policy, and the small types they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""A short lower-case name: it appears in events, never shown to patients."""

Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
Minutes = Annotated[int, Field(ge=0, le=1440)]
Hours = Annotated[int, Field(ge=0, le=24 * 60)]
Days = Annotated[int, Field(ge=0, le=3650)]


class Part(BaseModel):
    """Frozen; an unknown key is a mistake and refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_alias=True, validate_by_name=False)
