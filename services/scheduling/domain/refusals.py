"""Why a booking is not made. Each has a code; the edge puts it into words."""

from collections.abc import Sequence
from datetime import datetime

from services.scheduling.domain.gates import Gate
from services.scheduling.domain.sessions import Need
from services.scheduling.domain.spacing import Breach


class Refused(Exception):
    """It can't be booked so. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Taken(Refused):
    """Something that the appointment needs is taken.

    `raced` when it was free a moment ago: the transaction is to be rolled back, and to look again is worth it.
    """

    def __init__(self, needs: Sequence[Need], *, raced: bool = False) -> None:
        super().__init__("taken")
        self.resources = sorted({need.resource for need in needs})
        self.raced = raced


class Spaced(Refused):
    """A session would lie wrongly beside another of its course."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.code)
        self.breach = breach


class TooSoon(Refused):
    """The policy asks for more notice."""

    def __init__(self, earliest: datetime) -> None:
        super().__init__("notice")
        self.earliest = earliest


class GatesClosed(Refused):
    """A session can't go on while these gates don't hold."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        super().__init__("gates-open")
        self.gates = tuple(gates)
