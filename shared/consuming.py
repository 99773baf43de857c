"""Which event goes to which handler: the whole content of a service's `consumers.py`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from shared.contracts.base import Event, Source
from shared.contracts.envelope import Envelope
from shared.contracts.intake import LeadCreated, PatientErased
from shared.contracts.registry import BY_TYPE, EVENTS
from shared.contracts.topics import events_of
from shared.uow import UnitOfWork

E = TypeVar("E", bound=Event)
Handler = Callable[[UnitOfWork, E, Envelope], Awaitable[None]]


class Record(NamedTuple):
    """A Kafka record that is no event of ours, as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


RawHandler = Callable[[UnitOfWork, Record], Awaitable[None]]
Together = Callable[[UnitOfWork, Sequence[Record]], Awaitable[Sequence[Record]]]
"""Takes many records in one transaction and gives those of which it wrote nothing: each of them goes by itself."""
Told = Sequence[tuple[Event, Envelope]]
BatchHandler = Callable[[UnitOfWork, Told], Awaitable[None]]

KERNEL_TYPES = frozenset({LeadCreated.type_from("intake"), PatientErased.type_from("intake")})
"""Read in every service, handler or not: they bring and take a patient's key."""


class Consumes:
    """One per service. `@consumes(LeadCreated)` above a function of (uow, event, envelope)."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler[Any]] = {}
        self.raw_handlers: dict[str, RawHandler] = {}
        self.together: dict[str, Together] = {}
        self.batch_handler: BatchHandler | None = None

    def __call__(self, event: type[E], *, source: Source | None = None) -> Callable[[Handler[E]], Handler[E]]:
        """Have this function called with every `event` of its producer, or of all producers for tasks."""
        sources = [source] if source else [name for name, events in EVENTS.items() if event in events]
        if not sources:
            raise LookupError(f"{event.__name__} is published by no service")

        def register(handler: Handler[E]) -> Handler[E]:
            for name in sources:
                type_ = event.type_from(name)
                if type_ in self.handlers:
                    raise ValueError(f"{type_} has a handler already")
                self.handlers[type_] = handler
            return handler

        return register

    def raw(self, topic: str, *, together: Together | None = None) -> Callable[[RawHandler], RawHandler]:
        """Have this function called with every record of a topic that is not an event log, or with those only that
        `together` leaves of what was read at once.
        """

        def register(handler: RawHandler) -> RawHandler:
            self.raw_handlers[topic] = handler
            if together is not None:
                self.together[topic] = together
            return handler

        return register

    def everything(self, handler: BatchHandler) -> BatchHandler:
        """Have this one function called with all events of a transaction, of every type, in the order of applying.

        For a reader of everything, whose statements take many rows as easily as one. A PatientErased is the last of
        its call. There are no other handlers beside it.
        """
        if self.handlers:
            raise ValueError("a service has handlers by type or one for all of them")
        self.batch_handler = handler
        for source, events in EVENTS.items():
            for event in events:
                self.handlers[event.type_from(source)] = _gathered
        return handler

    @property
    def types(self) -> list[str]:
        """The CloudEvents types that have a handler, sorted."""
        return sorted(self.handlers)

    def model(self, type_: str) -> type[Event] | None:
        """The contract of a type that this service reads; None for what passes by."""
        return BY_TYPE.get(type_) if type_ in self.handlers or type_ in KERNEL_TYPES else None

    def topics(self, service: str) -> list[str]:
        """What the service subscribes to. intake's topic always, except by intake: patients' keys travel there."""
        sources = ({"intake"} - {service}) | {type_.split(".")[1] for type_ in self.handlers}
        return sorted(events_of(source) for source in EVENTS if source in sources) + sorted(self.raw_handlers)


async def _gathered(_uow: UnitOfWork, _event: Event, _at: Envelope) -> None:
    """Stands for the one handler that takes all events of a transaction together."""
