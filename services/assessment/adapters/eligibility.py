"""The payer, asked through Stedi's eligibility check: one JSON request, one JSON answer."""

from typing import Any, Protocol

import httpx

from services.assessment.domain.eligibility import (
    HEALTH_PLAN,
    MENTAL_HEALTH,
    Answer,
    Question,
    must_ask_again,
    understood,
)
from services.assessment.settings import Settings
from shared.errors import Permanent, Transient

PATH = "/2026-06-01/eligibility-check"
_LATER = frozenset({408, 425, 429})
_NOT_FOUND = "unknown"


class Eligibility(Protocol):
    """Whoever knows what a plan says."""

    async def ask(self, question: Question) -> Answer:
        """The payer's answer.

        Raises:
            Transient: it could not be asked, or cannot answer now. Permanent: the request itself was refused.
        """
        ...


class Stedi:
    """Asks for mental health first; for the plan as a whole when that says nothing."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, provider: str) -> None:
        self._settings = settings
        self._http = http
        self._provider = provider

    async def ask(self, question: Question) -> Answer:
        """See the port."""
        answer = await self._once(question, MENTAL_HEALTH)
        return answer if answer.status != _NOT_FOUND else await self._once(question, HEALTH_PLAN)

    async def _once(self, question: Question, service: str) -> Answer:
        url = f"{self._settings.eligibility_url}{PATH}"
        headers = {"authorization": self._settings.eligibility_key.get_secret_value()}
        try:
            said = await self._http.post(url, json=self._body(question, service), headers=headers)
        except httpx.TransportError as error:
            raise Transient(type(error).__name__) from error
        if said.status_code >= 500 or said.status_code in _LATER:
            raise Transient(f"http-{said.status_code}")
        try:
            content = said.json()
        except ValueError as error:
            raise Transient("unreadable") from error
        if not isinstance(content, dict) or (said.is_error and not content.get("errors")):
            raise Permanent(f"http-{said.status_code}")
        answer = understood(content)
        if must_ask_again(answer):
            raise Transient(",".join(answer.codes))
        return answer

    def _body(self, question: Question, service: str) -> dict[str, Any]:
        subscriber: dict[str, Any] = {"memberId": question.member_id}
        if question.born is not None:
            subscriber["dateOfBirth"] = question.born.isoformat()
        if question.holder:
            first, _, last = question.holder.partition(" ")
            subscriber["name"] = {"person": {"firstName": first, "lastName": last or first}}
        on = question.on.isoformat()
        return {
            "payerId": question.payer_id,
            "payerName": question.payer,
            "provider": {"name": {"organization": self._provider}, "npi": self._settings.eligibility_npi},
            "subscriber": subscriber,
            "encounter": {
                "services": [{"system": "STC", "value": service}],
                "dates": {"service": {"start": on, "end": on}},
            },
        }
