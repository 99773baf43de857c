"""For the front desk: two records of one person become one, and are taken apart again."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from services.intake.api.edge import attempt
from services.intake.handlers import merging, people
from shared.contracts.base import Code
from shared.http.auth import Staff, staff
from shared.http.deps import ServiceDep
from shared.http.describing import answers
from shared.http.problems import Conflict, FieldProblem, NotFound, Unavailable
from shared.service import Service
from shared.uow import UnitOfWork

router = APIRouter(prefix="/api/v1/patients/{patient_id}", tags=["staff"])
FrontDesk = Annotated[Staff, Depends(staff("front_desk"))]
SENTENCES: dict[merging.Why, tuple[str, str]] = {
    "same-record": ("Both are the same record.", "Choose another person."),
    "other-unknown": ("Nobody with this id is known here, or they were erased.", "Look the other person up again."),
    "other-elsewhere": (
        "The other record is already part of a third person's.",
        "Look at who they are now, or take those two apart first.",
    ),
    "merged-away": (
        "The record that is to stay is itself part of another person's.",
        "Look at who they are now, and choose again.",
    ),
    "other-has-others": (
        "The other record holds records that were merged into it.",
        "Let that one stay, or take those apart first.",
    ),
    "other-treated": (
        "The other person was treated: their chart is kept by law under their own record.",
        "Let that one stay. Where both were treated, both records stay.",
    ),
    "closed": (
        "The record that is to stay is closed: nobody follows it.",
        "Let the other one stay; a new contact reopens a closed one, too.",
    ),
    "not-merged": ("The other record is part of a third person's.", "Look at who they are now."),
}
"""Why two are not joined, or not taken apart, and what to do."""


class Merging(BaseModel):
    """`absorbed_id` is the record that from now on means this patient."""

    model_config = ConfigDict(extra="forbid")

    absorbed_id: UUID
    reason: Code = "same-person"


class Unmerging(BaseModel):
    """`absorbed_id` is the record that stands for itself again."""

    model_config = ConfigDict(extra="forbid")

    absorbed_id: UUID
    reason: Code = "two-people"


def refused(why: merging.Why) -> Conflict:
    """The sentence for a person."""
    sentence, remedy = SENTENCES[why]
    return Conflict(
        sentence,
        code=why.replace("-", "_"),
        title="These two records can't be joined or parted like this",
        remedy=remedy,
        fields=[FieldProblem("absorbed_id", sentence, remedy)],
    )


def _not_heard() -> Unavailable:
    return Unavailable(
        "Whether the other person was treated can't be told right now.",
        code="facts_behind",
        remedy="Try again in a minute. If it stays so, look for dead letters of intake.",
    )


REFUSALS = answers(NotFound("Nobody with this id is known here."), *map(refused, SENTENCES), _not_heard())


@router.post("/merge", status_code=204, responses=REFUSALS)
async def merge(patient_id: UUID, body: Merging, service: ServiceDep, who: FrontDesk) -> None:
    """Two records are one person's: this one stays. Nothing is copied, and it can be undone."""
    await _do(service, who, lambda uow: merging.merge(uow, patient_id, body.absorbed_id, body.reason))


@router.post("/unmerge", status_code=204, responses=REFUSALS)
async def unmerge(patient_id: UUID, body: Unmerging, service: ServiceDep, who: FrontDesk) -> None:
    """They are two people after all: each has their own addresses, consents and tasks again."""
    await _do(service, who, lambda uow: merging.unmerge(uow, patient_id, body.absorbed_id, body.reason))


async def _do(service: Service, who: Staff, work: Callable[[UnitOfWork], Awaitable[None]]) -> None:
    try:
        await attempt(service, who.actor, work)
    except people.UnknownPatient as error:
        raise NotFound("Nobody with this id is known here.") from error
    except people.NotHeard as error:
        raise _not_heard() from error
    except merging.Refused as error:
        raise refused(error.why) from error
