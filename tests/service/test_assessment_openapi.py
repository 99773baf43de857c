"""Whatever the description allows and forbids, assessment answers with something a program can read."""

import asyncio
import contextlib

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok

from tests.support.kernel import create_lead
from tests.support.waiting import eventually

MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
QUIET = settings(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


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


@pytest.fixture
async def patient(world, assessment):
    async with world.start("intake") as intake:
        patient = await create_lead(intake.service)

        async def opened():
            answer = await assessment.http.get(f"/api/v1/charts/{patient}", headers=assessment.as_staff("osei"))
            return answer.status_code

        await eventually(opened, equals=200)
    return patient


@pytest.fixture
async def assessment(start):
    return await start("assessment")


async def test_no_request_of_any_shape_makes_an_error_of_ours(assessment, patient):
    schema = schemathesis.openapi.from_dict((await assessment.http.get("/openapi.json")).json())
    headers = assessment.as_staff("osei", step_up=True)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 10
    for operation in operations:
        for case in (case for mode in MODES for case in cases_of(operation, mode)):
            if "patient_id" in (case.path_parameters or {}):
                case.path_parameters["patient_id"] = str(patient)
            for name in [name for name in case.headers or {} if name.lower() == "authorization"]:
                del case.headers[name]  # an invented token would hide all that lies behind a good one
            answer = await asyncio.to_thread(case.call, base_url=assessment.url, headers=headers, timeout=10)
            said = (case.method, case.path, answer.status_code, str(answer.headers.get("content-type")))
            assert answer.status_code < 500, (*said, answer.text)
            assert answer.status_code < 400 or "problem+json" in said[3], said
