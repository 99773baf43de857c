"""From the policy file to the clinic, or to a list of everything that is wrong with it."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.clinic.errors import ClinicError, Problem, explain
from shared.clinic.model import Clinic
from shared.clinic.rules import problems_of


def load(path: Path | str) -> Clinic:
    """Read a policy file and the packs that it includes.

    Raises:
        ClinicError: with every problem, by key.
    """
    return parse(read(Path(path)), path)


def parse(data: dict[str, Any], path: object) -> Clinic:
    """The clinic of a file's merged content; `path` names it in errors.

    Raises:
        ClinicError: with every problem, by key.
    """
    try:
        clinic = Clinic.model_validate(data)
    except ValidationError as error:
        raise ClinicError(path, explain(error, Clinic, data)) from None
    if problems := problems_of(clinic):
        raise ClinicError(path, problems)
    return clinic


def read(path: Path) -> dict[str, Any]:
    """The content of a policy file over that of its packs.

    Raises:
        ClinicError: a file is missing or is not TOML.
    """
    data = _toml(path, path)
    packs = data.pop("include", [])
    if not isinstance(packs, list) or not all(isinstance(pack, str) for pack in packs):
        raise ClinicError(
            path, [Problem("include", "is not a list of files", 'write include = ["packs/screening.toml"]')]
        )
    base: dict[str, Any] = {}
    for pack in packs:
        base = _merged(base, _toml(path.parent / pack, path))
    return _merged(base, data)


def _toml(path: Path, clinic: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ClinicError(
            clinic, [Problem(str(path), f"cannot be read ({error.strerror})", "check the path")]
        ) from None
    except UnicodeDecodeError:
        raise ClinicError(clinic, [Problem(str(path), "is not UTF-8 text", "save it as UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ClinicError(clinic, [Problem(str(path), f"is not TOML: {error}", "correct that line")]) from None


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged, lists of tables with a `code` by that code; of anything else the later one wins."""
    result = dict(base)
    for key, value in over.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            result[key] = _merged(known, value)
        elif _by_code(known) and _by_code(value):
            result[key] = _merged_by_code(known, value)
        else:
            result[key] = value
    return result


def _by_code(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "code" in one for one in value)


def _merged_by_code(base: Any, over: Any) -> list[dict[str, Any]]:
    """What a clinic changes in a pack's entry is the clinic's own proposal, until it says what it rests on."""
    result = {one["code"]: one for one in base}
    for one in over:
        known = result.get(one["code"])
        changed = {"basis": "proposed"} if known is not None and "basis" in known else {}
        result[one["code"]] = {**(known or {}), **changed, **one}
    return list(result.values())
