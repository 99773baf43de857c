"""The dashboard's settings, read from `PASSAGE_DASHBOARD_…`."""

from pydantic_settings import SettingsConfigDict

from shared.settings import SignInSettings


class DashboardSettings(SignInSettings):
    """What the dashboard needs to know: nothing besides what every service with a sign-in does."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_DASHBOARD_", extra="ignore", frozen=True)
