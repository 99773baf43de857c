"""The checked-in contracts are what the code says, and nothing promised was broken."""

import json
from uuid import UUID

import jsonschema
import pytest
from pydantic import BaseModel

from shared.contracts import schema
from shared.contracts.base import SOURCES
from shared.contracts.envelope import from_headers
from shared.contracts.registry import EVENTS
from shared.contracts.topics import GROUPS, PARTITIONS, events_of

NOW = schema.generated()
SCHEMAS = [path for path in NOW if path.startswith("schemas/")]
PROMISED = schema.checked_in()


def test_no_promise_is_broken():
    assert [str(one) for one in schema.incompatible(schema.checked_in(), schema.generated())] == []


def test_the_checked_in_files_are_up_to_date():
    assert schema.stale(schema.generated()) == [], "run python -m shared.contracts.schema --write"


@pytest.mark.parametrize("path", SCHEMAS)
def test_every_schema_is_a_valid_json_schema(path):
    jsonschema.Draft202012Validator.check_schema(PROMISED[path])


@pytest.mark.parametrize("path", SCHEMAS)
def test_every_field_says_in_one_line_what_it_is(path):
    document = NOW[path]
    silent = [
        f"{of['title']}.{name}"
        for of in (document, *document.get("$defs", {}).values())
        for name, field in of.get("properties", {}).items()
        if not field.get("description") or "\n" in field["description"]
    ]
    assert silent == []


@pytest.mark.parametrize("source", SOURCES)
def test_the_asyncapi_document_names_every_event_its_topic_and_its_files(source):
    document = PROMISED[f"asyncapi/{source}.json"]
    channel = document["channels"]["events"]
    assert channel["address"] == events_of(source)
    assert channel["bindings"]["kafka"]["partitions"] == PARTITIONS
    assert list(channel["messages"]) == [f"{source}.{event.__name__}" for event in EVENTS[source]]


@pytest.mark.parametrize("service", GROUPS)
def test_every_reference_of_an_asyncapi_document_leads_somewhere(service):
    document = PROMISED[f"asyncapi/{service}.json"]
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
    for channel in document["channels"].values():
        for reference in channel["messages"].values():
            message = document["components"]["messages"][reference["$ref"].removeprefix("#/components/messages/")]
            if "$ref" in message["payload"]:
                assert (schema.HERE / "asyncapi" / message["payload"]["$ref"]).resolve().is_file()


def test_a_reader_finds_in_its_document_what_it_reads():
    operations = PROMISED["asyncapi/scheduling.json"]["operations"]
    assert {name for name, one in operations.items() if one["action"] == "receive"} == {
        "readIntake", "readAssessment", "readNotifications", "readReplayRequests",
    }  # fmt: skip


def test_a_change_is_refused_and_the_files_stay_as_they_are(tmp_path, capsys, monkeypatch):
    promised = schema.generated()
    monkeypatch.setattr(schema, "checked_in", lambda root=tmp_path: promised)
    changed = json.loads(json.dumps(promised))
    del changed["schemas/intake/LeadCreated.v1.json"]["properties"]["contact"]
    monkeypatch.setattr(schema, "generated", lambda: changed)
    monkeypatch.setattr(schema, "write", lambda now: pytest.fail("must not write"))
    assert schema.main(["--write"]) == 1
    said = capsys.readouterr().err
    assert "intake.LeadCreated.v1.contact: was removed" in said
    assert "read by assessment, scheduling, notifications, dashboard" in said


def test_a_new_optional_field_passes_and_is_written(tmp_path):
    promised = schema.generated()
    schema.write(promised, tmp_path)
    changed = json.loads(json.dumps(promised))
    changed["schemas/intake/LeadClosed.v1.json"]["properties"]["note"] = {"type": "string", "default": ""}
    assert schema.incompatible(schema.checked_in(tmp_path), changed) == []
    assert schema.stale(changed, tmp_path) == ["schemas/intake/LeadClosed.v1.json"]
    schema.write(changed, tmp_path)
    assert schema.checked_in(tmp_path) == changed


def test_an_event_that_is_no_longer_published_is_a_broken_promise():
    promised = schema.generated()
    now = {path: one for path, one in promised.items() if not path.endswith("PatientErased.v1.json")}
    assert [str(one).split(";")[0] for one in schema.incompatible(promised, now)] == [
        "intake.PatientErased.v1: was removed"
    ]


@pytest.mark.parametrize(
    "event", [event for events in EVENTS.values() for event in events], ids=lambda event: event.__name__
)
def test_readers_pass_by_fields_that_they_do_not_know(event: type[BaseModel]):
    assert event.model_config["extra"] == "ignore"
    assert event.model_config["frozen"]


def test_every_event_names_its_subject():
    for events in EVENTS.values():
        for event in events:
            ids = {name: UUID(int=7) for name in event.model_fields if name.endswith("_id")}
            assert event.model_construct(None, **ids).subject == UUID(int=7)


@pytest.mark.parametrize(("source", "event"), [(source, event) for source in SOURCES for event in EVENTS[source]])
def test_the_example_of_an_event_is_one(source, event):
    document = PROMISED[f"asyncapi/{source}.json"]
    [example] = document["components"]["messages"][f"{source}.{event.__name__}"]["examples"]
    told = event.model_validate(example["payload"])
    headers = [(name, value.encode()) for name, value in example["headers"].items()]
    envelope = from_headers(headers)
    assert (envelope.type, envelope.source, envelope.subject) == (event.type_from(source), source, told.subject)
    promised = PROMISED[f"schemas/{source}/{event.__name__}.v{event.VERSION}.json"]
    jsonschema.validate(example["payload"], promised)
    jsonschema.validate(example["headers"], document["components"]["schemas"]["Headers"])
