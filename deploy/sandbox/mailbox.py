"""An SMTP server that keeps every mail."""

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.sandbox.world import Mail, World
from shared.clock import Clock
from shared.ids import new_id

_LIMIT = 10 * 1024 * 1024
_SLOW_SECONDS = 20
_KEPT_HEADERS = (
    "Message-ID",
    "Reply-To",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Content-Language",
    "Auto-Submitted",
)


class Mailbox:
    """aiosmtpd's hooks."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock

    async def handle_MAIL(  # noqa: N802 — aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._world.faults.smtp == "down":
            return "421 4.3.2 The mail system is not available"
        if self._world.faults.smtp == "slow":
            await asyncio.sleep(_SLOW_SECONDS)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        message = message_from_bytes(envelope.original_content or b"", policy=default)
        at = self._clock.now()
        await self._world.keep_mail(
            Mail(
                id=str(new_id()),
                at=at,
                sender=str(message.get("From", envelope.mail_from)),
                to=recipient,
                subject=str(message.get("Subject", "")),
                text=_body(message, "plain"),
                html=_body(message, "html") or None,
                attachments=tuple(part.get_filename() or "unnamed" for part in message.iter_attachments()),
                calendar=_calendar(message),
                headers={name: str(message[name]) for name in _KEPT_HEADERS if name in message},
            )
            for recipient in envelope.rcpt_tos
        )
        if self._world.faults.smtp == "accept_then_500":
            return "451 4.3.0 Local error in processing"
        return "250 2.0.0 OK"


async def listen(mailbox: Mailbox, host: str, port: int) -> asyncio.Server:
    """Open the SMTP port in the running loop."""
    protocol = partial(
        SMTP, mailbox, data_size_limit=_LIMIT, enable_SMTPUTF8=True, hostname="sandbox.localhost", ident="sandbox"
    )
    return await asyncio.get_running_loop().create_server(protocol, host, port)


def _calendar(message: EmailMessage) -> str | None:
    """The words of an attached calendar file."""
    files = (part for part in message.iter_attachments() if part.get_content_type() == "text/calendar")
    return next((part.get_content() for part in files), None)


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()).replace("\r\n", "\n").strip() if isinstance(part, EmailMessage) else ""
