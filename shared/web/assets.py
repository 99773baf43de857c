"""Static files under `/assets/<version>/…`: ours and the vendored ones, held in memory, cached for good by content."""

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared.http.access import PUBLIC, asks

HERE = Path(__file__).parent
FOREVER = "public, max-age=31536000, immutable"
mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("text/javascript", ".js")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file's bytes and its media type."""

    body: bytes
    media_type: str


class Assets:
    """Every servable file by its name (`css/app.css`, `vendor/htmx.min.js`), and one version over all their bytes.

    One version for all, so that a style sheet names its fonts relatively.
    """

    def __init__(self, root: Path = HERE) -> None:
        self.files = {
            **_read(root / "static", ""),
            **{name: file for name, file in _read(root / "vendor", "vendor/").items() if "/dev/" not in name},
        }
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(name.encode() + b"\0" + self.files[name].body)
        self.version = digest.hexdigest()[:16]

    def url(self, name: str) -> str:
        """The address of a file.

        Raises:
            LookupError: there is no such file; the message says how to get it.
        """
        if name not in self.files:
            raise LookupError(f"no asset {name}: run `python -m shared.web.fetch`")
        return f"/assets/{self.version}/{name}"


def _read(folder: Path, prefix: str) -> dict[str, Asset]:
    return {
        prefix + path.relative_to(folder).as_posix(): Asset(
            path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@lru_cache(maxsize=1)
def assets() -> Assets:
    """The files of this process, read once."""
    return Assets()


@asks(PUBLIC)
async def _serve(request: Request) -> Response:
    found = assets().files.get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("not found", status_code=404)
    # An address with another version is a page from before a deployment: it gets today's file, but may not keep it.
    current = request.path_params["version"] == assets().version
    headers = {"cache-control": FOREVER if current else "no-cache", "x-content-type-options": "nosniff"}
    return Response(found.body, media_type=found.media_type, headers=headers)


route = Route("/assets/{version}/{name:path}", _serve, name="assets")
"""Added by the app factory to every service that has pages: `app.router.routes.append(route)`."""
