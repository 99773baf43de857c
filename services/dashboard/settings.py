"""The dashboard's settings, read from `PASSAGE_DASHBOARD_…`."""

from pydantic import field_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import SignInSettings


class DashboardSettings(SignInSettings):
    """What the dashboard needs to know besides what every service with a sign-in does."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_DASHBOARD_", extra="ignore", frozen=True)

    developers_open: bool = False
    """Whether the pages for developers are shown without signing in, as they are in development: to those who write a
    producer of leads and have no account here. They tell nothing of patients."""

    producers_url: str = ""
    """Where programs from outside reach intake; unset, where the dashboard itself does (`urls`)."""

    @field_validator("producers_url")
    @classmethod
    def _no_trailing_slash_for_producers(cls, value: str) -> str:
        return value.rstrip("/")
