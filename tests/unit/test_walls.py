"""A service's domain is pure: what it imports says so. The walls between services are import-linter's.

And its statements name the columns that they want: what was prepared with `*` fails when a migration adds one.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOMAINS = sorted((ROOT / "services").glob("*/domain"))
TALKING_SQL = [file for room in ("services", "shared", "passage") for file in sorted((ROOT / room).rglob("*.py"))]
ANY_COLUMN = re.compile(
    r"\bselect\s+\*(?:\s*,[^;]*?)?\s+from\s+(?!unnest\b|\()[a-z{]"  # select * from a
    r"|\bselect\s+([a-z]+)\.\*[^;]*?\s(?:from|join)\s+[a-z_]+\s+\1\b"  # select a.* from appointments a
)
MODULES = [file for folder in DOMAINS for file in sorted(folder.rglob("*.py"))]
IMPURE = {"asyncio", "socket", "subprocess", "urllib", "http", "ssl", "os", "random", "secrets", "threading"}
ALLOWED = {"pydantic"} | (set(sys.stdlib_module_names) - IMPURE)


def imports_of(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(name, domain):
    inside = (domain, "shared.contracts", "shared.clinic")
    return name.partition(".")[0] in ALLOWED or any(f"{name}.".startswith(f"{place}.") for place in inside)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_domain_imports_nothing_but_pure_things(file):
    domain = ".".join(file.relative_to(ROOT).parts[:3])
    assert [name for name in imports_of(file) if not allowed(name, domain)] == []


def texts_of(file):
    return [
        node.value
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_statements_name_their_columns():
    assert all(map(ANY_COLUMN.search, ("select * from a", "select *, b\n  from a", "select a.*, b < c\n  from abc a")))
    assert not ANY_COLUMN.search("select * from unnest($1::int[]) as o (n) where exists (select from a)")
    found = [(file.name, text) for file in TALKING_SQL for text in texts_of(file) if ANY_COLUMN.search(text)]
    assert [(name, text) for name, text in found if "`" not in text] == []  # but in what is said to a person
