"""What needs a person, as a sentence with a clock: for the board, the list of tasks and the patient page."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.dashboard.domain.phrase import phrase
from services.dashboard.live import Live
from services.dashboard.repository.read_model import Work
from services.dashboard.words import Words

LATE = timedelta(minutes=5)
FAR = timedelta(days=36_500)
LISTEN = "listen-voicemail"
RECORDING = re.compile(r": (https?://\S+)$")
KEPT = frozenset({"contact-unreadable", "contact-suspect", LISTEN})
"""Tasks about contacts that no program understood."""


OWN_WORDS = KEPT | {
    "answer-lead", "more-information", "opt-out-doubt", "read-answer", "severe-side-effect", "side-effect",
    "side-effect-severe", "something-changed", "text-cancel",
}  # fmt: skip
"""Tasks whose detail is what somebody said: it is quoted. The detail of others is a service's own, in English."""
SAID_ALREADY = frozenset({
    "call-patient", "call-with-answer", "check-insurance", "check-message", "escort-declined", "no-show",
    "no-show-in-danger", "overlap-after-merge", "plan-course", "possible-duplicate", "prep-not-kept", "prep-unanswered",
    "transport-help", "transport-missing",
})  # fmt: skip
"""Tasks of which `then` says what their detail says, in the reader's language."""


@dataclass(frozen=True, slots=True)
class Need:
    """A task as a sentence with a clock. `kind` is "now" when it is late, "due" when it is today's.

    `then` is what follows from it or why it is; `words` are somebody's own, `told` a service's,
    `listen` is the address of what was recorded.
    """

    work: Work
    name: str
    then: str
    words: str
    told: str
    listen: str
    clock: str
    kind: str

    @property
    def kept(self) -> bool:
        """Whether it is about a contact that no program understood."""
        return self.work.kind in KEPT and self.work.patient_id is None


def needs(live: Live, say: Words, tasks: Iterable[Work], now: datetime) -> list[Need]:
    """Tasks as sentences, the nearest deadline first, those without one last."""
    far = now + FAR
    return [
        _need(live, say, task, now)
        for task in sorted(tasks, key=lambda it: (it.deadline or far, it.raised_at, str(it.task_id)))
    ]


def _need(live: Live, say: Words, task: Work, now: datetime) -> Need:
    dates = say.dates
    if task.deadline is None:
        clock, kind = say(phrase("board.no_deadline")), ""
    else:
        late = task.deadline < now + LATE
        today = task.deadline.astimezone(dates.tz).date() == dates.today
        clock, kind = dates.left(task.deadline), "now" if late else "due" if today else ""
    name = live.name(task.patient_id) or say(phrase(_nameless(live, task)))
    words, told = details(live, task)
    words, listen = recorded(words) if task.kind == LISTEN else (words, "")
    # Whom it is about now: what staff do from here is done for who they turned out to be.
    about = replace(task, patient_id=live.survivor(task.patient_id)) if task.patient_id else task
    return Need(about, name, then(live, say, task), words, told, listen, clock, kind)


def recorded(said: str) -> tuple[str, str]:
    """A voicemail's words, `Voicemail, 0:20: https://…`: without the address, and the address; empty where none is."""
    found = RECORDING.search(said)
    return (said[: found.start()], found[1]) if found else (said, "")


def details(live: Live, task: Work) -> tuple[str, str]:
    """What somebody said, and what a service said that `then` doesn't; empty where there is none."""
    detail = live.details.get(task.task_id, "")
    if task.kind in OWN_WORDS:
        return detail, ""
    return "", "" if task.kind in SAID_ALREADY else detail


def then(live: Live, say: Words, task: Work) -> str:
    """What follows from the task, or why it is; empty where its name says all.

    Some name what they are about in their occurrence: the other patient, the item, the kind of message.
    """
    key = f"then.{task.kind}"
    match task.kind:
        case "possible-duplicate":
            other = UUID(task.occurrence)
            return say(phrase(key, name=live.name(other) or phrase("board.unnamed")))
        case "prep-not-kept":
            return say(phrase(key, item=phrase(f"prep.{task.occurrence.split(':')[1]}")))
        case "call-patient":
            message = f"message.{task.occurrence.partition(':')[0]}"
            known = say.texts.has(say.language, message)
            return say(phrase(key, message=phrase(message if known else "message.other")))
        case _ if say.texts.has(say.language, key):
            return say(phrase(key))
        case _:
            return ""


def _nameless(live: Live, task: Work) -> str:
    return "board.unnamed" if task.patient_id and live.survivor(task.patient_id) in live.people else "board.unknown"
