"""Texts in the clinic's languages: `texts/<language>.toml` of a service over those of `shared/web`.

A service with many texts has a file per subject: `texts/<language>.<subject>.toml`.

Keys are dotted (`board.empty`), values are written with `{name}` fields. A key that ends in `_html` holds markup: its
values are escaped. Every language must know every key; `Texts.missing()` names the gaps and a test keeps it empty.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup, escape

FALLBACK = "en"


class MissingText(KeyError):
    """No language knows this key."""


class Texts:
    """The texts of one service in all its languages."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.by_language: dict[str, dict[str, str]] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.toml")):
                texts = _flat(tomllib.loads(path.read_text(encoding="utf-8")))
                self.by_language.setdefault(path.stem.split(".")[0], {}).update(texts)

    def get(self, language: str, key: str, /, **values: object) -> str:
        """The text of a key; English stands in for a gap.

        Raises:
            MissingText: no language knows the key, or a value that the text names was not given.
        """
        text = self.by_language.get(language, {}).get(key)
        if text is None:
            text = self.by_language.get(FALLBACK, {}).get(key)
        if text is None:
            raise MissingText(key)
        try:
            if key.endswith("_html"):
                escaped = {name: escape(value) for name, value in values.items()}
                return Markup(text).format_map(escaped)  # noqa: S704 - the text is ours, the values are escaped
            return text.format_map(values)
        except KeyError as error:
            raise MissingText(f"{key} needs {error}") from error

    def has(self, language: str, key: str) -> bool:
        """Whether a text exists, in this language or in English."""
        return key in self.by_language.get(language, {}) or key in self.by_language.get(FALLBACK, {})

    def missing(self) -> list[str]:
        """Gaps as `language: key`, in order."""
        every = set().union(*(set(texts) for texts in self.by_language.values())) if self.by_language else set()
        return sorted(
            f"{language}: {key}" for language, texts in self.by_language.items() for key in every - set(texts)
        )


def _flat(table: dict[str, object], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            found.update(_flat(value, f"{key}."))
        else:
            found[key] = str(value)
    return found
