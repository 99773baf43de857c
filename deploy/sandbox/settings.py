"""What the sandbox needs to know; read from `PASSAGE_SANDBOX_…`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import Told


class SandboxSettings(Told):
    """There is no sandbox outside development and tests: any other environment is refused."""

    model_config = SettingsConfigDict(env_prefix="PASSAGE_SANDBOX_", extra="ignore", frozen=True)

    environment: Literal["development", "test"]
    host: str = "127.0.0.1"
    port: int = Field(default=8410, ge=0, le=65_535)
    smtp_port: int = Field(default=8411, ge=0, le=65_535)
    clinic_file: Path
    state_file: Path | None = None
    """JSON lines; a restart finds yesterday's messages in it. None keeps them in memory only."""

    account_sid: str = Field(pattern=r"^AC[0-9a-f]{32}$")
    auth_token: SecretStr
    clinic_number: str = Field(pattern=r"^\+[1-9]\d{6,14}$")
    """The clinic's Twilio number: what patients text."""

    inbound_url: str = ""
    """Where a text to the clinic is delivered: intake's public webhook address."""

    voice_url: str = ""
    """Where a call to the clinic's number is answered: intake's public webhook address."""

    vagaro_url: str = ""
    """Where Vagaro's webhooks go."""

    vagaro_token: SecretStr = SecretStr("")
    """The verification token that goes with them."""

    vagaro_people: dict[str, str] = Field(default_factory=dict)
    """The clinic's people by their ids at Vagaro."""

    opt_out: Literal["twilio", "clinic"] = "clinic"
    """Who heeds STOP, START and HELP: the clinic, where Twilio's own handling is switched off for its number.

    Otherwise Twilio answers by itself, in English, and refuses what is sent to such a number afterwards (21610).
    """

    transit_seconds: float = Field(default=0.3, ge=0, le=60)
    """How long a text is queued and then on its way."""

    settle_seconds: float = Field(default=0.8, ge=0.1, le=60)
    """How long nothing may have happened before a moving clock goes on; longer than the services' polls."""

    payer_key: SecretStr = SecretStr("sandbox")
    """What Stedi would have given the clinic."""

    payer_slow_seconds: float = Field(default=5, ge=0, le=60)
    database_url: SecretStr | None = None
    """For moving the stack's clock, as role passage_clock. Without it there is no clock control."""

    log_format: Literal["json", "console"] = "json"
    staff_file: Path | None = None
    """A JSON file whose `staff` lists the demo accounts, for showing their authenticator codes."""
