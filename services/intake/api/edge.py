"""What intake's doors share."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import asyncpg

from services.intake.agreements import TEXTS
from services.intake.domain.contact import Wrong
from shared.http.problems import Conflict, FieldProblem, Invalid
from shared.service import Service
from shared.uow import UnitOfWork

T = TypeVar("T")
ATTEMPTS = 4


async def attempt(
    service: Service, actor: str, work: Callable[[UnitOfWork], Awaitable[T]], traceparent: str | None = None
) -> T:
    """Run `work` in a transaction of its own; again when the database broke a deadlock at its expense."""
    for left in reversed(range(ATTEMPTS)):
        try:
            async with service.transaction(actor=actor) as uow:
                uow.traceparent = traceparent or uow.traceparent
                return await work(uow)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            if not left:
                raise
    raise AssertionError("the last attempt returns or raises")


def unusable(wrong: Iterable[Wrong], prefix: str = "") -> Invalid:
    """What stands in a contact's way, for a program: field, sentence, remedy."""
    return Invalid(
        fields=[FieldProblem(f"{prefix}{each.field}", *sentences("en", each)) for each in wrong],
        code="unusable_contact",
    )


def sentences(language: str, wrong: Wrong) -> tuple[str, str]:
    """What is wrong with a field, and what to do, in a reader's language."""
    key = f"wrong.{wrong.field}.{wrong.code}"
    return TEXTS.get(language, key), TEXTS.get(language, f"{key}_remedy")


def key_reused() -> Conflict:
    """The same idempotency key with other words."""
    return Conflict(
        "This Idempotency-Key was used for another contact; nothing was kept of this one.",
        code="idempotency_key_reused",
        title="The key was used before",
        remedy="Send this contact again under a new key.",
    )
