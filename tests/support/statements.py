"""Every SQL statement that the services and the kernel hold as a constant, and how the database would go about it."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg

ROOT = Path(__file__).parents[2]
OUT = ("shared.db.",)
"""What reads the catalogue and makes schemas: an operator's hand, once."""
IN = {"shared.http.staff_sessions": "dashboard"}
"""Where a table of the kernel is, that not every service has."""
_STATEMENT = re.compile(r"(?is)\s*(select|insert into|update|delete from|with)\s")
# By the simple protocol, as `explain (generic_plan)` needs it: the plan that a connection keeps, whatever is asked for.
_PLANNER = """
create function pg_temp.generic_plan(text) returns json language plpgsql as $$
declare
    told json;
begin
    execute 'explain (generic_plan, format json) ' || $1 into told;
    return told;
end $$
"""


def statements(service: str) -> dict[str, str]:
    """The statements that run in a service's schema, the kernel's in intake's: module and name → SQL.

    Without those that others only begin with.
    """
    found: dict[str, str] = {}
    for file in sorted((*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py"))):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        if module.endswith("__main__") or module.startswith(OUT) or not _STATEMENT.search(file.read_text()):
            continue
        home = IN.get(module, module.split(".")[1] if module.startswith("services.") else "intake")
        if home == service:
            found.update(_of_module(module))
    whole = set(found.values())
    return {
        name: one for name, one in found.items() if not any(other != one and other.startswith(one) for other in whole)
    }


async def generic_plans(conn: asyncpg.Connection, service: str) -> dict[str, dict[str, Any]]:
    """How a connection of this service goes about each statement once it keeps its plan."""
    await conn.execute(_PLANNER)
    plans = {}
    for name, statement in statements(service).items():
        told = await conn.fetchval("select pg_temp.generic_plan($1)", statement)
        plans[name] = json.loads(told)[0]["Plan"]
    return plans


def parts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's steps, itself first."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from parts(part)


def walked(plan: dict[str, Any]) -> set[str]:
    """Tables that the plan reads from one end to the other."""
    return {part["Relation Name"] for part in parts(plan) if part["Node Type"] == "Seq Scan"}


def _of_module(module: str) -> Iterator[tuple[str, str]]:
    for name, value in vars(import_module(module)).items():
        if not name.isupper():
            continue
        several = value if isinstance(value, tuple) else (value,)
        for number, one in enumerate(several):
            if isinstance(one, str) and _STATEMENT.match(one):
                yield f"{module}.{name}" + (f"[{number}]" if isinstance(value, tuple) else ""), one
