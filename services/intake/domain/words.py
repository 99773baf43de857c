"""What people type and paste, made safe to keep: no control characters, no hidden direction marks, one Unicode form."""

import re
import unicodedata

LINE_LIMIT = 200
WORDS_LIMIT = 8_000

_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_MANY_BREAKS = re.compile(r"\n{3,}")
_TITLES = frozenset({"mr", "mrs", "ms", "mx", "dr", "prof", "jr", "sr", "sra", "srta", "dra", "don", "dona"})
_JOINERS = frozenset("\u200c\u200d")


def clean(text: str) -> str:
    """Several lines of plain text in NFC, with neither ends nor runs of blanks.

    NUL, other control characters, lone surrogates and direction overrides (which make a text read differently from
    what it says) are dropped; the joiners that emoji and some scripts are written with stay.
    """
    if text.isascii() and text.isprintable():  # most of what is typed: nothing to drop, nothing to compose
        return _SPACES.sub(" ", text).strip()
    broken = _BREAKS.sub("\n", text)
    kept = "".join(letter for letter in broken if letter == "\n" or _is_visible(letter))
    lines = (_SPACES.sub(" ", line).strip() for line in unicodedata.normalize("NFC", kept).split("\n"))
    return _MANY_BREAKS.sub("\n\n", "\n".join(lines)).strip("\n")


def clean_line(text: str) -> str:
    """The same on one line: for names, numbers and addresses."""
    return _SPACES.sub(" ", clean(text).replace("\n", " ")).strip()


def _is_visible(letter: str) -> bool:
    if letter == "\t" or letter in _JOINERS:
        return True
    return unicodedata.category(letter) not in {"Cc", "Cf", "Cs"}


def same_person_name(one: str, other: str) -> bool:
    """Whether two names may be one person's: whatever its case, accents and titles, one is the other or a part of it.

    A mother and her son share a telephone and a surname, and are two: each name has a word that the other has not.
    """
    ones, others = _name_words(one), _name_words(other)
    return bool(ones & others) and (_within(ones, others) or _within(others, ones))


def _within(part: set[str], whole: set[str]) -> bool:
    """Whether each word of the part stands in the whole, at least by its first letter."""
    return all(word in whole or (len(word) == 1 and any(each.startswith(word) for each in whole)) for word in part)


def _name_words(name: str) -> set[str]:
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    words = set(re.findall(r"\w+", bare.casefold()))
    return words - _TITLES or words
