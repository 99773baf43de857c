"""Whatever the description allows and forbids, the doors answer with something a program can read."""

import asyncio
import contextlib

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok

from tests.support.intake import Intake

MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
QUIET = settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
async def intake(world):
    async with world.start("intake") as running:
        yield await Intake.of(running, world)


def cases_of(operation, mode):
    """Requests as the description allows them, or not; made before any is sent, so that nothing else runs meanwhile."""
    made = []

    @QUIET
    @given(case=operation.as_strategy(generation_mode=mode))
    def collect(case):
        made.append(case)

    with contextlib.suppress(Unsatisfiable):  # where nothing is asked for, nothing can be wrong
        collect()
    return made


async def test_no_request_of_any_shape_makes_an_error_of_ours(intake):
    schema = schemathesis.openapi.from_dict((await intake.http.get("/openapi.json")).json())
    headers = {"X-API-Key": intake.key, **intake.running.as_staff("dana")}
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 10
    for operation in operations:
        for case in (case for mode in MODES for case in cases_of(operation, mode)):
            for name in [name for name in case.headers or {} if name.lower() in {"x-api-key", "authorization"}]:
                del case.headers[name]
            answer = await asyncio.to_thread(case.call, base_url=intake.running.url, headers=headers, timeout=10)
            said = (case.method, case.path, answer.status_code, str(answer.headers.get("content-type")))
            assert answer.status_code < 500, (*said, answer.text)
            assert answer.status_code < 400 or "problem+json" in said[3], said
