"""E-mail over SMTP: plain text with a simple HTML twin, and a Message-ID that is the same however often it is tried."""

from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from services.notifications.adapters.port import NotSent, Outgoing, Receipt, Refused, Unsure
from services.notifications.rendering import html
from services.notifications.settings import Settings
from shared.clinic import Clinic

_LATER = range(400, 500)


class SmtpSender:
    """E-mail from the clinic's address."""

    def __init__(self, settings: Settings, clinic: Clinic) -> None:
        self._settings = settings
        self._from = settings.mail_from or clinic.email
        self._reply_to = clinic.email
        self._name = clinic.messages.sender

    async def send(self, message: Outgoing) -> Receipt:
        """See the port. A server's 4xx means by its protocol that it took nothing."""
        settings = self._settings
        try:
            await aiosmtplib.send(
                self.written(message),
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user or None,
                password=settings.smtp_password.get_secret_value() or None,
                use_tls=settings.smtp_security == "tls",
                start_tls=settings.smtp_security == "starttls",
                timeout=settings.vendor_timeout_seconds,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _answered(error.recipients[0].code) from error
        except aiosmtplib.SMTPAuthenticationError as error:
            raise NotSent("credentials") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _answered(error.code) from error
        except aiosmtplib.SMTPConnectError as error:
            raise NotSent(type(error).__name__) from error
        except OSError as error:  # a time-out or a broken connection, perhaps after the server took it
            raise Unsure(type(error).__name__) from error
        except (aiosmtplib.SMTPException, ValueError) as error:
            raise Refused("unwritable") from error
        return Receipt(None)

    async def look_up(self, message: Outgoing, since: datetime) -> Sequence[Receipt]:  # noqa: ARG002 - the port's
        """SMTP can't be asked. The same Message-ID again is the same e-mail: mail readers show it once."""
        return []

    def written(self, message: Outgoing) -> EmailMessage:
        """The e-mail as it goes over the wire."""
        mail = EmailMessage()
        user, _, domain = self._from.rpartition("@")
        mail["From"] = Address(self._name, user, domain)
        mail["To"] = message.to
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Reply-To"] = self._reply_to
        mail["Content-Language"] = message.language
        mail["Auto-Submitted"] = "auto-generated"
        mail["List-Unsubscribe"] = f"<mailto:{self._reply_to}?subject=unsubscribe>"
        mail.set_content(message.body)
        mail.add_alternative(html(message.body), subtype="html")
        if message.calendar is not None:
            mail.add_attachment(
                message.calendar.content,
                maintype="text",
                subtype="calendar",
                filename="visit.ics",
                params={"charset": "utf-8", "method": message.calendar.method},
            )
        return mail


def _answered(code: int) -> Exception:
    return NotSent(f"smtp-{code}") if code in _LATER else Refused(f"smtp-{code}")
