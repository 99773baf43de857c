"""The demo staff and their authenticator codes, so that a visitor needs no phone of their own."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pyotp


@dataclass(frozen=True, slots=True)
class Code:
    """What the authenticator of one person shows, and for how many seconds more."""

    id: str
    name: str
    role: str
    password: str
    code: str
    seconds: int


def codes(path: Path | None) -> list[Code]:
    """The codes of now. Technical time: an authenticator knows nothing of the business clock.

    The file's `staff` is a list of objects with `id`, `name`, `role`, `password`, `totp_secret`.
    """
    if path is None or not path.exists():
        return []
    now = int(time.time())
    return [
        Code(
            one["id"],
            one.get("name", one["id"]),
            one.get("role", ""),
            one.get("password", ""),
            pyotp.TOTP(one["totp_secret"]).at(now),
            30 - now % 30,
        )
        for one in json.loads(path.read_text(encoding="utf-8")).get("staff", [])
        if one.get("totp_secret")
    ]
