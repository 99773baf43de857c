"""`make secrets`: what a stack in containers needs to keep to itself, and an `.env` to begin with.

The promise: what is there already stays as it is, so it can be run again after an update that needs a new secret.
The folder can be entered by its owner only; the files in it can be read by whoever they are mounted for, because the
containers run under other accounts than the one who made them.
"""

import argparse
import base64
import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from joserfc.jwk import ECKey

from shared.db.migrate import SERVICES, role_of
from shared.db.roles import CLOCK_ROLE

OWNER = "passage"
DATABASE = "passage"
HOST = "postgres:5432"
TRY_OUT_NUMBER = "+13035550100"
TRY_OUT_NPI = "1234567893"
TRY_OUT_PEOPLE = '{"U7kq2w==":"osei","U9xs5d==":"rios"}'
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")

TRY_OUT = """\
# A try-out on this machine, with a sandbox for the outside world.
# `make secrets DOMAIN=clinic.example` makes a real one.
PASSAGE_ENVIRONMENT=development
PASSAGE_DEMO=true
COMPOSE_PROFILES=sandbox
PASSAGE_DOMAIN=passage.localhost
PASSAGE_ORIGIN=http://passage.localhost:{port}
PASSAGE_BIND=127.0.0.1
PASSAGE_HTTP_PORT={port}
PASSAGE_HTTPS_PORT={tls_port}
PASSAGE_SANDBOX_PORT={sandbox_port}
PASSAGE_TWILIO_URL=http://sandbox:8000/twilio
PASSAGE_TWILIO_ACCOUNT={account}
PASSAGE_TWILIO_FROM={number}
PASSAGE_SMTP_HOST=sandbox
PASSAGE_SMTP_PORT=8025
PASSAGE_SMTP_SECURITY=none
PASSAGE_ELIGIBILITY_URL=http://sandbox:8000/stedi
PASSAGE_ELIGIBILITY_NPI={npi}
PASSAGE_VAGARO_ADDRESSES=["10.0.0.0/8","172.16.0.0/12","192.168.0.0/16"]
PASSAGE_VAGARO_PEOPLE={people}
"""

REAL = """\
# Fill in what is empty here, and the empty files in the folder of secrets.
PASSAGE_DOMAIN={domain}
PASSAGE_ORIGIN=https://{domain}
# Your policy file, in the folder PASSAGE_CLINICS (see deploy/clinics/README.md).
PASSAGE_CLINIC=harbor.toml
# Texts and calls: the account, and one of a number (E.164) and a messaging service. Its token: secrets/twilio_token
PASSAGE_TWILIO_ACCOUNT=
PASSAGE_TWILIO_FROM=
PASSAGE_TWILIO_MESSAGING_SERVICE=
# Mail. Its password: secrets/smtp_password
PASSAGE_SMTP_HOST=
PASSAGE_SMTP_PORT=587
PASSAGE_SMTP_SECURITY=starttls
PASSAGE_SMTP_USER=
PASSAGE_MAIL_FROM=
# Asking payers, where you do (https://healthcare.us.stedi.com and your NPI). Its key: secrets/eligibility_key
PASSAGE_ELIGIBILITY_URL=
PASSAGE_ELIGIBILITY_NPI=
# Vagaro, where you use it: your people by its serviceProviderId, as JSON. Its token: secrets/vagaro_token
PASSAGE_VAGARO_PEOPLE=
# Your own OpenID Connect issuer instead of the built-in one; its client secret: secrets/dashboard_secret
PASSAGE_OIDC_ISSUER=
# For how many days `make backup` keeps what it made in backups/; empty: for good.
PASSAGE_BACKUP_DAYS=35
# Grafana on 127.0.0.1:3000: COMPOSE_PROFILES=observe
COMPOSE_PROFILES=
"""


def make(folder: Path, env: Path, *, domain: str, ports: tuple[int, int, int] = (8080, 8443, 8410)) -> list[str]:
    """Write what is missing; gives the names written. Without `domain` for a try-out, vendors' secrets included.

    `ports` are those of a try-out: HTTP, HTTPS and the sandbox's page.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    owner = folder / "owner_password"
    written = _keep(owner, lambda: secrets.token_urlsafe(32))
    makers: dict[str, Callable[[], str]] = {
        "owner_database_url": lambda: _address(OWNER, owner.read_text()),
        "clock_database_url": lambda: _address(CLOCK_ROLE, secrets.token_urlsafe(32)),
        "clinic_keys": _clinic_keys,
        "submissions_key": lambda: json.dumps(ECKey.generate_key("P-256", private=True).as_dict(private=True)),
        "dashboard_secret": lambda: secrets.token_urlsafe(32),
        "grafana_password": lambda: secrets.token_urlsafe(16),
        "twilio_token": lambda: "" if domain else secrets.token_hex(16),
        "vagaro_token": lambda: "" if domain else secrets.token_urlsafe(32),
        "eligibility_key": lambda: "" if domain else secrets.token_urlsafe(32),
        "smtp_password": lambda: "",
    }
    for service in SERVICES:
        role = role_of(service)
        makers[f"{service}_database_url"] = lambda role=role: _address(role, secrets.token_urlsafe(32))  # type: ignore[misc]
    for name, maker in makers.items():
        written += _keep(folder / name, maker)
    return written + _keep(env, lambda: _environment(domain, ports), mode=0o600)


def _keep(file: Path, maker: Callable[[], str], *, mode: int = 0o444) -> list[str]:
    if file.exists():
        return []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as out:
        os.fchmod(descriptor, mode)  # whatever the umask says
        out.write(maker())
    return [file.name]


def _address(role: str, password: str) -> str:
    return f"postgresql://{role}:{password}@{HOST}/{DATABASE}"


def _clinic_keys() -> str:
    key, lookup = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    return json.dumps({"active": "k1", "keys": {"k1": key}, "lookup": lookup}, indent=2)


def _environment(domain: str, ports: tuple[int, int, int]) -> str:
    if domain:
        return REAL.format(domain=domain)
    return TRY_OUT.format(
        port=ports[0],
        tls_port=ports[1],
        sandbox_port=ports[2],
        account=f"AC{secrets.token_hex(16)}",
        number=TRY_OUT_NUMBER,
        npi=TRY_OUT_NPI,
        people=TRY_OUT_PEOPLE,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Secrets and .env for docker compose; what is there stays.")
    parser.add_argument("--folder", type=Path, default=Path("secrets"))
    parser.add_argument("--env", type=Path, default=Path(".env"))
    parser.add_argument("--domain", default="", help="The clinic's own host name; without it, a try-out.")
    given = parser.parse_args()
    if given.domain and not _DOMAIN.fullmatch(given.domain):
        parser.error(f"not a host name: {given.domain}")
    written = make(given.folder, given.env, domain=given.domain)
    print(f"Made: {', '.join(written)}" if written else "Everything is there already.")
    empty = [file.name for file in sorted(given.folder.iterdir()) if file.stat().st_size == 0]
    if empty and given.domain:
        print(
            f"To fill in where you use them: {', '.join(f'{given.folder}/{name}' for name in empty)}, and {given.env}."
        )
    print(f"Keep a copy of {given.folder}/clinic_keys away from this machine: without it no backup can be read.")


if __name__ == "__main__":
    main()
