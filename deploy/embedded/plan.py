"""What a start decides before anything runs: ports, addresses, and the file that tells the command line about them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from deploy.embedded.postgres import Postgres
from deploy.embedded.processes import any_free_port, port_near
from deploy.embedded.wiring import Secrets, Value, Wiring, write_private
from shared.db.migrate import SERVICES, role_of
from shared.db.roles import CLOCK_ROLE

Kind = Literal["embedded", "jvm"]
DATABASE = "passage"
USUAL_PORTS = {
    "dashboard": 8400,
    "identity": 8401,
    "intake": 8402,
    "assessment": 8403,
    "scheduling": 8404,
    "notifications": 8405,
    "sandbox": 8410,
    "smtp": 8411,
    "postgres": 8420,
    "broker": 8421,
}
SESSION_MS = 4_000
"""The embedded broker lets a consumer wait for half of its session time-out when it joins its group, and for two of
them where the last one has not said goodbye."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How clients treat a broker: whether producers may be idempotent, and how long fetches and sessions wait."""

    idempotent: bool
    fetch_wait_ms: int
    session_ms: int


MANNERS: dict[Kind, Manners] = {
    # It answers polls instead of pushing: a shorter wait is quicker on the board and dearer when idle.
    "embedded": Manners(idempotent=False, fetch_wait_ms=120, session_ms=SESSION_MS),
    # It answers a waiting fetch at once, and takes no session of less than six seconds.
    "jvm": Manners(idempotent=True, fetch_wait_ms=100, session_ms=10_000),
}


@dataclass(slots=True)
class Plan:
    """`moved` names what did not get its usual port."""

    state: Path
    wiring: Wiring
    postgres_port: int
    broker_port: int
    moved: list[str]
    owner_url: str = ""

    @classmethod
    def make(
        cls,
        state: Path,
        *,
        ports: Literal["usual", "any"],
        clinic: Path,
        changes: dict[str, dict[str, Value]],
        kafka: Kind = "embedded",
    ) -> Self:
        """Choose free ports, yesterday's where they are free: links in sent messages hold them.

        `kafka` is the broker that runs beside: it decides how clients treat it.
        """
        kept = state / "ports.json"
        wanted = json.loads(kept.read_text()) if kept.exists() else USUAL_PORTS
        taken: set[int] = set()
        chosen: dict[str, int] = {}
        for name, port in wanted.items():
            chosen[name] = any_free_port() if ports == "any" and not kept.exists() else port_near(port, taken)
            taken.add(chosen[name])
        write_private(kept, chosen)
        postgres_port, broker_port, smtp_port = (chosen.pop(name) for name in ("postgres", "broker", "smtp"))
        manners = MANNERS[kafka]
        wiring = Wiring(
            environment="development",
            databases={},
            kafka=f"127.0.0.1:{broker_port}",
            kafka_idempotent=manners.idempotent,
            kafka_fetch_wait_ms=manners.fetch_wait_ms,
            kafka_session_ms=manners.session_ms,
            ports=chosen,
            smtp_port=smtp_port,
            clinic_file=clinic,
            secrets=Secrets.keep(state / "secrets"),
            extra=changes,
        )
        moved = [
            f"{name} {wanted[name]} → {chosen[name]}"
            for name in chosen
            if ports == "usual" and chosen[name] != wanted[name]
        ]
        return cls(state, wiring, postgres_port, broker_port, moved)

    def write(self, postgres: Postgres) -> None:
        """Fix the database's addresses and write all settings where `python -m passage` finds them."""
        passwords = self.wiring.secrets.role_passwords
        for name in (*SERVICES, "clock"):
            role = CLOCK_ROLE if name == "clock" else role_of(name)
            self.wiring.databases[name] = postgres.dsn(user=role, password=passwords[role], database=DATABASE)
        self.owner_url = postgres.dsn(database=DATABASE)
        variables = {
            "PASSAGE_OWNER_DATABASE_URL": self.owner_url,
            "PASSAGE_CLOCK_DATABASE_URL": self.wiring.databases["clock"],
            "PASSAGE_STAFF_FILE": str(self.wiring.secrets.staff),
            "PASSAGE_PRODUCER_FILE": str(self.wiring.secrets.producer),
        }
        for name in SERVICES:
            variables |= self.wiring.variables(name)
        write_private(self.wiring.secrets.folder / "settings.json", variables)

    def logins(self) -> list[dict[str, Any]]:
        """The demo accounts: id, name, role, password, authenticator secret."""
        file = self.wiring.secrets.staff
        found: list[dict[str, Any]] = json.loads(file.read_text())["staff"] if file.exists() else []
        return found

    def producer_key(self) -> str:
        """The API key with which anything may hand in leads."""
        file = self.wiring.secrets.producer
        return str(json.loads(file.read_text())["key"]) if file.exists() else ""
