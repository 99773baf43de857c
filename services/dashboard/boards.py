"""The board as its readers see it: made once for all who read the same language and have the same roles.

The promise: an open board has what changed within one round; a card is rendered when something about it changed and not
once for each reader. What is sent is a difference between two rounds; who missed one asks for the whole board again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import token_hex
from time import monotonic
from typing import Any
from uuid import UUID

from markupsafe import Markup

from services.dashboard.domain.board import Card, Stage
from services.dashboard.live import Live, Person
from services.dashboard.needs import Need, needs
from services.dashboard.roster import Entry, Roster
from services.dashboard.words import Words
from shared.http.streams import until_any
from shared.service import Service
from shared.web.dates import Dates
from shared.web.pages import Pages

CARE = frozenset({"front_desk", "provider", "monitor"})
READS = CARE | {"auditor"}
"""Whom the pages of patients let in."""
Sight = tuple[bool, bool]
"""What of a card is shown: the patient's own words, the way to their page."""
COLUMN_LIMIT = 40
NEEDS_LIMIT = 12
ROUND_SECONDS = 0.04
"""At most so often is the board made anew: what happens meanwhile is told together."""
TICK_SECONDS = 3.0
"""Without any change: waiting times grow, deadlines pass, a fifth of the cards is made anew (see CARD_SECONDS)."""
AHEAD_SECONDS = 1.0
"""At most so often is what nobody has open written anew."""
MOST_KEPT = 20_000
BACKLOG = 8
SAME = Markup('<li data-key="{}" data-same></li>')


@dataclass(frozen=True, slots=True)
class View:
    """All who see the same board."""

    language: str
    roles: frozenset[str]

    @property
    def sight(self) -> Sight:
        """What they see of a card."""
        return bool(self.roles & CARE), bool(self.roles & READS)


@dataclass(eq=False, slots=True)
class Reader:
    """An open board. `news` holds what it was not sent yet; `behind`: too much for that, it asks for the whole."""

    round: str = ""
    """Which round the first news starts from."""
    news: deque[str] = field(default_factory=deque)
    behind: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False, frozen=True, slots=True)
class Item:
    """A card or a task as it is shown; `named` stands for it where it is as it was."""

    key: str
    html: Markup
    named: Markup

    @classmethod
    def of(cls, key: str, html: str) -> "Item":
        """Ready to be sent."""
        return cls(key, Markup(html), SAME.format(key))  # noqa: S704 - what our own template made


@dataclass(frozen=True, slots=True)
class Column:
    """A stage: how many are there, and the first of them as they are shown. `same`: as in the round before."""

    stage: Stage
    count: int
    items: tuple[Item, ...]
    same: bool = False

    @property
    def cards(self) -> list[Markup]:
        """Their HTML."""
        return [item.html for item in self.items]


@dataclass(frozen=True, slots=True)
class Shown:
    """A view at a moment."""

    needs: tuple[Item, ...]
    need_count: int
    others: int
    coming: tuple[datetime, str] | None
    columns: tuple[Column, ...]


@dataclass(slots=True)
class _Audience:
    shown: Shown
    """What they all have, and as of which round."""
    round: str
    readers: set[Reader] = field(default_factory=set)


class Boards:
    """One per process.

    A round is named `epoch:revision`, after what the board in memory had taken over; numbers of another process mean
    nothing here. A difference fits whatever is at least as new as the round that it starts from.
    """

    def __init__(self, live: Live) -> None:
        self.live = live
        self.epoch = token_hex(4)
        self._pages: Pages
        self._service: Service
        self._audiences: dict[View, _Audience] = {}
        self._roster = Roster()
        self._columns: dict[tuple[str, Sight], tuple[Column, ...]] = {}
        self._cards: dict[tuple[str, Sight, UUID], tuple[Person, Card, Item]] = {}
        self._tasks: dict[tuple[View, UUID], Item] = {}
        self._written = False

    @property
    def round(self) -> str:
        """The name of what would be shown now."""
        return f"{self.epoch}:{self.live.revision}"

    def trouble(self) -> str:
        """Why nobody should be sent here yet: whoever comes would wait until everybody was read and written."""
        return "" if self._written else "is being filled"

    def use(self, pages: Pages, service: Service) -> None:
        """What the boards are written with."""
        self._pages, self._service = pages, service

    def context(self, view: View) -> dict[str, Any]:
        """What the templates of the whole board need."""
        return self._context(self._look(view, self._service.clock.now()))

    def of_stage(self, view: View, stage: Stage, first: int, most: int) -> tuple[int, list[Markup]]:
        """How many are in a stage, and the cards of some of them, in the order of the board."""
        now = self._service.clock.now()
        dates = self._dates(view.language, now)
        self._roster.look(self.live, now)
        people, say, sight = self._roster.columns[stage], self._say(dates), view.sight
        return len(people), [self._card(sight, dates, say, one).html for one in people[first : first + most]]

    @contextlib.contextmanager
    def reading(self, view: View) -> Iterator[Reader]:
        """Register an open board for as long as it is."""
        reader = Reader()
        if view not in self._audiences:
            self._audiences[view] = _Audience(self._look(view, self._service.clock.now()), self.round)
        audience = self._audiences[view]
        audience.readers.add(reader)
        reader.round = audience.round
        try:
            yield reader
        finally:
            audience.readers.discard(reader)
            if not audience.readers:
                self._audiences.pop(view, None)

    async def follow(self, service: Service) -> None:
        """The job: a round when something changed, and from time to time."""
        await self.live.ready()
        views = [View(language, CARE) for language in service.clinic.languages]
        written = float("-inf")
        with self.live.listening(None) as listener:
            while True:
                self._tell(service.clock.now())
                if monotonic() - written >= AHEAD_SECONDS and not (self._written and self.live.rushed):
                    written = monotonic()
                    await self._write_ahead(views, service)
                    self._written = True
                await asyncio.sleep(ROUND_SECONDS)
                await until_any(listener.woken, seconds=TICK_SECONDS)
                listener.woken.clear()

    async def _write_ahead(self, views: Sequence[View], service: Service) -> None:
        """What nobody has open: whoever opens it next doesn't wait for its cards to be written."""
        read = {(view.language, view.sight) for view in self._audiences}
        for view in views:
            if (view.language, view.sight) not in read:
                self._look(view, service.clock.now())
                await asyncio.sleep(0)

    def _tell(self, now: datetime) -> None:
        for view, audience in self._audiences.items():
            last, fresh, before = audience.shown, self._look(view, now), audience.round
            if last == fresh and before == self.round:
                continue
            audience.shown, audience.round = fresh, self.round
            news = self._in_html(view, now, _difference(last, fresh), before)
            for reader in audience.readers:
                _send(reader, news)

    def _in_html(self, view: View, now: datetime, shown: Shown, before: str) -> str:
        dates = self._dates(view.language, now)
        context = {**self._context(shown), "say": self._say(dates), "before": before}
        html = self._pages.fragment("_board.html", self._service.clinic, dates, **context)
        lines = "".join(f"data: {line}\n" for line in html.splitlines() if line)
        return f"id: {self.live.cursor}\nevent: board\n{lines}\n"

    def _context(self, shown: Shown) -> dict[str, Any]:
        return {
            "columns": shown.columns,
            "needs": [item.html for item in shown.needs],
            "need_count": shown.need_count,
            "others": shown.others,
            "coming": shown.coming,
            "round": self.round,
            "before": "",
        }

    def _look(self, view: View, now: datetime) -> Shown:
        live, dates = self.live, self._dates(view.language, now)
        say = self._say(dates)
        mine = needs(live, say, (task for task in live.work.values() if task.role in view.roles), now)
        self._roster.look(live, now)
        return Shown(
            tuple(self._need(view, dates, say, need) for need in mine[:NEEDS_LIMIT]),
            len(mine),
            len(live.work) - len(mine),
            self._roster.coming,
            self._look_at_columns(dates, say, view.sight),
        )

    def _look_at_columns(self, dates: Dates, say: Words, sight: Sight) -> tuple[Column, ...]:
        """The same object where nothing changed: all who read this language are told of it by the same words."""
        fresh = tuple(
            Column(stage, len(people), tuple(self._card(sight, dates, say, one) for one in people[:COLUMN_LIMIT]))
            for stage, people in self._roster.columns.items()
        )
        last = self._columns.get((dates.language, sight))
        if last == fresh:
            return last
        self._columns[dates.language, sight] = fresh
        return fresh

    def _card(self, sight: Sight, dates: Dates, say: Words, entry: Entry) -> Item:
        person, card = entry.person, entry.card
        place = (dates.language, sight, person.patient_id)
        kept = self._cards.get(place)
        if kept is not None and kept[0] is person and kept[1] is card:
            return kept[2]
        words = person.words if sight[0] else ""
        html = self._fragment("_card.html", dates, say, card=card, name=person.name, words=words, reads=sight[1])
        item = kept[2] if kept is not None and kept[2].html == html else Item.of(f"card-{person.patient_id}", html)
        if len(self._cards) >= MOST_KEPT:
            self._cards.clear()
        self._cards[place] = (person, card, item)
        return item

    def _need(self, view: View, dates: Dates, say: Words, need: Need) -> Item:
        html = self._fragment("_need.html", dates, say, need=need, roles=view.roles, back="/")
        place = (view, need.work.task_id)
        kept = self._tasks.get(place)
        item = kept if kept is not None and kept.html == html else Item.of(f"task-{need.work.task_id}", html)
        if len(self._tasks) >= MOST_KEPT:
            self._tasks.clear()
        self._tasks[place] = item
        return item

    def _fragment(self, template: str, dates: Dates, say: Words, **context: Any) -> str:
        return self._pages.fragment(template, self._service.clinic, dates, say=say, **context)

    def _dates(self, language: str, now: datetime) -> Dates:
        return Dates(language, self._service.clinic.tz, now, self._pages.texts)

    def _say(self, dates: Dates) -> Words:
        return Words(self._pages.texts, dates.language, self._service.clinic, dates)


def reaches(shown: str, round_: str) -> bool:
    """Whether a page that shows one round has what the other one had."""
    (epoch, _, number), (other, _, begun) = shown.partition(":"), round_.partition(":")
    return epoch == other and number.isdecimal() and len(number) < 19 and int(number) >= int(begun)


def _difference(last: Shown, fresh: Shown) -> Shown:
    """The fresh one, with what was there before only named."""
    columns = tuple(
        Column(now.stage, now.count, _named(before.items, now.items), same=now == before)
        for before, now in zip(last.columns, fresh.columns, strict=True)
    )
    return replace(fresh, needs=_named(last.needs, fresh.needs), columns=columns)


def _named(last: Sequence[Item], fresh: Sequence[Item]) -> tuple[Item, ...]:
    known = set(last)
    return tuple(replace(item, html=item.named) if item in known else item for item in fresh)


def _send(reader: Reader, news: str) -> None:
    if len(reader.news) >= BACKLOG:
        reader.news.clear()
        reader.behind = True
    else:
        reader.news.append(news)
    reader.woken.set()
