"""Intake's settings, read from `PASSAGE_INTAKE_…`."""

from ipaddress import IPv4Network, IPv6Network
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

    vagaro_token: SecretStr | None = None
    """The verification token that Vagaro sends with every webhook; without it they are refused."""

    vagaro_addresses: tuple[IPv4Network | IPv6Network, ...] = tuple(
        IPv4Network(address)
        for address in (
            "20.220.12.83", "13.67.143.68", "13.70.105.4", "20.62.123.184", "51.140.65.108", "51.143.95.2",
        )
    )  # fmt: skip
    """Where Vagaro calls from, as it publishes it: its token is not a signature, so the address counts too. Behind a
    proxy `trusted_proxies` must be set. Empty lets every address in."""

    vagaro_people: dict[str, str] = Field(default_factory=dict)
    """The clinic's people by Vagaro's `serviceProviderId`."""

    vagaro_wait_minutes: int = Field(default=30, ge=1, le=1440)
    """How long an appointment waits for its customer before a person looks; Vagaro itself tries for 15 minutes."""

    vagaro_customer_days: int = Field(default=400, ge=1, le=3650)
    """How long a customer who never booked is kept."""

    voicemail_wait_seconds: int = Field(default=60, ge=1, le=900)
    """How long after a call has ended its voicemail may still arrive, before it counts as missed."""

    producer_per_minute: int = Field(default=60_000, ge=60)
    """How many contacts one API key may hand in."""

    accepted_days: int = Field(default=30, ge=1, le=3650)
    """How long an idempotency key is remembered."""

    chart_retention_years: int = Field(default=6, ge=1, le=100)
    """How long a treated patient's chart stands before it may be erased (45 CFR 164.316: six years)."""
