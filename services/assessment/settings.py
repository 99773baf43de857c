"""Assessment's settings."""

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.service import Service
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from `PASSAGE_ASSESSMENT_…`. Without `eligibility_url` no payer is asked: a person records the answer."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_ASSESSMENT_", extra="ignore", frozen=True)

    eligibility_url: str = ""
    """Stedi's base address, such as https://healthcare.us.stedi.com."""

    eligibility_key: SecretStr = SecretStr("")
    eligibility_npi: str = Field(default="", pattern=r"^(\d{10})?$", description="The clinic's NPI.")
    eligibility_timeout_seconds: float = Field(default=30, gt=0, le=120)
    eligibility_poll_seconds: float = Field(default=1, gt=0, le=60)
    eligibility_back_off_seconds: tuple[float, ...] = Field(default=(5, 30, 120, 600, 1800), max_length=20)
    """How long to wait after each failed question; after the last one a person is asked instead."""

    @field_validator("eligibility_url")
    @classmethod
    def _no_trailing_slash_either(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _payer_is_reached_safely(self) -> Self:
        if self.eligibility_url and not (self.eligibility_key.get_secret_value() and self.eligibility_npi):
            raise ValueError("eligibility_url needs eligibility_key and eligibility_npi beside it")
        if self.environment == "production" and self.eligibility_url.startswith("http:"):
            raise ValueError("eligibility_url must be an https address in production")
        return self


def settings_of(service: Service) -> Settings:
    """This service's own settings."""
    assert isinstance(service.settings, Settings)
    return service.settings
