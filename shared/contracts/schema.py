"""The promised contracts as files: `python -m shared.contracts.schema --check` compares, `--write` renews them.

The promise: a change that an older reader or writer would not understand is refused, naming the event and the field.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from shared.contracts.asyncapi import SERVICES, document
from shared.contracts.base import SOURCES
from shared.contracts.compatibility import Break, breaks
from shared.contracts.control import ReplayRequested
from shared.contracts.readers import readers_of
from shared.contracts.registry import EVENTS
from shared.contracts.submissions import Submission

HERE = Path(__file__).parent
Documents = dict[str, dict[str, Any]]


def generated() -> Documents:
    """Every document by its path under `shared/contracts`."""
    found: Documents = {}
    for source in SOURCES:
        for event in EVENTS[source]:
            found[f"schemas/{source}/{event.__name__}.v{event.VERSION}.json"] = _schema(event)
    found |= {f"asyncapi/{service}.json": document(service) for service in SERVICES}
    found["schemas/intake/Submission.v1.json"] = _schema(Submission)
    found["schemas/control/ReplayRequested.v1.json"] = _schema(ReplayRequested)
    return found


def checked_in(root: Path = HERE) -> Documents:
    """What was promised so far."""
    paths = sorted([*root.glob("schemas/*/*.json"), *root.glob("asyncapi/*.json")])
    return {path.relative_to(root).as_posix(): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def incompatible(promised: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]) -> list[Break]:
    """Every promise that no longer holds. AsyncAPI documents describe and promise nothing by themselves."""
    found: list[Break] = []
    for path, before in promised.items():
        if path.startswith("schemas/"):
            event = path.removeprefix("schemas/").removesuffix(".json").replace("/", ".")
            after = now.get(path)
            found.extend([Break(event, "", "was removed")] if after is None else breaks(event, before, after))
    return found


def stale(promised: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]) -> list[str]:
    """The paths whose checked-in document differs from the code."""
    return sorted(path for path in {*promised, *now} if promised.get(path) != now.get(path))


def write(now: Mapping[str, dict[str, Any]], root: Path = HERE) -> None:
    """Renew the files; what is no longer generated is deleted."""
    for path in checked_in(root).keys() - now.keys():
        (root / path).unlink()
    for path, schema in now.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode="validation")}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code is 1 where a promise is broken or a file is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare the files with the code")
    mode.add_argument("--write", action="store_true", help="renew the files where no promise is broken")
    parser.add_argument("--break-promises", action="store_true", help="renew them even so: before a first release only")
    options = parser.parse_args(arguments)
    promised, now = checked_in(), generated()
    broken = incompatible(promised, now)
    sys.stderr.writelines(f"{line}\n" for line in _report(broken, [] if options.write else stale(promised, now)))
    if broken and not options.break_promises:
        return 1
    if options.write:
        write(now)
        return 0
    return 1 if stale(promised, now) else 0


def _report(broken: Sequence[Break], outdated: Sequence[str]) -> Iterator[str]:
    for one in broken:
        source, event, _ = one.event.split(".")
        reached = [name for known in SOURCES if known == source for name in readers_of(known, event)]
        yield f"broken promise: {one}" + (f"; read by {', '.join(reached)}" if reached else "")
    yield from (f"not up to date: {path}; run python -m shared.contracts.schema --write" for path in outdated)


if __name__ == "__main__":
    raise SystemExit(main())
