"""The settings of notifications: `PASSAGE_NOTIFICATIONS_…`. The outside world is addresses and credentials."""

from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Twilio's REST API and an SMTP server. The sandbox speaks both."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_NOTIFICATIONS_", extra="ignore", frozen=True)

    twilio_url: str = "https://api.twilio.com"
    twilio_account: str = Field(min_length=1)
    twilio_token: SecretStr
    twilio_from: str = Field(default="", description="The clinic's number for texts, E.164.")
    twilio_messaging_service: str = Field(default="", description="A messaging service's SID, instead of a number.")

    smtp_host: str = Field(min_length=1)
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    mail_from: str = Field(default="", description="The sender's address; the clinic's own where it is empty.")

    delivery_lease_seconds: float = Field(default=60, gt=0, le=3_600)
    """After this a message that was being sent belongs to nobody: it is looked up before it is sent again."""
    delivery_poll_seconds: float = Field(default=0.5, gt=0, le=60)
    vendor_timeout_seconds: float = Field(default=15, gt=0, le=60)

    @field_validator("twilio_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _somebody_sends(self) -> Self:
        if not (self.twilio_from or self.twilio_messaging_service):
            raise ValueError("set twilio_from or twilio_messaging_service: texts need a sender")
        if self.vendor_timeout_seconds >= self.delivery_lease_seconds:
            raise ValueError("vendor_timeout_seconds must be shorter than delivery_lease_seconds")
        if self.environment == "production" and self.smtp_security == "none":
            raise ValueError("smtp_security must be starttls or tls in production")
        return self
