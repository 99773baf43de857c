"""What is wrong with a policy file, said so that its author can put it right."""

import difflib
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands in the file, what it is, and what to write instead."""

    key: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" + (f" → {self.remedy}" if self.remedy else "")


class ClinicError(ValueError):
    """The policy file cannot be used. `problems` lists every mistake that was found."""

    def __init__(self, path: object, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{path} is not a usable clinic file:\n" + "\n".join(f"  {problem}" for problem in problems))


def explain(error: ValidationError, model: type[BaseModel], data: Any) -> list[Problem]:
    """Translate pydantic's findings into keys of the file, allowed values and remedies."""
    details = error.errors()
    # A list whose entries are all refused is called too short as well: the entries say it better.
    inner = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    return [_explain(detail, model, data) for detail in details if detail["loc"] not in inner]


def _explain(detail: ErrorDetails, model: type[BaseModel], data: Any) -> Problem:
    key = _key(detail["loc"], data)
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _allowed(model, detail["loc"][:-1])
        near = difflib.get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        return Problem(key, "unknown key", f"{meant}allowed here: {', '.join(allowed)}")
    if kind == "missing":
        return Problem(key, "is missing", "add it")
    if kind in ("literal_error", "enum"):
        return Problem(key, f"{detail['input']!r} is not allowed", f"one of {context['expected']}")
    if kind == "value_error":
        message, _, remedy = str(context["error"]).partition(": ")
        return Problem(key, message, remedy)
    if kind == "string_pattern_mismatch":
        return Problem(key, f"{detail['input']!r} is not written as expected", f"it must match {context['pattern']}")
    return Problem(key, f"{detail['input']!r} is refused", detail["msg"])


def _key(loc: Sequence[int | str], data: Any) -> str:
    """`people[lang].licence.valid_until`: list entries are named by their id or code where they have one."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) and step < len(data) else None
            name = (data.get("id") or data.get("code")) if isinstance(data, dict) else None
            text += f"[{name or step}]"
        else:
            data = data.get(step) if isinstance(data, dict) else None
            text += f".{step}" if text else step
    return text or "the file"


def _allowed(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The keys that may stand at a place of the file."""
    here: Any = model
    for step in loc:
        here = _model_in(here)
        if here is None:
            return []
        if isinstance(step, int) or not (isinstance(here, type) and issubclass(here, BaseModel)):
            continue
        fields = {field.alias or name: field for name, field in here.model_fields.items()}
        if step in fields:
            here = fields[step].annotation
    here = _model_in(here)
    return [field.alias or name for name, field in here.model_fields.items()] if here is not None else []


def _model_in(annotation: Any) -> Any:
    """The model inside `tuple[Person, ...]`, `Licence | None` or `dict[str, SessionKind]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    origin = get_origin(annotation)
    if origin is None:
        return None
    arguments = get_args(annotation)
    inner = arguments[1:] if origin is dict else arguments
    if origin in (Union, types.UnionType, tuple, dict) or hasattr(annotation, "__metadata__"):
        return next((found for one in inner if (found := _model_in(one)) is not None), None)
    return None
