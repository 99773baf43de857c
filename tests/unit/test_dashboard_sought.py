"""What a text in the search box may mean."""

from datetime import date

import pytest

from services.dashboard.domain.sought import ends_of, read

TODAY = date(2026, 11, 23)
MONTHS = {"march": 3, "mar": 3, "marzo": 3, "december": 12}
MARCH = date(1988, 3, 12)


def births(text: str, *, month_first: bool = True) -> tuple[date, ...]:
    return read(text, today=TODAY, month_first=month_first, months=MONTHS).births


@pytest.mark.parametrize(
    "text",
    ["1988-03-12", "1988/3/12", "3/12/1988", "03.12.88", "03 12 1988", "19880312", "03121988", "031288",
     "March 12 1988", "Mar 12th, 1988", "12 mar. 1988", "12 de marzo de 1988", " 3-12-88 "],
)  # fmt: skip
def test_a_birthday_is_read_in_every_usual_writing(text):
    assert births(text)[0] == MARCH


def test_where_days_come_first_they_are_read_first():
    assert births("3/12/1988", month_first=False) == (date(1988, 12, 3), MARCH)


def test_two_digits_of_a_year_are_never_in_the_future():
    assert births("3/12/27") == (date(1927, 3, 12), date(1927, 12, 3))
    assert births("3/12/26")[0] == date(2026, 3, 12)


@pytest.mark.parametrize(
    "text", ["1988", "13/13/1988", "March 1988", "Mar Vista Lane", "2/30/1988", "1 2 3 4", "3/12/2031"]
)
def test_what_is_no_day_that_somebody_can_be_born_on_is_none(text):
    assert births(text) == ()


def test_a_number_is_its_digits_and_a_name_is_none():
    read_of = {
        text: read(text, today=TODAY, month_first=True, months=MONTHS)
        for text in ("(801) 555-01 48", "0148", "148", "Ann 2907")
    }
    assert [one.end for one in read_of.values()] == ["8015550148", "0148", "", ""]


def test_a_number_is_found_by_each_of_its_ends():
    assert ends_of("+18015550148")[0] == "0148"
    assert ends_of("+18015550148")[-2:] == ("8015550148", "18015550148")
    assert len(ends_of("+18015550148")) == 8
    assert ends_of("") == ()
