"""Who may do what, for a clinic's privacy officer to read: `docs/access.md`, written from the routes themselves.

`python -m passage.access --write` renews it, `--check` says whether it is what the routes say.
"""

import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastapi import FastAPI

from deploy.embedded.wiring import PROCESSES, Secrets, Wiring
from shared.db.migrate import SERVICES
from shared.http.access import Access, Route, declared
from shared.written import Written

ROOT = Path(__file__).parents[1]
CLINIC = ROOT / "deploy" / "clinics" / "harbor.toml"
NAME = "access.md"
PAGE = Written("passage.access", ROOT / "docs", (NAME,))
ROLES = ("front_desk", "provider", "monitor", "operations", "auditor")
OTHERS = {
    "producer": "a program with its API key",
    "vendor": "the vendor, by its signature or token",
    "link": "whoever holds the patient's or escort's link",
    "client": "the program that signs staff in",
    "probe": "the supervisor and monitoring",
    "public": "everybody",
}
HEAD = """# Who may do what

Each line is a route, with the roles of the clinic file that it lets in; everybody else is answered with 401 or 403. The
table is written from the routes (`python -m passage.access --write`), and a test asks every route as every role.

"code" means: with a fresh code of the second factor, too. "page" routes are the staff's own pages: what they do is done
by the other services' routes, with that person's own rights. Some routes look closer still: a decision is signed by a
provider whose licence is valid on that day, a task is closed by the role that it is for or by operations, only a
provider allows a longer gap between sessions. Every look at a patient is on record.
"""


def applications() -> dict[str, FastAPI]:
    """Every service's application, not started: nothing is reached."""
    nowhere = dict.fromkeys((*SERVICES, "clock"), "postgresql://nowhere/nowhere")
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        wiring = Wiring(
            environment="test",
            databases=nowhere,
            kafka="nowhere:9092",
            kafka_idempotent=True,
            kafka_fetch_wait_ms=100,
            ports={name: 8400 + number for number, name in enumerate(PROCESSES)},
            smtp_port=8411,
            clinic_file=CLINIC,
            secrets=Secrets.keep(Path(folder)),
        )
        try:
            for name in SERVICES:
                os.environ.update(wiring.variables(name))
            return {name: importlib.import_module(f"services.{name}.app").create() for name in SERVICES}
        finally:
            os.environ.clear()
            os.environ.update(before)


def document(routes: dict[str, list[Route]]) -> str:
    """The page. What every service has alike is said once.

    Raises:
        ValueError: a route names nobody, or more than one.
    """
    everywhere = [route for route in routes[SERVICES[0]] if all(route in others for others in routes.values())]
    parts = [HEAD, *_table("In every service", everywhere)]
    for name in SERVICES:
        parts.extend(_table(name.capitalize(), [route for route in routes[name] if route not in everywhere]))
    return "\n".join(parts)


def _table(title: str, routes: list[Route]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"| Route | {' | '.join(role.replace('_', ' ') for role in ROLES)} | others |"
    yield f"|---|{'---|' * (len(ROLES) + 1)}"
    for route in sorted(routes, key=lambda one: (one.path, one.method)):
        kind = "page " if route.access.session else ""
        says = f"<br>{route.says}" if route.says else ""
        cells = [*(_cell(route.access, role) for role in ROLES), OTHERS.get(route.access.kind, "")]
        yield f"| {kind}`{route.method} {route.path}`{says} | {' | '.join(cells)} |"
    yield ""


def _cell(access: Access, role: str) -> str:
    if access.kind != "staff" or (access.roles and role not in access.roles):
        return ""
    return "yes, code" if access.step_up else "yes"


def _files() -> dict[str, str]:
    return {NAME: document({name: declared(app) for name, app in applications().items()})}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code is 1 where the page is not up to date."""
    return PAGE.main(__doc__, _files, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
