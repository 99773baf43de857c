"""Fail closed: nothing is booked under an approval while its revocation could not be heard of."""

from shared.service import Service


async def hears(service: Service) -> bool:
    """Whether news of approvals arrives at the moment. Asks the broker, so outside any transaction."""
    reasons = await service.readiness()
    return "consumer" not in reasons and "broker" not in reasons
