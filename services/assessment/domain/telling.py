"""What a patient writes on their page becomes a new version of a section; what only staff know stays in it. Pure.

A page shows a part of a section; rows are numbered fields (`tried-0-name`), a row without its first field is no row.
"""

from collections.abc import Mapping
from typing import Any, Literal

from services.assessment.domain.sections import Section, SectionKind, dump

Step = Literal["about", "medicines", "tried", "goals"]
STEPS: tuple[Step, ...] = ("about", "medicines", "tried", "goals")
KIND: dict[Step, SectionKind] = {
    "about": SectionKind.HISTORY,
    "medicines": SectionKind.HISTORY,
    "tried": SectionKind.TRIED,
    "goals": SectionKind.GOALS,
}
LISTS: dict[str, tuple[str, ...]] = {
    "medications": ("name", "dose", "since"),
    "allergies": ("substance", "reaction"),
    "diagnoses": ("name",),
    "trials": ("name", "kind", "dose", "start", "end", "outcome"),
}
ROWS_AT_MOST = 82
"""As many as the longest list of a section holds, and the two empty ones below it."""
REASONS = ("depression", "anxiety", "ptsd", "ocd", "pain", "substance", "other")
NOT_ASKED = frozenset({"CI_CAPACITY"})
"""A judgement about the patient, not by them."""

Form = Mapping[str, str]


def told(step: Step, form: Form, ticked: list[str], before: Section | None, asked: frozenset[str]) -> dict[str, Any]:
    """The whole section after this page. `ticked` are the boxes, `asked` the conditions that the page showed."""
    content = dump(before) if before is not None else {}
    match step:
        case "about":
            notes = {one["code"]: one["note"] for one in content.get("conditions", ())}
            kept = [one for one in content.get("conditions", ()) if one["code"] not in asked]
            said = [{"code": code, "note": notes.get(code, "")} for code in ticked if code in asked]
            return content | {"born": _text(form, "born") or None, "conditions": kept + said}
        case "medicines":
            lists = {name: _rows(name, form, content) for name in ("medications", "allergies", "diagnoses")}
            return content | lists | {"own_words": _text(form, "own_words")}
        case "tried":
            return content | {"trials": _rows("trials", form, content), "own_words": _text(form, "own_words")}
        case "goals":
            known = [code for code in content.get("reasons", ()) if code not in REASONS]
            return content | {
                "hopes": _text(form, "hopes"),
                "support": _text(form, "support"),
                "reasons": [*known, *(code for code in ticked if code in REASONS)],
            }


def _text(form: Form, name: str) -> str:
    return form.get(name, "").strip()


def _rows(name: str, form: Form, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that say something. What staff added to a row of the same name is kept with it."""
    fields = LISTS[name]
    ours = list(content.get(name, ()))
    rows = []
    for number in range(ROWS_AT_MOST):
        said = {field: _text(form, f"{name}-{number}-{field}") for field in fields}
        if said[fields[0]]:
            row = {field: _value(field, value) for field, value in said.items()}
            rows.append(_taken(ours, row, fields) | row)
    return rows


def _taken(ours: list[dict[str, Any]], row: dict[str, str | None], fields: tuple[str, ...]) -> dict[str, Any]:
    """The row of the same name, taken out of `ours`; of several the one most like it: a drug may be tried twice."""
    same = [one for one in ours if _fold(one[fields[0]]) == _fold(row[fields[0]] or "")]
    if not same:
        return {}
    found = max(same, key=lambda one: sum(one.get(field) == row[field] for field in fields))
    ours.remove(found)
    return found


def beside(typed: dict[str, Any], saved: Section) -> dict[str, Any]:
    """What was typed, with what somebody else wrote meanwhile: sending that takes nothing of either away."""
    both, theirs = dict(typed), dump(saved)
    for name, key in {**{name: fields[0] for name, fields in LISTS.items()}, "conditions": "code"}.items():
        if name in theirs:
            known = {_fold(one[key]) for one in typed[name]}
            both[name] = [*typed[name], *(one for one in theirs[name] if _fold(one[key]) not in known)]
    if "reasons" in theirs:
        both["reasons"] = [*typed["reasons"], *(one for one in theirs["reasons"] if one not in typed["reasons"])]
    return both | {name: theirs[name] for name, value in typed.items() if value in ("", None) and name in theirs}


def _value(field: str, value: str) -> str | None:
    return value or None if field in {"since", "start", "end"} else value


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
