"""Every service's HTTP API as a document: `shared/contracts/openapi/<service>.json`, beside the AsyncAPI ones.

`python -m passage.openapi --write` renews them from the routes, `--check` says whether they are what the routes say.
"""

import json
from collections.abc import Sequence

from fastapi import FastAPI

from passage.access import ROOT, applications
from shared.written import Written

FILES = Written("passage.openapi", ROOT / "shared" / "contracts" / "openapi", ("*.json",))


def documents(apps: dict[str, FastAPI]) -> dict[str, str]:
    """The text of each file by its name; a service of pages alone has no API to describe."""
    return {
        f"{name}.json": json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
        for name, app in apps.items()
        if app.openapi_url
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code is 1 where a file is not up to date."""
    return FILES.main(__doc__, lambda: documents(applications()), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
