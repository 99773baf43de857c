"""The kernel with one promise broken, each by patching, and the workload that provokes what follows from it.

A mutant is caught when the invariants that judge a whole run find it in the facts of its small one; without the patch
the same workload must leave no violation.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos import mutants_inbox as inbox
from tests.chaos import mutants_relay as relay
from tests.chaos.facts import Facts
from tests.chaos.scene import Scene


@dataclass(frozen=True, slots=True)
class Mutant:
    """`mutate` breaks the promise, `run` is the workload, `caught_by` the invariant that must speak."""

    name: str
    mutate: Callable[[Scene], Awaitable[None]]
    run: Callable[[Scene], Awaitable[Facts]]
    caught_by: str
    broker: bool = True


MUTANTS = (
    Mutant("cursor by id", relay.read_by_id, relay.a_late_commit, "3 published equals committed"),
    Mutant(
        "xmin window", relay.read_below_xmin, relay.an_older_transaction_writes_later, "4 first appearances in sequence"
    ),
    Mutant(
        "identity cache of 20", relay.cache_ids, relay.two_connections_take_turns, "4 first appearances in sequence"
    ),
    Mutant(
        "event inserted outside the lock",
        relay.insert_outside_the_lock,
        relay.two_writers_of_one_subject,
        "4 first appearances in sequence",
    ),
    Mutant(
        "inbox guard by newer", inbox.guard_by_newer, inbox.a_zombie_and_its_successor, "5 effects once", broker=False
    ),
    Mutant("gap hidden by a need", inbox.hide_the_gap, inbox.a_first_event_that_is_not_published, "10 all is drained"),
    Mutant("ACK policy", inbox.acknowledge_always, inbox.a_database_that_is_away_for_a_moment, "6 consumed is handled"),
    Mutant(
        "publish before commit",
        relay.publish_before_commit,
        relay.a_change_that_is_rolled_back,
        "2 no event without its change",
    ),
    Mutant("offset before effect", inbox.offset_first, inbox.a_consumer_killed_in_its_batch, "5 effects once"),
    Mutant("parallel relays", relay.relays_in_parallel, relay.two_processes, "4 first appearances in sequence"),
    Mutant("pruned inbox", inbox.prune_the_inbox, inbox.an_old_replay, "5 effects once", broker=False),
    Mutant("cursor of another cluster", relay.trust_any_cursor, relay.a_restored_dump, "3 published equals committed"),
)
