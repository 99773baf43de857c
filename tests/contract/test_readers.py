"""The written table of who reads what is what the services' `consumers.py` say."""

import importlib

import pytest

from passage.recover import READERS
from shared.contracts.readers import READS, read_from, readers_of
from shared.contracts.topics import GROUPS, events_of


def consumes_of(service):
    module = importlib.import_module(f"services.{service}.consumers")
    return module.consumes if hasattr(module, "consumes") else module.consumers(None)


def test_every_consumer_group_is_in_the_table():
    assert tuple(READS) == GROUPS


@pytest.mark.parametrize("service", GROUPS)
def test_the_table_names_exactly_the_events_that_a_service_handles(service):
    written = {event.type_from(source) for source, events in read_from(service).items() for event in events}
    assert written == set(consumes_of(service).types), "change shared/contracts/readers.py, then renew the documents"


@pytest.mark.parametrize("service", GROUPS)
def test_recovery_knows_what_a_service_reads(service):
    subscribed = set(consumes_of(service).topics(service))
    assert {source for source in READERS if events_of(source) in subscribed} == {
        source for source, readers in READERS.items() if service in readers
    }


def test_a_change_can_be_told_to_those_it_reaches():
    assert readers_of("intake", "LeadCreated") == ["assessment", "scheduling", "notifications", "dashboard"]
    assert readers_of("assessment", "CandidateApproved") == ["scheduling", "dashboard"]
    assert readers_of("assessment", "LeadCreated") == []
