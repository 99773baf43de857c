"""Browsers in which somebody has signed in before: a sealed cookie, per person a random number.

The promise: what strangers try under a person's name locks strangers out, not the person at their own browser, whose
wrong tries are counted by themselves. The cookie opens nothing: both factors are asked for as everywhere.
"""

import json
from collections.abc import Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from services.identity import cookies
from shared.security.keyring import Keyring
from shared.security.sealing import Unsealable, open_record, seal_record
from shared.security.tokens import new_token

COOKIE = "devices"
PURPOSE = "devices"
LIFE = timedelta(days=180)
PEOPLE_AT_MOST = 8
"""A reception's browser has several; a cookie has little room."""

Devices = Mapping[str, str]
"""By person id: what this browser's tries are counted under."""


def known(request: Request, keyring: Keyring) -> dict[str, str]:
    """Who has signed in in this browser; nobody where there is no cookie of ours."""
    try:
        found = json.loads(open_record(keyring, cookies.read(request, COOKIE) or "", purpose=PURPOSE))
    except (Unsealable, ValueError):
        return {}
    return {str(person): str(number) for person, number in found.items()}


def remember(request: Request, response: Response, keyring: Keyring, person_id: str) -> None:
    """This person has just given both factors here. Of too many the one who came longest ago is forgotten."""
    before = known(request, keyring)
    number = before.pop(person_id, None) or new_token()
    newest = dict([*before.items(), (person_id, number)][-PEOPLE_AT_MOST:])
    cookies.give(request, response, COOKIE, seal_record(keyring, json.dumps(newest).encode(), purpose=PURPOSE), LIFE)
