"""Every service's HTTP API as a document: `shared/contracts/openapi/<service>.json`, beside the AsyncAPI ones.

`python -m passage.openapi --write` renews them from the routes, `--check` says whether they are what the routes say.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from fastapi import FastAPI

from passage.access import ROOT, applications

FOLDER = ROOT / "shared" / "contracts" / "openapi"


def documents(apps: dict[str, FastAPI]) -> dict[str, str]:
    """The text of each file by its name; a service of pages alone has no API to describe."""
    return {
        f"{name}.json": json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
        for name, app in apps.items()
        if app.openapi_url
    }


def stale(now: dict[str, str]) -> list[str]:
    """The names of files that are missing, too many, or differ."""
    kept = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
    return sorted(name for name in {*now, *kept} if now.get(name) != kept.get(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code is 1 where a file is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare the files with the routes")
    mode.add_argument("--write", action="store_true", help="renew the files")
    options = parser.parse_args(arguments)
    now = documents(applications())
    if options.write:
        FOLDER.mkdir(exist_ok=True)
        for name in stale(now):
            (FOLDER / name).unlink(missing_ok=True)
        for name, text in now.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    sys.stderr.writelines(f"not up to date: {name}; run python -m passage.openapi --write\n" for name in stale(now))
    return 1 if stale(now) else 0


if __name__ == "__main__":
    raise SystemExit(main())
