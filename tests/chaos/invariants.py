"""The invariants of events: from an accepted contact to its effect in every consumer.

Each is a pure function over the facts of a run. It returns what it looked at, as a figure for a person, and every
violation with the id that broke it. `rules.py` has those about patients, rooms and the machine.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate, pairwise

from tests.chaos.facts import EventKey, Facts, Published

LEAD_CREATED = "passage.intake.LeadCreated.v1"
POISON_BOUND = timedelta(seconds=15)
"""How much later than it was written an event may be applied beside a poisoned record."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong, and the one id whose history shows it."""

    id: str
    what: str


@dataclass(slots=True)
class Finding:
    """An invariant's figure, and what broke it."""

    figure: str = ""
    violations: list[Violation] = field(default_factory=list)

    def broken(self, id_: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(id_, what))


Invariant = Callable[[Facts], Finding]


def contacts_have_one_effect(facts: Facts) -> Finding:
    """1. Every 2xx contact has exactly one patient effect and its event; every other has none, or is safe to retry.

    One address leads to one patient, whoever said it and how often; one key is always answered with the same patient;
    a text is told exactly once.
    """
    found = Finding()
    created = Counter(event.subject for event in facts.log if event.type == LEAD_CREATED)
    for patient, times in created.items():
        if times != 1:
            found.broken(patient, f"LeadCreated {times} times")
    refused = {c.address for c in facts.contacts if 400 <= c.status < 500}
    refused -= {c.address for c in facts.contacts if not 400 <= c.status < 500}
    for contact in facts.contacts:
        if contact.door == "text":
            if contact.accepted and facts.words.get(contact.address, 0) != 1:
                found.broken(contact.key, f"an accepted text is told {facts.words.get(contact.address, 0)} times")
            continue
        owners = facts.owners.get(contact.address, [])
        if len(owners) > 1:
            found.broken(contact.key, f"one address leads to {len(owners)} patients")
        if contact.address in refused and owners:
            found.broken(contact.key, f"a contact refused with {contact.status} made a patient")
        if contact.accepted and (not owners or created.get(owners[0], 0) != 1):
            found.broken(contact.key, "an accepted contact has no patient with an event")
    _same_answers(facts, found)
    accepted = sum(contact.accepted for contact in facts.contacts)
    found.figure = f"{accepted} accepted of {len(facts.contacts)} contacts, {len(created)} patients"
    return found


def _same_answers(facts: Facts, found: Finding) -> None:
    """One key is answered with one patient, and with the one whom its address leads to."""
    answers: dict[str, set[str]] = defaultdict(set)
    for contact in facts.contacts:
        if contact.accepted and contact.patient is not None:
            answers[contact.key].add(contact.patient)
            if contact.patient not in facts.owners.get(contact.address, []):
                found.broken(contact.key, "its answer named another patient than its address leads to")
    for key, patients in answers.items():
        if len(patients) > 1:
            found.broken(key, "one key was answered with two patients")


def no_event_without_its_change(facts: Facts) -> Finding:
    """2. No event without its committed change: on the topic only what is in the log, in the log only what stands."""
    found = Finding()
    log = {event.id: event.key for event in facts.log}
    for event in facts.log:
        if event.row is False:
            found.broken(event.subject, f"{event.type} {event.id} tells a change that is in no table")
    seen = [record for record in facts.topic if not record.forged]
    for record in seen:
        if log.get(record.id) != record.key:
            found.broken(record.subject, f"published {record.id} as {record.source}/{record.sequence}: not in the log")
    checked = sum(event.row is not None for event in facts.log)
    found.figure = f"{len(seen)} records are in the log, {checked} of {len(log)} events have a row that stands"
    return found


def published_equals_committed(facts: Facts) -> Finding:
    """3. Everything committed is on its topic.

    What was written before the broker was wiped counts as published where every reader has applied it.
    """
    found = Finding()
    on_topic = {record.id for record in facts.topic}
    for event in facts.log:
        if event.id in on_topic:
            continue
        wiped = facts.wiped_at is not None and event.at < facts.wiped_at
        readers = facts.readers.get(event.source, ())
        applied = all(facts.positions.get((r, event.source, event.subject), 0) >= event.sequence for r in readers)
        if not (wiped and applied):
            found.broken(event.subject, f"{event.type} {event.id} ({event.source}/{event.sequence}) was not published")
    found.figure = f"{len(facts.log)} events, {len(facts.topic)} records"
    return found


def first_appearances_in_sequence(facts: Facts) -> Finding:
    """4. Each subject's first appearances on the topic, and its effects, are in `sequence` order, across fail-over.

    On a broker that was wiped a replay starts where consumers stand, so there only the effects are looked at.
    """
    found = Finding()
    last: dict[tuple[str, str], int] = defaultdict(int)
    for record in facts.topic:
        place = (record.source, record.subject)
        if record.forged or record.epoch > 0 or record.subject in facts.tampered:
            continue
        if record.sequence > last[place] + 1:
            found.broken(record.subject, f"{record.source}/{record.sequence} appeared right after {last[place]}")
        last[place] = max(last[place], record.sequence)
    order: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for effect in facts.effects:
        order[effect.consumer, effect.source, effect.subject].append(effect.sequence)
    for (consumer, source, subject), sequences in order.items():
        for before, after in pairwise([0, *accumulate(sequences, max)]):
            if after > before + 1:
                found.broken(subject, f"{consumer} applied {source}/{after} right after {before}")
    found.figure = f"{len(last)} subjects on topics, {len(order)} in consumers"
    return found


def effects_once(facts: Facts) -> Finding:
    """5. An effect once per (consumer, event); offsets are never ahead of commits."""
    found = Finding()
    times = Counter((effect.consumer, effect.key) for effect in facts.effects)
    for (consumer, key), count in times.items():
        if count > 1:
            found.broken(key[1], f"{consumer} applied {key[0]}/{key[2]} {count} times")
    for consumer, patients in facts.met.items():
        for patient, rows in patients.items():
            if rows != 1:
                found.broken(patient, f"{consumer} has {rows} rows for one patient")
    consumed = 0
    for consumer, record in _consumed(facts):
        consumed += 1
        if facts.positions.get((consumer, record.source, record.subject), 0) < record.sequence and not _kept(
            facts, consumer, record.key
        ):
            found.broken(record.subject, f"{consumer} committed past {record.source}/{record.sequence} without it")
    found.figure = f"{len(times)} effects, {consumed} consumed offsets behind their commits"
    return found


def consumed_is_handled(facts: Facts) -> Finding:
    """6. Every consumed offset is handled, dead-lettered or pending; dead letters hold only what was poison."""
    found = Finding()
    poison = {(one.consumer, one.content) for one in facts.poison}
    given_up = {(letter.consumer, letter.content) for letter in facts.letters}
    for letter in facts.letters:
        if (letter.consumer, letter.content) not in poison:
            found.broken(letter.id, f"{letter.consumer} gave up what was no poison: {letter.reason}")
    for consumer, content in poison - given_up:
        found.broken(content, f"{consumer} swallowed a poisoned record")
    handled = {(effect.consumer, effect.key) for effect in facts.effects}
    lost = 0
    for consumer, record in _consumed(facts):
        if (consumer, record.key) not in handled and not _kept(facts, consumer, record.key):
            lost += 1
            found.broken(record.subject, f"{consumer} passed {record.source}/{record.sequence} unhandled")
    found.figure = f"{len(facts.letters)} dead letters for {len(poison)} poisoned records, {lost} offsets unhandled"
    return found


def poison_delays_nobody(facts: Facts) -> Finding:
    """7. One poison record delays no other key beyond a bound."""
    found = Finding()
    places = {record.id: record.partition for record in facts.topic}
    topics = {record.id: record.topic for record in facts.topic}
    applied = {(effect.consumer, effect.key): effect.at for effect in facts.effects if effect.at is not None}
    worst, beside = timedelta(), 0
    for poison in facts.poison:
        for event in facts.log:
            here = topics.get(event.id) == poison.topic and places.get(event.id) == poison.partition
            at = applied.get((poison.consumer, event.key))
            if not here or at is None or not poison.at <= event.at <= poison.until:
                continue
            beside += 1
            worst = max(worst, at - event.at)
            if at - event.at > POISON_BOUND:
                found.broken(event.subject, f"{poison.consumer} applied it {at - event.at} after it was written")
    found.figure = f"{beside} events beside {len(facts.poison)} poisoned records, worst {worst.total_seconds():.1f} s"
    return found


def _kept(facts: Facts, consumer: str, key: EventKey) -> bool:
    """Whether an event waits in the consumer's tables, by itself or behind a dead letter."""
    return (consumer, *key) in facts.parked or any(
        letter.consumer == consumer and letter.event == key for letter in facts.letters
    )


def _consumed(facts: Facts) -> Iterable[tuple[str, Published]]:
    """Real records of the last epoch below a reader's committed offset."""
    epoch = max((record.epoch for record in facts.topic), default=0)
    for record in facts.topic:
        if record.forged or record.epoch != epoch:
            continue
        for consumer in facts.readers.get(record.source, ()):
            if record.offset < facts.offsets.get((consumer, record.topic, record.partition), 0):
                yield consumer, record
