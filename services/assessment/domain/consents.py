"""A text that a patient signs before treatment: what was shown, letter by letter, and its hash."""

import hashlib
from dataclasses import dataclass

from shared.contracts.assessment import Route


@dataclass(frozen=True, slots=True)
class ConsentText:
    """The words for one route in one language, as shown: a title and paragraphs."""

    route: Route
    version: str
    language: str
    title: str
    paragraphs: tuple[str, ...]

    @property
    def body(self) -> str:
        """Everything that was shown."""
        return "\n\n".join((self.title, *self.paragraphs))

    @property
    def hash(self) -> str:
        """SHA-256 over the words, 64 hexadecimal characters."""
        return hashlib.sha256(f"{self.version}\n{self.language}\n{self.body}".encode()).hexdigest()
