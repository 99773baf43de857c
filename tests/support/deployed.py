"""What docker-compose.yml and the files beside it say, read without Docker."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
_HANDLE = re.compile(r"^\t\t(handle|handle_path)(?: ([^\s{]+))? \{\n(.*?)^\t\t\}", re.DOTALL | re.MULTILINE)
_VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?+][^}]*)?\}")


@cache
def compose() -> dict[str, Any]:
    """The compose file with its anchors followed and its variables left as they are."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def variables() -> set[str]:
    """The names that the compose file takes from `.env`."""
    return set(_VARIABLE.findall((ROOT / "docker-compose.yml").read_text()))


@cache
def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@cache
def routes() -> list[tuple[list[str], str]]:
    """The Caddyfile's handles in their order: matched paths, then the service that answers; `404` is nobody.

    What intake gets by its prefix is "intake/": it sees the path without.
    """
    text = re.sub(r"(?m)#.*$", "", (ROOT / "deploy" / "caddy" / "Caddyfile").read_text())
    named = {name: paths.split() for name, paths in re.findall(r"(@\w+) path ([^\n]+)", text)}
    found = []
    for kind, matcher, body in _HANDLE.findall(text):
        answer = re.search(r"reverse_proxy (\w+):8000|respond (404)", body)
        assert answer, body
        who = answer[1] or answer[2]
        found.append((named.get(matcher, [matcher or "*"]), f"{who}/" if kind == "handle_path" else who))
    return found


def led_to(path: str) -> str:
    """Which service answers that path behind Caddy; `404` where none does."""
    for patterns, who in routes():
        for pattern in patterns:
            if path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1])):
                return who
    return "404"
