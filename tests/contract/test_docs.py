"""What the documents name exists: settings, files, addresses, codes."""

import importlib
import json
import re
from pathlib import Path

import pytest

from deploy.compose import secrets
from deploy.sandbox.settings import SandboxSettings as SandboxSettings
from passage.openapi import FILES
from shared.db.migrate import SERVICES
from shared.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "services", "shared", "passage", "deploy", "tests", "benchmarks")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
PAGES = [page for page in PAGES if "node_modules" not in page.parts]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
CODE = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
BESIDES = [ROOT / name for name in ("docker-compose.yml", "Makefile", "deploy/caddy/Caddyfile", ".ci/run")]
VARIABLE = re.compile(r"(?<![A-Z_])PASSAGE_[A-Z][A-Z_]*[A-Z]")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)")
CODE_WORD = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def settings() -> set[str]:
    """Every variable that a service reads, with its own name and with the one that all share."""
    found = {f"PASSAGE_SANDBOX_{field.upper()}" for field in SandboxSettings.model_fields}
    for service in SERVICES:
        module = importlib.import_module(f"services.{service}.settings")
        [own] = [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, ServiceSettings) and kind.__module__ == module.__name__
        ]
        prefixes = (f"PASSAGE_{service.upper()}_", "PASSAGE_")
        found |= {prefix + field.upper() for prefix in prefixes for field in own.model_fields}
    return found


@pytest.fixture(scope="module")
def code() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in [*CODE, *BESIDES] if path.is_file())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert missing == []


def test_every_variable_that_a_document_names_is_read_somewhere(settings, code):
    named = {
        (name(page), variable) for page in PAGES for variable in VARIABLE.findall(page.read_text(encoding="utf-8"))
    }
    known = settings | set(VARIABLE.findall(code))
    assert sorted(one for one in named if one[1] not in known) == []
    assert len(named) > 40


@pytest.mark.parametrize("page", HOW_TO, ids=name)
def test_a_how_to_names_settings_that_exist(page, settings):
    words = page.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(PASSAGE_\w+)` \|", words, re.MULTILINE))
    assert rows
    assert rows - settings == set()
    assert set(VARIABLE.findall(words)) - rows - set(VARIABLE.findall(secrets.REAL)) == set()
    files = set(re.findall(r"`secrets/(\w+)`", words))
    composed = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert {file for file in files if f"  {file}: {{ file:" not in composed} == set()


@pytest.mark.parametrize("page", HOW_TO, ids=name)
def test_a_how_to_names_addresses_and_codes_that_exist(page, code):
    words = page.read_text(encoding="utf-8")
    paths = {path for file in FILES.folder.glob("*.json") for path in json.loads(file.read_text())["paths"]}
    assert set(re.findall(r"clinic\.example(/webhooks/[\w/]*\w)", words)) - paths == set()
    spoken = {"email_verified", "jwks_uri", "auth_time", "acr_values", "max_age", "client_secret_basic"}  # OpenID's own
    assert {word for word in set(CODE_WORD.findall(words)) - spoken if word not in code} == set()


def test_every_document_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [page for page in (ROOT / "docs").rglob("*.md") if page.name != "README.md" and page not in DECISIONS]
    assert [name(page) for page in pages if f"]({page.relative_to(ROOT / 'docs').as_posix()})" not in index] == []


def test_every_decision_says_why_what_was_tried_and_what_follows():
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    records = [page for page in DECISIONS if page.name != "README.md"]
    assert [int(page.name[:4]) for page in records] == list(range(1, len(records) + 1))
    for page in records:
        words = page.read_text(encoding="utf-8")
        assert f"]({page.name})" in index
        for part in ("**Context.**", "**Decision.**", "**What was tried", "**Consequences.**"):
            assert part in words, f"{page.name}: {part}"
