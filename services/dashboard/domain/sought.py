"""What somebody typed into the search box, as what it may mean: a name, the end of a number, an address, a birthday."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

SHORTEST_END = 4
"""Digits of a phone number that are enough to look for: what people read from a display or remember."""
_NUMBER = re.compile(r"[\d\s().+/-]+")
_PARTS = re.compile(r"[^\W_]+")
_SOLID = re.compile(r"\d{8}|\d{6}")


@dataclass(frozen=True, slots=True)
class Sought:
    """Every way to read it. `end` are digits, `births` are in the order of likelihood."""

    words: str
    end: str = ""
    email: str = ""
    births: tuple[date, ...] = ()

    @property
    def hashed(self) -> bool:
        """Whether it may be something that is kept as hashes."""
        return bool(self.end or self.email or self.births)


def read(text: str, *, today: date, month_first: bool, months: Mapping[str, int]) -> Sought:
    """What `text` may mean. `months` are their names, lower case, without dots, in the languages of the clinic;
    `month_first` says how people there write a date in numbers.
    """
    words = " ".join(text.split())
    if "@" in words:
        return Sought(words, email=words.lower())
    births = tuple(dict.fromkeys(day for day in _dates(words, today, month_first, months) if day <= today))
    digits = "".join(c for c in words if c.isdecimal() and c.isascii())
    number = _NUMBER.fullmatch(words) is not None and len(digits) >= SHORTEST_END
    return Sought(words, end=digits if number else "", births=births)


def ends_of(number: str) -> tuple[str, ...]:
    """The ends of a number in E.164 by which it is found, the shortest first."""
    digits = number.removeprefix("+")
    return tuple(digits[-length:] for length in range(SHORTEST_END, len(digits) + 1))


def _dates(text: str, today: date, month_first: bool, months: Mapping[str, int]) -> list[date]:
    solid = _SOLID.fullmatch(text)
    if solid and len(text) == 8:
        readings = [(text[:4], text[4:6], text[6:], "ymd")]
        readings += [(text[:2], text[2:4], text[4:], order) for order in _orders(month_first)]
    elif solid:
        readings = [(text[:2], text[2:4], text[4:], order) for order in _orders(month_first)]
    else:
        parts = [part for part in _PARTS.findall(text.lower()) if part not in {"de", "del", "of", "the"}]
        if len(parts) != 3:
            return []
        readings = _written(parts, month_first, months)
    return [day for reading in readings if (day := _day(*reading, today))]


def _written(parts: list[str], month_first: bool, months: Mapping[str, int]) -> list[tuple[str, str, str, str]]:
    named = [place for place, part in enumerate(parts) if part in months]
    if named:
        month = str(months[parts[named[0]]])
        day, year = (_ordinal(part) for place, part in enumerate(parts) if place != named[0])
        return [(day, month, year, "dmy"), (year, month, day, "dmy")] if len(year) != 4 else [(day, month, year, "dmy")]
    first, second, third = parts
    if len(first) == 4:
        return [(first, second, third, "ymd")]
    return [(first, second, third, order) for order in _orders(month_first)]


def _ordinal(part: str) -> str:
    return re.sub(r"(?<=\d)(st|nd|rd|th)$", "", part)


def _orders(month_first: bool) -> tuple[str, str]:
    return ("mdy", "dmy") if month_first else ("dmy", "mdy")


def _day(first: str, second: str, third: str, order: str, today: date) -> date | None:
    said = dict(zip(order, (first, second, third), strict=True))
    if not all(part.isdecimal() and part.isascii() for part in said.values()) or len(said["y"]) not in {2, 4}:
        return None
    year = int(said["y"])
    if len(said["y"]) == 2:
        # Nobody is born in the future: "40" is 1940, "12" is 2012.
        year += 2000 if year <= today.year % 100 else 1900
    try:
        return date(year, int(said["m"]), int(said["d"]))
    except ValueError:
        return None
