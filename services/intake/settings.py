"""Intake's settings, read from `PASSAGE_INTAKE_…`."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class IntakeSettings(ServiceSettings):
    """What intake needs to know besides what every service does."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_INTAKE_", extra="ignore", frozen=True)

    submissions_key_file: Path
    """Intake's private JWK, to which producers encrypt what they write to Kafka. Made on the first start outside
    production."""

    submissions_plain: bool = False
    """Whether unencrypted JSON is taken from Kafka too."""

    twilio_auth_token: SecretStr | None = None
    """Signs Twilio's webhooks; without it they are refused."""

    producer_per_minute: int = Field(default=60_000, ge=60)
    """How many contacts one API key may hand in."""

    accepted_days: int = Field(default=30, ge=1, le=3650)
    """How long an idempotency key is remembered."""

    chart_retention_years: int = Field(default=6, ge=1, le=100)
    """How long a treated patient's chart stands before it may be erased (45 CFR 164.316: six years)."""
