"""HTTP in, for staff and for Twilio's reports."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from twilio.request_validator import RequestValidator

from services.notifications.domain.delivery import State, state_of
from services.notifications.handlers import delivery, transport, unreachable
from services.notifications.jobs import settings_of
from services.notifications.repository import messages, outbound, people, visits
from services.notifications.rows import MessageRow
from shared.audit import audit
from shared.contracts.submissions import Line
from shared.http.access import VENDOR
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.problems import Conflict, Forbidden, NotFound
from shared.security.sealing import Box

log = structlog.get_logger()
router = APIRouter()
STATUS_PATH = "/webhooks/twilio/status"
Clinical = Annotated[Staff, Depends(staff("front_desk", "provider", "monitor"))]


class Message(BaseModel):
    """One message of the ledger. While it is planned its words are not written yet."""

    id: UUID
    kind: str
    channel: Literal["sms", "email"]
    state: str
    reason: str | None
    appointment_id: UUID | None
    due_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    attempts: int
    with_message: UUID | None
    recipient: str | None
    subject: str | None
    body: str | None


class Ride(BaseModel):
    """The way home of one appointment, and the patient's word on its preparation.

    `state` is the patient's word or the staff's, of the hour that the visit has now; `escort_said` is what the escort
    said over their own link.
    """

    appointment_id: UUID
    starts_at: datetime
    state: Literal["open", "confirmed", "missing"]
    escort: str | None
    escort_phone: str | None
    escort_said: Literal["yes", "no"] | None
    preparation: dict[str, bool]


class Ledger(BaseModel):
    """Everything said and planned, in the order of time."""

    messages: list[Message]
    rides: list[Ride]


class Confirmation(BaseModel):
    """Who takes them home."""

    model_config = ConfigDict(extra="forbid")

    escort: Line | None = None


class Confirmed(BaseModel):
    """The ride stands; `changed` is false when that was known."""

    appointment_id: UUID
    changed: bool


@router.get("/api/v1/patients/{patient_id}/messages", tags=["messages"])
async def ledger(patient_id: UUID, service: ServiceDep, who: Clinical) -> Ledger:
    """What the patient was told and will be told, with the very words. Recorded like every look into a chart."""
    async with service.transaction(actor=who.actor) as uow:
        if await people.find(uow.conn, patient_id) is None:
            raise NotFound("Nobody with this id is known here.")
        family = [patient_id, *await people.absorbed(uow.conn, patient_id)]
        rows = await messages.of_patients(uow.conn, family)
        booked = await visits.of_patients(uow.conn, family)
        boxes = await uow.keys.boxes(family)
        answers = {visit.id: await visits.answers(uow.conn, visit.id) for visit in booked}
        await audit(uow, action="read", what="messages", subject=patient_id, detail={"count": len(rows)})
    rides = [
        Ride(
            appointment_id=visit.id,
            starts_at=visit.starts_at,
            state="open" if visit.transport == "confirmed" and not visit.ride_known else visit.transport,
            escort=_opened(boxes.get(visit.patient_id), visit.escort),
            escort_phone=_opened(boxes.get(visit.patient_id), visit.escort_phone),
            escort_said=visit.escort_said,
            preparation=answers[visit.id],
        )
        for visit in booked
        if visit.kind == "session" and visit.state == "ahead"
    ]
    return Ledger(messages=[_shown(row, boxes.get(row.patient_id)) for row in rows], rides=rides)


@router.post("/api/v1/appointments/{appointment_id}/transport", tags=["transport"])
async def confirm(appointment_id: UUID, body: Confirmation, service: ServiceDep, who: Clinical) -> Confirmed:
    """Staff know who takes the patient home.

    Raises:
        NotFound: no such appointment. Conflict: it is over or cancelled.
    """
    async with service.transaction(actor=who.actor) as uow:
        visit = await visits.find(uow.conn, appointment_id)
        if visit is None:
            raise NotFound("There is no such appointment here.")
        if visit.state != "ahead":
            raise Conflict("This appointment is over or cancelled.", code="not_ahead")
        changed = await transport.confirm(uow, visit, escort=body.escort, by="staff")
        await audit(uow, action="write", what="transport", subject=visit.patient_id)
    return Confirmed(appointment_id=appointment_id, changed=changed)


@router.post(STATUS_PATH, tags=["webhooks"], dependencies=[Depends(VENDOR)], status_code=204, response_class=Response)
async def status(request: Request, service: ServiceDep, message: UUID | None = None) -> Response:
    """What became of a text. Reports come in any order and more than once; only news changes anything.

    Raises:
        Forbidden: the signature does not fit.
    """
    settings = settings_of(service)
    form = await request.form(max_files=0, max_fields=200)
    query = f"?{request.url.query}" if request.url.query else ""
    genuine = RequestValidator(settings.twilio_token.get_secret_value()).validate(
        f"{settings.public_url}{STATUS_PATH}{query}", form, request.headers.get("x-twilio-signature", "")
    )
    if not genuine:
        log.warning("webhook_refused", door="twilio-status")
        raise Forbidden(
            code="bad_signature", title="The signature does not fit", remedy="Check the auth token and the public URL."
        )
    state = state_of(str(form.get("MessageStatus", "")))
    sid = str(form.get("MessageSid", ""))[:64]
    if state is None or not sid:
        return Response(status_code=204)
    reason = f"twilio-{str(form['ErrorCode'])[:16]}" if form.get("ErrorCode") else None
    async with service.transaction(actor="vendor:twilio") as uow:
        known = await outbound.by_vendor_id(uow.conn, sid) or message
        row = await messages.find(uow.conn, known) if known is not None else None
        if row is not None and row.channel == "sms" and row.vendor_id in (None, sid):
            if state is State.FAILED and reason is not None:
                await unreachable.failed(uow, row.id, reason, vendor_id=sid)
            else:
                await delivery.note(uow, row.id, state, vendor_id=sid, reason=reason)
    return Response(status_code=204)


def _shown(row: MessageRow, box: Box | None) -> Message:
    return Message(
        id=row.id,
        kind=row.kind,
        channel=row.channel,
        state=str(row.state),
        reason=row.reason,
        appointment_id=row.visit_id,
        due_at=row.due_at,
        sent_at=row.sent_at,
        delivered_at=row.delivered_at,
        attempts=row.attempts,
        with_message=row.carried_by,
        recipient=_opened(box, row.recipient),
        subject=_opened(box, row.subject_line),
        body=_opened(box, row.body),
    )


def _opened(box: Box | None, sealed: str | None) -> str | None:
    return box.open(sealed) if box is not None and sealed is not None else None
