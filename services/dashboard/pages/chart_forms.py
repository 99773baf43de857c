"""From a form without JavaScript to the JSON of assessment's API. Pure; what a field may say is checked there.

Lists are rows of equally named fields; a row whose first field is empty is left out, so the rows that remain are
numbered as in the API's answer.
"""

from typing import Any, Literal

from starlette.datastructures import FormData

Kind = Literal["history", "goals", "tried", "insurance"]
BLANK_ROWS = 2

ROWS: dict[str, tuple[str, ...]] = {
    "diagnoses": ("name", "code"),
    "medications": ("name", "dose", "since"),
    "allergies": ("substance", "reaction"),
    "trials": (
        "name", "kind", "dose", "adequate_dose", "current_episode", "start", "end", "adherence", "outcome", "note",
    ),
}  # fmt: skip
"""Each list's fields, the one that makes a row count first."""

CARD = ("status", "payer", "payer_id", "plan", "member_id", "holder", "note")
"""What a person reads off an insurance card."""

OR_NULL = frozenset({"code", "since", "start", "end", "adequate_dose"})
TRUTH = {"yes": True, "no": False}


def content(kind: Kind, form: FormData) -> dict[str, Any]:
    """The section that the form describes."""
    match kind:
        case "history":
            return {
                "born": _text(form, "born") or None,
                "conditions": [
                    {"code": code, "note": _text(form, f"note_{code}")} for code in _texts(form, "condition")
                ],
                "diagnoses": rows(form, "diagnoses"),
                "medications": rows(form, "medications"),
                "allergies": rows(form, "allergies"),
                "notes": _text(form, "notes"),
                "own_words": _text(form, "own_words"),
            }
        case "goals":
            return {name: _text(form, name) for name in ("hopes", "support")} | {"reasons": _texts(form, "reasons")}
        case "tried":
            said = {name: _text(form, name) for name in ("notes", "own_words")}
            return {"trials": rows(form, "trials"), **said}
        case "insurance":
            card = {name: _text(form, name) for name in CARD}
            return card | {"holder_born": _text(form, "holder_born") or None}


def rows(form: FormData, name: str) -> list[dict[str, Any]]:
    """The rows of a list that say something."""
    fields = ROWS[name]
    columns = [_texts(form, f"{name}_{field}") for field in fields]
    found = []
    for values in zip(*columns, strict=False):
        row = {field: _value(field, value) for field, value in zip(fields, values, strict=True)}
        if row[fields[0]]:
            found.append(row)
    return found


def _value(field: str, value: str) -> Any:
    if field in {"adequate_dose", "current_episode"}:
        return TRUTH.get(value)
    return None if field in OR_NULL and not value else value


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _texts(form: FormData, name: str) -> list[str]:
    return [value.strip() for value in form.getlist(name) if isinstance(value, str)]


def decision(form: FormData) -> dict[str, Any]:
    """The decision that the provider's sheet describes, bound to what the sheet showed."""
    action = _text(form, "action")
    said: dict[str, Any] = {
        "action": action,
        "assessment_id": _text(form, "assessment_id"),
        "assessment_version": _number(form, "assessment_version"),
        "assessment_hash": _text(form, "assessment_hash"),
    }
    match action:
        case "approve":
            reasons = {name.removeprefix("reason_"): _text(form, name) for name in form if name.startswith("reason_")}
            said |= {
                "route": _text(form, "route"),
                "sessions": _number(form, "sessions"),
                "conditions": _text(form, "conditions"),
                "acknowledged": {code: reason for code, reason in reasons.items() if reason},
            }
        case "alternative":
            said |= {name: _text(form, name) for name in ("alternative", "reason", "referral")}
            said["follow_up_on"] = _text(form, "follow_up_on") or None
        case "more_information":
            said |= {"question": _text(form, "question"), "wanted": _texts(form, "wanted")}
        case _:
            said["reason"] = _text(form, "reason")
    return said


def _number(form: FormData, name: str) -> int | str:
    text = _text(form, name)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def label_of(path: str) -> tuple[str, int | None]:
    """The text's key and the row of a field that assessment refused: `content.trials.2.start` is trial_start, 3.

    An empty key where the form has no such field.
    """
    parts = [part for part in path.split(".") if part != "content"]
    row = next((int(part) + 1 for part in parts if part.isdigit()), None)
    words = [part for part in parts if not part.isdigit()]
    if len(words) > 1 and words[0] in SINGULAR:
        return SINGULAR[words[0]].get(words[1], LABELS.get(words[0], "")), row
    return LABELS.get(words[-1], "") if words else "", row


LABELS = {
    name: name
    for name in (
        "born", "conditions", "diagnoses", "medications", "allergies", "notes", "hopes", "reasons", "support", "status",
        "payer", "payer_id", "plan", "member_id", "holder", "holder_born",
    )
} | {"trials": "tried", "note": "insurance_note", "insurance": "insurance"}  # fmt: skip
"""The text's key of each field."""

SINGULAR = {
    "diagnoses": {"name": "diagnosis_name", "code": "diagnosis_code"},
    "medications": {"name": "medication_name", "dose": "medication_dose", "since": "medication_since"},
    "allergies": {"substance": "allergy_substance", "reaction": "allergy_reaction"},
    "trials": {
        "name": "trial_name", "kind": "trial_kind", "dose": "trial_dose", "start": "trial_start", "end": "trial_end",
        "note": "trial_note",
    },
}  # fmt: skip
"""The text's key of each list's field."""
