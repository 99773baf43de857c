"""What each process is told: its settings as environment variables, and the secrets behind them.

The one place that knows how the services of a stack on one machine find each other; the tests use it too.
"""

import base64
import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from shared.db.migrate import SERVICES, role_of
from shared.db.roles import CLOCK_ROLE

Value = str | int | float | bool | dict[str, str] | list[str]
CLINIC_NUMBER = "+13035550100"
"""What patients text, in the sandbox's world."""

SANDBOX_NPI = "1234567893"
"""A provider number that is well formed and nobody's."""
VAGARO_PEOPLE = {"U7kq2w==": "osei", "U9xs5d==": "rios"}
"""The clinic's people by their ids in the sandbox's Vagaro, which look like Vagaro's."""

PROCESSES = (*SERVICES, "sandbox")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once per stack, kept in a folder that only its user may enter."""

    folder: Path
    owner_password: str
    role_passwords: dict[str, str]
    twilio_account: str
    twilio_token: str
    dashboard_secret: str
    vagaro_token: str

    @property
    def clinic_keys(self) -> Path:
        return self.folder / "clinic-keys.json"

    @property
    def payer_key(self) -> str:
        """The sandbox payer's key; derived, so that stacks made before there was a payer have it too."""
        return hashlib.sha256(f"payer:{self.twilio_token}".encode()).hexdigest()

    @property
    def submissions_key(self) -> Path:
        return self.folder / "submissions.jwk.json"

    @property
    def staff(self) -> Path:
        """The demo accounts with their passwords and authenticator secrets."""
        return self.folder / "staff.json"

    @property
    def producer(self) -> Path:
        """The API key of a demo producer of leads."""
        return self.folder / "producer.json"

    @classmethod
    def keep(cls, folder: Path) -> Self:
        """Read them, or make them where there are none."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "secrets.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        if missing := _fresh().keys() - known.keys():
            known |= {name: value for name, value in _fresh().items() if name in missing}
            write_private(file, known)
        found = cls(folder, **known)
        if not found.clinic_keys.exists():
            key, lookup = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
            write_private(found.clinic_keys, {"active": "k1", "keys": {"k1": key}, "lookup": lookup})
        return found


def _fresh() -> dict[str, Any]:
    return {
        "owner_password": secrets.token_urlsafe(24),
        "role_passwords": {role: secrets.token_urlsafe(24) for role in (*map(role_of, SERVICES), CLOCK_ROLE)},
        "twilio_account": f"AC{secrets.token_hex(16)}",
        "twilio_token": secrets.token_hex(16),
        "dashboard_secret": secrets.token_urlsafe(32),
        "vagaro_token": secrets.token_urlsafe(32),
    }


def write_private(file: Path, content: Any) -> None:
    """Write JSON that only this user may read, at once or not at all."""
    unfinished = file.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(content, out, indent=2)
    unfinished.replace(file)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where everything is. `databases` holds one address per service and one for the clock's role."""

    environment: str
    databases: dict[str, str]
    kafka: str
    kafka_idempotent: bool
    kafka_fetch_wait_ms: int
    ports: dict[str, int]
    smtp_port: int
    clinic_file: Path
    secrets: Secrets
    kafka_session_ms: int = 10_000
    kafka_prefix: str = ""
    extra: dict[str, dict[str, Value]] = field(default_factory=dict)

    @property
    def urls(self) -> dict[str, str]:
        """Base address of each process."""
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    def settings(self, name: str) -> dict[str, Any]:
        """All settings of one process, by the names of its settings class."""
        own = self._sandbox() if name == "sandbox" else self._service(name)
        return {**own, **self.extra.get(name, {})}

    def variables(self, name: str, **changes: Value) -> dict[str, str]:
        """The settings as environment variables, such as PASSAGE_INTAKE_KAFKA."""
        prefix = f"PASSAGE_{name.upper()}_"
        settings = {**self.settings(name), **changes}
        return {prefix + key.upper(): _written(value) for key, value in settings.items()}

    def _service(self, name: str) -> dict[str, Value]:
        urls = self.urls
        common: dict[str, Value] = {
            "environment": self.environment,
            "database_url": self.databases[name],
            "kafka": self.kafka,
            "kafka_idempotent": self.kafka_idempotent,
            "kafka_fetch_wait_ms": self.kafka_fetch_wait_ms,
            "kafka_session_ms": self.kafka_session_ms,
            "kafka_prefix": self.kafka_prefix,
            "port": self.ports[name],
            "public_url": urls[name],
            "urls": urls,
            "clinic_file": str(self.clinic_file),
            "clinic_key_file": str(self.secrets.clinic_keys),
            "oidc_issuer": urls["identity"],
        }
        return {**common, **self._own(name)}

    def _own(self, name: str) -> dict[str, Value]:
        if name == "intake":
            return {
                "submissions_key_file": str(self.secrets.submissions_key),
                "submissions_plain": True,
                "twilio_auth_token": self.secrets.twilio_token,
                "vagaro_token": self.secrets.vagaro_token,
                "vagaro_addresses": ["127.0.0.1"],
                "vagaro_people": VAGARO_PEOPLE,
            }
        if name == "assessment":
            return {
                "eligibility_url": f"{self.urls['sandbox']}/stedi",
                "eligibility_key": self.secrets.payer_key,
                "eligibility_npi": SANDBOX_NPI,
            }
        if name == "notifications":
            return {
                "twilio_url": f"{self.urls['sandbox']}/twilio",
                "twilio_account": self.secrets.twilio_account,
                "twilio_token": self.secrets.twilio_token,
                "twilio_from": CLINIC_NUMBER,
                "smtp_host": "127.0.0.1",
                "smtp_port": self.smtp_port,
                "smtp_security": "none",
            }
        if name == "identity":
            return {"dashboard_url": self.urls["dashboard"], "dashboard_secret": self.secrets.dashboard_secret}
        if name == "dashboard":
            return {"oidc_client_secret": self.secrets.dashboard_secret}
        return {}

    def _sandbox(self) -> dict[str, Value]:
        return {
            "environment": self.environment,
            "database_url": self.databases["clock"],
            "port": self.ports["sandbox"],
            "smtp_port": self.smtp_port,
            "clinic_file": str(self.clinic_file),
            "account_sid": self.secrets.twilio_account,
            "auth_token": self.secrets.twilio_token,
            "clinic_number": CLINIC_NUMBER,
            "payer_key": self.secrets.payer_key,
            "inbound_url": f"{self.urls['intake']}/webhooks/twilio/messages",
            "voice_url": f"{self.urls['intake']}/webhooks/twilio/voice",
            "vagaro_url": f"{self.urls['intake']}/webhooks/vagaro",
            "vagaro_token": self.secrets.vagaro_token,
            "vagaro_people": VAGARO_PEOPLE,
            "state_file": str(self.secrets.folder.parent / "sandbox.jsonl"),
            "staff_file": str(self.secrets.staff),
        }


def _written(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
