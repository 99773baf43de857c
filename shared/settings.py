"""The settings every service has; each service subclasses with its own environment prefix.

The promise: a process that starts has settings that make sense. A missing or impossible value stops it at once,
naming the variable.
"""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

Environment = Literal["development", "production", "test"]

SHARED_PREFIX = "PASSAGE_"
SECRETS_DIR = "PASSAGE_SECRETS_DIR"
"""Names the folder whose files are settings, such as a container's /run/secrets."""


class Told(BaseSettings):
    """What a process is told: by its own variables, by secret files, by the variables that all share; first come first.

    The files lie in the folder that PASSAGE_SECRETS_DIR names and are called as the variable, in lower case. An empty
    variable or file counts as none.
    """

    model_config = SettingsConfigDict(env_prefix=SHARED_PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic-settings passes them by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = os.environ.get(SECRETS_DIR, "")
        files = [_SecretFiles(settings_cls, Path(folder))] if folder else []
        return (init_settings, env_settings, *files, EnvSettingsSource(settings_cls, env_prefix=SHARED_PREFIX))


class ServiceSettings(Told):
    """What any process of Passage needs to know. Durations are milliseconds where the name says so.

    A service's own class sets `model_config = SettingsConfigDict(env_prefix="PASSAGE_INTAKE_")`; every field is then
    read from `PASSAGE_INTAKE_<FIELD>`, or the secret file `passage_intake_<field>`; dictionaries and lists are written
    as JSON. What is the same for all services may be said once, without a service's name: `PASSAGE_KAFKA`.
    """

    environment: Environment = "production"
    database_url: SecretStr
    database_pool: int = Field(default=8, ge=1, le=200)
    database_wait_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long a request waits for a connection, or for its turn to be written, before it is told to come back."""

    requests_at_once: int = Field(default=256, ge=8, le=10_000)
    """Requests that may wait for their answer at the same time; the next one is told to come back. What already sends
    its answer, such as a stream, doesn't count."""

    kafka: str = "127.0.0.1:9092"
    kafka_idempotent: bool = True
    kafka_fetch_wait_ms: int = Field(default=500, ge=1, le=30_000)
    kafka_session_ms: int = Field(default=10_000, ge=3_000, le=300_000)
    """After this long without a sign of life a consumer's partitions go to others of its group."""

    kafka_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    """Prepended to every topic and group: isolates tests that share a broker."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    public_url: str = ""
    """This service's own address as people and vendors see it, without a trailing slash."""

    urls: dict[str, str] = Field(default_factory=dict)
    """Base address of each service by its name, for calls between them and for links."""

    clinic_file: Path
    clinic_key_file: Path
    oidc_issuer: str = ""
    frame_ancestors: tuple[str, ...] = ()
    """Origins that may show this service's pages in a frame, such as the clinic's own website."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""

    log_months_online: int | None = Field(default=None, ge=1, le=1_200)
    """Whole months of the event log that stay in the database when `passage archive` runs; unset, all of them. What is
    archived can't be replayed, so a read model can't be rebuilt from it."""

    body_limit: int = Field(default=1_048_576, ge=1_024)
    """The largest request body in bytes."""

    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = None

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("urls")
    @classmethod
    def _no_trailing_slashes(cls, value: dict[str, str]) -> dict[str, str]:
        return {name: url.rstrip("/") for name, url in value.items()}

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        addresses = (self.public_url, self.oidc_issuer)
        if self.environment == "production" and any(address.startswith("http:") for address in addresses):
            raise ValueError("public_url and oidc_issuer must be https addresses in production")
        return self

    @property
    def secure(self) -> bool:
        """Whether people reach this service over TLS; decides cookie names and flags."""
        return self.public_url.startswith("https:")

    def topic(self, name: str) -> str:
        """A topic's or group's real name in this stack."""
        return self.kafka_prefix + name


class SignInSettings(ServiceSettings):
    """What a service needs that signs staff in with the clinic's issuer (`shared.http.oidc`)."""

    oidc_client_id: str = "dashboard"
    oidc_client_secret: SecretStr
    session_hours: int = Field(default=12, ge=1, le=24)
    session_idle_minutes: int = Field(default=60, ge=5, le=720)


class _SecretFiles(SecretsSettingsSource):
    """A file per setting. An empty one is a secret that nobody has filled in: never a key of no characters."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        return value or None, key, is_complex


def secret(name: str) -> str:
    """A variable that is no service's own, or the file of its name in lower case; empty where there is neither."""
    folder = os.environ.get(SECRETS_DIR, "")
    if not os.environ.get(name) and folder:
        file = Path(folder) / name.lower()
        return file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    return os.environ.get(name, "")
