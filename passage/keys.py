"""The clinic's key file and what hangs on it: what `passage keys` does."""

import base64
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from deploy.embedded.wiring import write_private
from passage.context import OWNER_URL, NotConfigured, connected, setting, settings_of
from shared.db.migrate import SERVICES
from shared.security.keyring import KEY, KeyFileError, Keyring
from shared.security.rewrapping import hanging, rewrap
from shared.security.sealing import Unsealable

Hanging = dict[str, Counter[str]]


def key_file() -> Path:
    """Where the services read it."""
    return settings_of("intake").clinic_key_file


def ring(file: Path) -> Keyring:
    """The keys as they are in the file.

    Raises:
        NotConfigured: it can't be used.
    """
    try:
        return Keyring.load(file)
    except KeyFileError as error:
        raise NotConfigured(str(error)) from None


def rotate(file: Path) -> str:
    """Add a fresh key and name it active; the others go on opening. Gives its id."""
    content = _content(file)
    numbers = [int(kid[1:]) for kid in content["keys"] if re.fullmatch(r"k[0-9]{1,6}", kid)]
    kid = f"k{max(numbers, default=0) + 1}"
    content["keys"][kid] = base64.b64encode(os.urandom(KEY)).decode()
    content["active"] = kid
    write_private(file, content)
    return kid


def retire(file: Path, kid: str, rows: Hanging) -> Path:
    """Take a key out of the file. Gives the copy beside it that has the key still: older backups open with that.

    Raises:
        NotConfigured: it is active, not there, or something hangs on it, or the copy can't be written.
    """
    content = _content(file)
    if kid not in content["keys"]:
        raise NotConfigured(f"the key file has no {kid!r}")
    if kid == content["active"]:
        raise NotConfigured(f"{kid} is the active key: run `passage keys rotate` first")
    if any(rows.get(kid, {}).values()):
        raise NotConfigured(f"{sum(rows[kid].values())} rows hang on {kid}: run `passage keys rewrap` first")
    copy = _keep_with(file, kid)
    del content["keys"][kid]
    write_private(file, content)
    return copy


def _keep_with(file: Path, kid: str) -> Path:
    """The file as it is, under a name of its own, on the disk before the key is gone from the other."""
    copy = file.with_name(f"{file.name}.with-{kid}")
    try:
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        told = f"{copy.name} is there already, beside the key file"
        raise NotConfigured(f"{told}: move it to where your copies are kept, then retire again") from None
    with os.fdopen(descriptor, "wb") as out:
        out.write(file.read_bytes())
        out.flush()
        os.fsync(descriptor)
    return copy


async def count() -> Hanging:
    """How many rows hang on which key, over all services: key → "service.table" → rows."""
    found: Hanging = {}
    async with connected(setting(OWNER_URL)) as conn:
        for service in SERVICES:
            for kid, tables in (await hanging(conn, service)).items():
                for table, rows in tables.items():
                    found.setdefault(kid, Counter())[f"{service}.{table}"] += rows
    return found


async def close_anew(keyring: Keyring) -> dict[str, Counter[str]]:
    """Rewrap every service's rows; per service what was done.

    Raises:
        NotConfigured: something hangs on a key that the file does not have.
    """
    done = {}
    async with connected(setting(OWNER_URL)) as conn:
        for service in SERVICES:
            try:
                done[service] = await rewrap(conn, keyring, service)
            except Unsealable as error:
                raise NotConfigured(f"{service}: {error}; put that key back into the file first") from None
    return done


def _content(file: Path) -> dict[str, Any]:
    ring(file)
    content: dict[str, Any] = json.loads(file.read_bytes())
    return content
