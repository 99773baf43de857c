"""Identity's settings."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class IdentitySettings(ServiceSettings):
    """Read from `PASSAGE_IDENTITY_…`. The issuer is `public_url`."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_IDENTITY_", extra="ignore", frozen=True)

    public_url: str = Field(min_length=8)
    dashboard_url: str = Field(min_length=8)
    """The dashboard's own address; it is sent back to `/auth/callback` there."""

    dashboard_secret: SecretStr
    attempts: int = Field(default=6, ge=3, le=20)
    """Wrong passwords or codes in a row after which a name is locked."""

    lock_minutes: int = Field(default=15, ge=1, le=1_440)
    session_hours: int = Field(default=12, ge=1, le=24)

    @field_validator("dashboard_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")
