"""The promised contracts as files: `python -m shared.contracts.schema --check` compares, `--write` renews them.

The promise: a change that an older reader or writer would not understand is refused, naming the event and the field.
"""

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
from shared.written import Written

HERE = Path(__file__).parent
PATTERNS = ("schemas/*/*.json", "asyncapi/*.json")
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
    return {path: json.loads(text) for path, text in _written(root).kept().items()}


def incompatible(promised: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]) -> list[Break]:
    """Every promise that no longer holds. AsyncAPI documents describe and promise nothing by themselves."""
    found: list[Break] = []
    for path, before in promised.items():
        if path.startswith("schemas/"):
            event = path.removeprefix("schemas/").removesuffix(".json").replace("/", ".")
            after = now.get(path)
            found.extend([Break(event, "", "was removed")] if after is None else breaks(event, before, after))
    return found


def stale(now: Documents, root: Path = HERE) -> list[str]:
    """The paths whose checked-in document differs from the code."""
    return _written(root).stale(_texts(now))


def write(now: Documents, root: Path = HERE) -> None:
    """Renew the files; what is no longer generated is deleted."""
    _written(root).write(_texts(now))


def _written(root: Path) -> Written:
    return Written("shared.contracts.schema", root, PATTERNS)


def _texts(documents: Documents) -> dict[str, str]:
    return {path: json.dumps(one, indent=2, ensure_ascii=False) + "\n" for path, one in documents.items()}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode="validation")}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code is 1 where a promise is broken or a file is not up to date."""
    files = _written(HERE)
    parser = files.parser(__doc__)
    parser.add_argument("--break-promises", action="store_true", help="renew them even so: before a first release only")
    options = parser.parse_args(arguments)
    now = generated()
    broken = incompatible(checked_in(), now)
    sys.stderr.writelines(f"{line}\n" for line in _report(broken))
    if broken and not options.break_promises:
        return 1
    if not options.write:
        return files.check(_texts(now))
    write(now)
    return 0


def _report(broken: Sequence[Break]) -> Iterator[str]:
    for one in broken:
        source, event, _ = one.event.split(".")
        reached = [name for known in SOURCES if known == source for name in readers_of(known, event)]
        yield f"broken promise: {one}" + (f"; read by {', '.join(reached)}" if reached else "")


if __name__ == "__main__":
    raise SystemExit(main())
