"""Numbers in their usual writing are read without the library's long way, and to the same result."""

import random

import phonenumbers
import pytest
from phonenumbers import timezone as phone_zones

from services.intake import reading
from shared import phones
from shared.phones import e164

WRITTEN = (
    "+1 {0} {1} {2}", "+1{0}{1}{2}", "({0}) {1}-{2}", "{0}-{1}-{2}", "{0}{1}{2}", "+1.{0}.{1}.{2}", "1 {0} {1} {2}",
)  # fmt: skip


def numbers(count: int) -> list[tuple[str, ...]]:
    chance = random.Random(7)
    return [tuple(f"{chance.randrange(10**size):0{size}d}" for size in (3, 3, 4)) for _ in range(count)]


@pytest.mark.parametrize("written", WRITTEN)
def test_the_short_way_and_the_library_agree_on_every_area(written):
    for parts in numbers(300):
        for country in ("US", "PR", "GB"):
            number = written.format(*parts)
            assert e164(number, country) == phones._by_library(number, country)


@pytest.mark.parametrize("written", ["+1 801 555 0100 ext. 3", "801 558 01001", "+1 (801) 558 0100 ", "٨٠١٥٥٨٠١٠٠", ""])
def test_what_is_unusual_goes_the_librarys_way(written):
    assert e164(written, "US") == phones._by_library(written, "US")


def test_an_area_lies_where_the_library_says():
    found = {number for parts in numbers(3000) if (number := phones._by_library("".join(parts), "US"))}
    assert len(found) > 500
    for number in found:
        assert tuple(reading._zones(number)) == tuple(phone_zones.time_zones_for_number(phonenumbers.parse(number)))
