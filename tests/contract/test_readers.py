"""What recovery believes of the services' subscriptions is what they subscribe to."""

import importlib

import pytest

from passage.recover import READERS
from shared.contracts.topics import GROUPS, events_of


@pytest.mark.parametrize("service", GROUPS)
def test_recovery_knows_what_a_service_reads(service):
    module = importlib.import_module(f"services.{service}.consumers")
    consumes = module.consumes if hasattr(module, "consumes") else module.consumers(None)
    subscribed = set(consumes.topics(service))
    assert {source for source in READERS if events_of(source) in subscribed} == {
        source for source, readers in READERS.items() if service in readers
    }
