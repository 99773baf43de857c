"""A payer behind Stedi's eligibility check, under /stedi. What it answers is told by the member id, or by a switch.

`…INACTIVE` has a plan that ended, `…AAA75` is refused with that code, `…SILENT` gets an answer that says nothing,
`…PRIOR` needs prior authorisation, `…SLOW` waits, `…DOWN` never answers; everybody else has an active plan.
"""

import asyncio
import re
import secrets
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.world import World

_REJECTED = re.compile(r"AAA([0-9]{2}|T4)$")
_DESCRIPTIONS = {
    "42": "Unable to Respond at Current Time",
    "72": "Invalid/Missing Subscriber/Insured ID",
    "75": "Subscriber/Insured Not Found",
    "79": "Invalid Participant Identification",
    "80": "No Response received - Transaction Terminated",
}


def router(world: World, settings: SandboxSettings) -> APIRouter:
    """The one route."""
    routes = APIRouter(prefix="/stedi")

    @routes.post("/2026-06-01/eligibility-check")
    async def check(request: Request) -> JSONResponse:
        wanted = settings.payer_key.get_secret_value().encode()
        if not secrets.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            return JSONResponse({"code": "UNAUTHORIZED", "message": "Unauthorized"}, 401)
        asked = await request.json()
        member = str(asked.get("subscriber", {}).get("memberId", "")).upper()
        fault = world.faults.payer
        if fault == "slow" or member.endswith("SLOW"):
            await asyncio.sleep(settings.payer_slow_seconds)
        if fault == "down" or member.endswith("DOWN"):
            return JSONResponse({"code": "SERVICE_UNAVAILABLE", "message": "The payer is not available."}, 503)
        refused = _REJECTED.search(member)
        code = refused[1] if refused else {"rejected": "75", "busy": "42"}.get(fault)
        return JSONResponse(_refused(asked, code) if code else _answered(asked, member, inactive=fault == "inactive"))

    return routes


def _head(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"ec_{secrets.token_hex(8)}",
        "payer": {"payerId": asked.get("payerId"), "name": asked.get("payerName")},
        "subscriber": asked.get("subscriber", {}),
        "warnings": [],
    }


def _refused(asked: dict[str, Any], code: str) -> dict[str, Any]:
    error = {
        "code": code,
        "description": _DESCRIPTIONS.get(code, "Rejected"),
        "followupAction": "Please Correct and Resubmit",
        "location": "Loop 2100C",
        "possibleResolutions": "",
    }
    return {**_head(asked), "plans": [], "errors": [error]}


def _answered(asked: dict[str, Any], member: str, *, inactive: bool) -> dict[str, Any]:
    if member.endswith("SILENT"):
        return {**_head(asked), "plans": [], "errors": []}
    service = asked["encounter"]["services"][0]["value"]
    ended = inactive or member.endswith("INACTIVE")
    status = {
        "status": "INACTIVE" if ended else "ACTIVE_COVERAGE",
        "coverageLevel": "IND",
        "network": {"indicator": "IN"},
        "priorAuthIndicator": "Y" if member.endswith("PRIOR") else "N",
        "service": service,
    }
    benefits: dict[str, Any] = {"statuses": [status]}
    if not ended:
        benefits |= {
            "coPayment": [{"amount": "40.00", "timePeriod": "VISIT"}],
            "coInsurance": [{"percent": "20"}],
            "deductible": [{"amount": "1500.00", "timePeriod": "CALENDAR_YEAR"}],
            "outOfPocket": [{"amount": "6000.00", "timePeriod": "CALENDAR_YEAR"}],
            "limitations": [],
            "nonCovered": [],
        }
    return {**_head(asked), "plans": [{"name": "Silver PPO", "benefits": benefits}], "errors": []}
