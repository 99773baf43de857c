"""What a producer of leads may write to `passage.intake.submissions.v1`, and what the JSON API takes.

The Kafka record's value is a JWE (compact) of this object to intake's public key, or plain JSON where the
operator allows it. The record's key is the producer's idempotency key.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from shared.contracts.base import Code, Language

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=8_000)]

EXAMPLE: JsonDict = {
    "name": "Jonah Reyes",
    "phone": "(303) 555-0148",
    "email": "jonah@example.com",
    "message": "My therapist told me about you. When could we talk?",
    "language": "en",
    "consent_sms": True,
    "campaign": "spring-newsletter",
}


class Submission(BaseModel):
    """An enquiry. One of `phone` and `email` is needed to answer it; unknown fields are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Line | None = Field(default=None, description="The whole name, as the person writes it.")
    phone: Line | None = Field(
        default=None, description="As written; read with the clinic's country where it has no prefix."
    )
    email: Line | None = Field(default=None, description="One address.")
    message: Words | None = Field(default=None, description="Their own words; only people of the clinic read them.")
    language: Language | None = Field(
        default=None, description="What they are answered in; one that the clinic doesn't speak becomes its first."
    )
    date_of_birth: date | None = Field(default=None, description="Tells people of one name apart.")
    consent_sms: bool = Field(default=False, description="They agreed to texts, in the words of consent-texts.")
    consent_email: bool = Field(default=False, description="They agreed to e-mail, in the words of consent-texts.")
    campaign: Code | None = Field(default=None, description="Where they heard of the clinic, in a word of yours.")
    channel: Literal["web", "phone", "api"] = Field(default="api", description="How they reached your program.")
