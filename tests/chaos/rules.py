"""The invariants of messages, bookings, and what a run leaves behind; the table of all twelve."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from tests.chaos.facts import Delivery, Facts, Message, Move
from tests.chaos.invariants import (
    Finding,
    Invariant,
    consumed_is_handled,
    contacts_have_one_effect,
    effects_once,
    first_appearances_in_sequence,
    no_event_without_its_change,
    poison_delays_nobody,
    published_equals_committed,
)

OUT = ("sent", "delivered")
FOLLOWS = timedelta(seconds=10)
"""A process hears of a moved clock within this; until then its stamps are of the old time."""
ANSWERED = frozenset({200, 201, 202, 204, 403, 404, 409, 422})
CLOCKS_DIFFER = timedelta(seconds=2)


def reminders_once_by_day(facts: Facts) -> Finding:
    """8. A reminder is sent at least once, twice only where the provider can't be asked, never early, never at night.

    An e-mail that comes twice is the same e-mail, by its Message-ID, after a second try. Answers and safety messages
    are not held back; nor is what would be of no use in the morning.
    """
    found = Finding()
    arrived: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in facts.deliveries:
        arrived[delivery.message].append(delivery)
    by_id = {message.id: message for message in facts.messages}
    for message in facts.messages:
        deliveries = arrived.get(message.id, [])
        if message.state in OUT and not message.carried and not deliveries:
            found.broken(message.id, f"{message.kind} is {message.state}, and no carrier has it")
        if len(deliveries) > 1 and not _may_come_twice(facts, message, deliveries):
            found.broken(message.id, f"{message.kind} went out {len(deliveries)} times")
    for message_id, deliveries in arrived.items():
        known = by_id.get(message_id)
        if known is None:
            found.broken(message_id, "a carrier has what is not in the ledger")
            continue
        for delivery in deliveries:
            if _latest(facts.moves, delivery.at) < known.due_at - CLOCKS_DIFFER:
                found.broken(known.id, f"{known.kind} went out at {delivery.at}, due at {known.due_at}")
            if _at_night(facts, known, delivery):
                found.broken(known.id, f"{known.kind} was texted at {delivery.at.astimezone(ZoneInfo(known.zone))}")
    texts = sum(delivery.channel == "sms" for delivery in facts.deliveries)
    found.figure = f"{len(facts.messages)} messages, {texts} texts and {len(facts.deliveries) - texts} mails arrived"
    return found


def bookings_do_not_overlap(facts: Facts) -> Finding:
    """9. No overlap in bookings; every attempt ends accepted or in conflict; what was accepted stands."""
    found = Finding()
    by_resource: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
    for booking in facts.bookings:
        by_resource[booking.resource].append((booking.start, booking.end, booking.appointment))
    for resource, spans in by_resource.items():
        for (_, end, one), (start, _, other) in pairwise(sorted(spans)):
            if start < end and one != other:
                found.broken(other, f"{resource} is taken twice at {start}, also by {one}")
    keys: dict[str, set[str]] = defaultdict(set)
    for attempt in facts.attempts:
        if attempt.status not in ANSWERED:
            found.broken(attempt.key, f"{attempt.what} ended with {attempt.status or 'no answer'}")
        if attempt.appointment is not None:
            keys[attempt.key].add(attempt.appointment)
            if attempt.appointment not in facts.appointments:
                found.broken(attempt.appointment, f"{attempt.what} was accepted and is not there")
    for key, appointments in keys.items():
        if len(appointments) > 1:
            found.broken(key, f"one key booked {len(appointments)} appointments")
    refused = sum(attempt.status == 409 for attempt in facts.attempts)
    found.figure = f"{len(facts.bookings)} bookings, {len(facts.attempts)} attempts, {refused} in conflict"
    return found


def all_is_drained(facts: Facts) -> Finding:
    """10. After the faults stop: outbox empty, lag zero, timers caught up, nothing parked but behind a dead letter."""
    found = Finding()
    ends: dict[tuple[str, str], int] = defaultdict(int)
    for event in facts.log:
        ends[event.source, event.subject] = max(ends[event.source, event.subject], event.sequence)
    behind = 0
    for (source, subject), end in ends.items():
        for reader in facts.readers.get(source, ()):
            position = facts.positions.get((reader, source, subject), 0)
            if position < end:
                behind += 1
                found.broken(subject, f"{reader} stands at {source}/{position} of {end}")
    for reader, source, subject, sequence in facts.parked:
        found.broken(subject, f"{reader} still keeps {source}/{sequence} parked")
    for kind, ids in facts.waiting.items():
        for one in ids:
            found.broken(one, f"still waiting: {kind}")
    waiting = sum(map(len, facts.waiting.values()))
    found.figure = f"{len(ends)} subjects, {behind} positions behind, {waiting} waiting, {len(facts.parked)} parked"
    return found


def growth_is_bounded(facts: Facts) -> Finding:
    """11. Dead rows, WAL, connections and memory stay within their limits over the run."""
    found = Finding()
    highest: dict[str, tuple[float, float]] = {}
    for sample in facts.samples:
        if sample.value > sample.limit:
            found.broken(sample.name, f"{sample.value:.0f}, more than {sample.limit:.0f}")
        if sample.value >= highest.get(sample.name, (-1.0, 0.0))[0]:
            highest[sample.name] = (sample.value, sample.limit)
    worst = sorted(highest.items(), key=lambda one: -one[1][0] / one[1][1])[:3]
    said = ", ".join(f"{name} {value:.0f} of {limit:.0f}" for name, (value, limit) in worst)
    found.figure = f"{len(facts.samples)} samples of {len(highest)}; nearest to their limits: {said or 'none'}"
    return found


def stream_equals_projection(facts: Facts) -> Finding:
    """12. A stream resumed by its cursor equals the projection: a page that looked only when told knows all of it."""
    found = Finding()
    if facts.streamed is None:
        found.figure = "no page followed"
        return found
    for subject in sorted(facts.projected.keys() | facts.streamed.keys()):
        shown, stands = facts.streamed.get(subject, 0), facts.projected.get(subject, 0)
        if shown != stands:
            found.broken(subject.rpartition("/")[2], f"the page shows {shown}, the projection {stands}")
    found.figure = f"{len(facts.projected)} subjects, {len(facts.streamed)} on the page"
    return found


def _latest(moves: list[Move], at: datetime) -> datetime:
    """The latest moment that a stamp can mean: right after a jump a process may still show the time before it."""
    jumped = [move.after + (at - move.before) for move in moves if move.before <= at <= move.before + FOLLOWS]
    return max([at, *jumped])


def _may_come_twice(facts: Facts, message: Message, deliveries: list[Delivery]) -> bool:
    if message.channel == "email":
        return message.attempts > 1
    doubtful = (any(start <= one.at <= end for start, end in _unsure(facts)) for one in deliveries)
    return message.attempts > 1 and any(doubtful)


def _unsure(facts: Facts) -> list[tuple[datetime, datetime]]:
    """When nobody could tell; a window in which the clock jumped goes on in the time after the jump."""
    windows = list(facts.unsure)
    for start, end in windows:
        windows += [
            (move.after, end + (move.after - move.before)) for move in facts.moves if start <= move.before <= end
        ]
    return windows


def _at_night(facts: Facts, message: Message, delivery: Delivery) -> bool:
    """A text outside the hours, that could have waited for the morning. `at` is judged as either side of a jump."""
    if delivery.channel != "sms" or message.exempt:
        return False
    zone = ZoneInfo(message.zone)
    moments = {delivery.at, _latest(facts.moves, delivery.at), message.sent_at or delivery.at}
    moments |= {move.before for move in facts.moves if move.after <= delivery.at <= move.after + FOLLOWS}
    return all(
        not _within(facts, at.astimezone(zone)) and _opening(facts, at, zone) <= message.latest for at in moments
    )


def _within(facts: Facts, local: datetime) -> bool:
    start, end = facts.send_between
    return start <= f"{local:%H:%M}" < end


def _opening(facts: Facts, at: datetime, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, facts.send_between[0].split(":"))
    local = at.astimezone(zone)
    opening = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return opening if opening >= local else opening + timedelta(days=1)


INVARIANTS: dict[str, Invariant] = {
    "1 contacts have one effect": contacts_have_one_effect,
    "2 no event without its change": no_event_without_its_change,
    "3 published equals committed": published_equals_committed,
    "4 first appearances in sequence": first_appearances_in_sequence,
    "5 effects once": effects_once,
    "6 consumed is handled": consumed_is_handled,
    "7 poison delays nobody": poison_delays_nobody,
    "8 reminders once, by day": reminders_once_by_day,
    "9 bookings do not overlap": bookings_do_not_overlap,
    "10 all is drained": all_is_drained,
    "11 growth is bounded": growth_is_bounded,
    "12 stream equals projection": stream_equals_projection,
}


def judge(facts: Facts) -> dict[str, Finding]:
    """All invariants over the facts of one run, by name."""
    return {name: invariant(facts) for name, invariant in INVARIANTS.items()}
