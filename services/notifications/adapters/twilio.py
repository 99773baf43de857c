"""Twilio's REST API for messages, over httpx: its own client is synchronous and can't be pointed elsewhere.

Twilio has no idempotency key. Every message's status callback carries our message id; after a crash the message is
looked up by number, words and time before it is sent again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from services.notifications.adapters.port import NotSent, Outgoing, Receipt, Refused, Unsure
from services.notifications.domain.delivery import State, state_of
from services.notifications.settings import Settings

OPTED_OUT = 21610
_BUSY = 429
_OUR_FAULT = frozenset({401, 403, 404})
"""Credentials or address are wrong: an operator mends that, no patient's message is lost by it."""
_CLOCKS_DIFFER = timedelta(minutes=5)
_PAGE = 100


class TwilioSender:
    """Texts, through one account."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._http = http
        self._url = f"{settings.twilio_url}/2010-04-01/Accounts/{settings.twilio_account}/Messages.json"
        self._auth = (settings.twilio_account, settings.twilio_token.get_secret_value())
        self._from = settings.twilio_from
        self._service = settings.twilio_messaging_service
        self._callback = f"{settings.public_url}/webhooks/twilio/status" if settings.public_url else ""

    async def send(self, message: Outgoing) -> Receipt:
        """See the port."""
        form = {"To": message.to, "Body": message.body}
        form |= {"MessagingServiceSid": self._service} if self._service else {"From": self._from}
        if self._callback:
            form["StatusCallback"] = f"{self._callback}?{urlencode({'message': str(message.id)})}"
        try:
            answer = await self._http.post(self._url, data=form, auth=self._auth)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(type(error).__name__) from error
        except httpx.TransportError as error:
            raise Unsure(type(error).__name__) from error
        if answer.is_success:
            return _receipt(_read(answer))
        raise _trouble(answer)

    async def look_up(self, message: Outgoing, since: datetime) -> Sequence[Receipt]:
        """Messages to that number with those very words, made since the first try."""
        try:
            answer = await self._http.get(self._url, params={"To": message.to, "PageSize": str(_PAGE)}, auth=self._auth)
            found = _read(answer)["messages"] if answer.is_success else None
        except (httpx.TransportError, KeyError) as error:
            raise NotSent(type(error).__name__) from error
        if found is None:
            raise NotSent(f"status {answer.status_code}")
        return [
            _receipt(one)
            for one in found
            if one.get("body") == message.body
            and one.get("direction", "").startswith("outbound")
            and _made(one) >= since - _CLOCKS_DIFFER
        ]


def _trouble(answer: httpx.Response) -> Exception:
    status = answer.status_code
    if status == _BUSY or status in _OUR_FAULT:
        return NotSent(f"status {status}")
    if status >= 500:
        return Unsure(f"status {status}")
    code = _read(answer).get("code")
    return Refused(f"twilio-{code or status}", opted_out=code == OPTED_OUT)


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _receipt(content: dict[str, Any]) -> Receipt:
    sid = content.get("sid")
    return Receipt(str(sid) if sid else None, state_of(str(content.get("status"))) or State.SENT)


def _made(content: dict[str, Any]) -> datetime:
    """When Twilio made it; far in the future where it does not say, so that it is looked at."""
    try:
        return parsedate_to_datetime(str(content.get("date_created"))).astimezone(UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
