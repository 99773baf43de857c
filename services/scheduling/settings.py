"""Scheduling's settings."""

from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from `PASSAGE_SCHEDULING_…`."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_SCHEDULING_", extra="ignore", frozen=True)
