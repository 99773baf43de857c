"""What needs a person, as a sentence with a clock: for the board, the list of tasks and the patient page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.dashboard.domain.phrase import phrase
from services.dashboard.live import Live
from services.dashboard.repository.read_model import Work
from services.dashboard.words import Words

LATE = timedelta(minutes=5)
FAR = timedelta(days=36_500)
KEPT = frozenset({"contact-unreadable", "contact-suspect", "listen-voicemail"})
"""Tasks about contacts that no program understood."""


@dataclass(frozen=True, slots=True)
class Need:
    """A task as a sentence with a clock. `kind` is "now" when it is late, "due" when it is today's."""

    work: Work
    name: str
    words: str
    clock: str
    kind: str

    @property
    def kept(self) -> bool:
        """Whether it is about a contact that no program understood."""
        return self.work.kind in KEPT


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
    return Need(task, name, live.details.get(task.task_id, ""), clock, kind)


def _nameless(live: Live, task: Work) -> str:
    return "board.unnamed" if task.patient_id and live.survivor(task.patient_id) in live.people else "board.unknown"
