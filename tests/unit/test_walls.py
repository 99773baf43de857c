"""A service's domain is pure: what it imports says so. The walls between services are import-linter's."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOMAINS = sorted((ROOT / "services").glob("*/domain"))
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
