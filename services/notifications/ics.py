"""The visits of a message as a file for the patient's own calendar (RFC 5545, 5546). It says nothing about health."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from icalendar import Calendar, Event, vCalAddress, vText

from services.notifications.rendering import spoken
from services.notifications.rows import VisitRow
from shared.clinic import Clinic

BOOKED = frozenset({"consultation_scheduled", "course_scheduled", "session_scheduled", "rescheduled"})
"""The messages that put visits into the patient's calendar; `cancelled` takes them out of it."""


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """What is attached to an e-mail. `method` is PUBLISH or CANCEL, in the file and in its MIME type alike."""

    method: str
    content: bytes


def calendar_file(
    clinic: Clinic, language: str, kind: str, visits: Sequence[VisitRow], at: datetime
) -> CalendarFile | None:
    """The file that goes with an e-mail of this kind; None where there is nothing to put into a calendar.

    A visit keeps its UID, the appointment's id, through all its moves; SEQUENCE counts them, so that a calendar never
    takes an older mail for news. What another system booked stands in the calendar by that system's own mail.
    """
    cancelled = kind == "cancelled"
    ours = [visit for visit in visits if not visit.external]
    if not ours or not (cancelled or kind in BOOKED):
        return None
    method = "CANCEL" if cancelled else "PUBLISH"
    calendar = Calendar()
    calendar.add("prodid", "-//Passage//Visits//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    for visit in ours:
        calendar.add_component(_event(clinic, language, visit, at, cancelled=cancelled))
    calendar.add_missing_timezones()
    return CalendarFile(method, calendar.to_ical())


def _event(clinic: Clinic, language: str, visit: VisitRow, at: datetime, *, cancelled: bool) -> Event:
    words = clinic.messages.words[language]
    fields = {"clinic": clinic.messages.sender, "phone": spoken(clinic.phone)}
    organizer = vCalAddress(f"mailto:{clinic.email}")
    organizer.params["cn"] = vText(clinic.messages.sender)
    event = Event()
    event.add("uid", str(visit.id))
    event.add("sequence", visit.revision + int(cancelled))
    event.add("dtstamp", at)
    event.add("dtstart", visit.starts_at.astimezone(visit.tz))
    event.add("dtend", visit.ends_at.astimezone(visit.tz))
    event.add("summary", words.calendar_title.format_map(fields))
    event.add("description", words.calendar_note.format_map(fields))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("organizer", organizer)
    if visit.mode in (None, "in_person"):
        event.add("location", clinic.address)
    return event
