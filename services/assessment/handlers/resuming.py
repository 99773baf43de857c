"""A patient who was elsewhere comes back."""

from uuid import UUID

from services.assessment.domain import chart as charts
from services.assessment.handlers.charts import held, moved
from shared.uow import UnitOfWork


async def reopen(uow: UnitOfWork, patient_id: UUID) -> None:
    """Back to gathering in one step: the day to ask again falls away, the front desk gets the chart to complete.

    Raises:
        Unknown: no such chart. KeyErased. Conflicting: nothing was decided, or an approval is in force.
    """
    chart = await held(uow, patient_id)
    await uow.keys.box(chart.patient_id)  # who was erased does not come back
    after, event = charts.reopened(chart, now=uow.now)
    await moved(uow, chart, after, event)
