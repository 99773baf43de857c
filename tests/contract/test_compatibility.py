"""What breaks an older reader or writer is named by event and field; what does not, passes."""

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from shared.contracts.compatibility import breaks


class Mood(StrEnum):
    CALM = "calm"
    TENSE = "tense"


class Inner(BaseModel):
    code: str
    note: str | None = None


class Before(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=10, pattern="^a")]
    count: Annotated[int, Field(ge=1)] = 1
    mood: Mood = Mood.CALM
    how: Literal["a", "b"] = "a"
    note: str | None = None
    inner: Inner
    many: tuple[Inner, ...] = ()


def found(after: type[BaseModel]) -> list[str]:
    return [
        str(one).split("; add a new field")[0]
        for one in breaks("LeadCreated.v1", Before.model_json_schema(), after.model_json_schema())
    ]


def test_the_same_contract_is_compatible():
    assert found(Before) == []


def test_an_added_field_with_a_default_is_compatible_also_within_a_part():
    class More(Inner):
        extra: int = 0

    class After(Before):
        inner: More
        added: str | None = None

    assert found(After) == []


def test_other_words_are_compatible():
    class After(Before):
        """Another docstring."""

        note: str | None = Field(default=None, description="said otherwise", title="Other")

    assert found(After) == []


def test_a_removed_field_is_named():
    class After(BaseModel):
        name: Annotated[str, Field(min_length=2, max_length=10, pattern="^a")]
        count: Annotated[int, Field(ge=1)] = 1
        mood: Mood = Mood.CALM
        how: Literal["a", "b"] = "a"
        inner: Inner
        many: tuple[Inner, ...] = ()

    assert found(After) == ["LeadCreated.v1.note: was removed"]


def test_a_removed_field_within_a_part_is_named_wherever_it_is_used():
    class Less(BaseModel):
        code: str

    class After(Before):
        inner: Less  # type: ignore[assignment]
        many: tuple[Less, ...] = ()  # type: ignore[assignment]

    assert found(After) == ["LeadCreated.v1.inner.note: was removed", "LeadCreated.v1.many[].note: was removed"]


@pytest.mark.parametrize(
    ("field", "annotation", "default", "said"),
    [
        ("count", str, "1", "changed its type from integer to string"),
        ("note", str, "", "no longer accepts null, which older events may hold"),
        ("name", str | None, ..., "may now be null, which older readers refuse"),
        ("added", str, ..., "is new and required: older events lack it"),
        ("count", Annotated[int, Field(ge=1)], ..., "is now required, and older events may lack it"),
        ("mood", Literal["calm"], "calm", "no longer allows 'tense', which older events may hold"),
        ("how", Literal["a"], "a", "no longer allows 'b', which older events may hold"),
        ("how", Literal["a", "b", "c"], "a", "now allows 'c', which older readers refuse"),
        ("how", str, "a", "is no longer limited to a list of values"),
        ("note", Literal["x"] | None, None, "is now limited to a list of values"),
        ("count", Annotated[int, Field(ge=2)], 2, "tightened minimum from 1 to 2: older events may be refused"),
        ("count", Annotated[int, Field(ge=0)], 2, "loosened minimum from 1 to 0: older readers may refuse"),
        (
            "count",
            Annotated[int, Field(ge=1, le=9)],
            2,
            "tightened maximum from None to 9: older events may be refused",
        ),
        ("note", Annotated[str, Field(max_length=5)] | None, None, "tightened maxLength from None to 5"),
        ("note", str | int | None, None, "has 2 alternatives instead of 1"),
        ("note", Annotated[str, Field(pattern="^b")] | None, None, "changed pattern from None to ^b"),
        ("many", tuple[str, ...], (), "changed its type from object to string"),
    ],
)
def test_what_somebody_would_not_understand_is_named(field, annotation, default, said):
    after = type("After", (Before,), {"__annotations__": {field: annotation}, field: Field(default)})
    problems = found(after)
    assert any(problem.startswith(f"LeadCreated.v1.{field}") and said in problem for problem in problems), problems


def test_a_field_that_is_no_longer_required_is_named():
    class After(Before):
        name: Annotated[str, Field(min_length=2, max_length=10, pattern="^a")] = "aa"

    assert found(After) == ["LeadCreated.v1.name: is no longer required, and older readers rely on it"]
